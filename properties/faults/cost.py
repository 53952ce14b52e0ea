# SPDX-License-Identifier: MIT

"""Faults that leave every count right, but take more puts or dirty locks than necessary."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.umem import BATCH
from properties.faults.fault import fault


@fault("cost only", "A04, v1 and v2 3/4")
class OrderOneUnbatched(Optimised):
    """Compound pages of two pages are not batched: the test is for an order above 1, not above 0.

    A compound page of order 1 takes two puts. Every count is right: only a reviewer noticed.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head, ntails = super().compound_range_next(i, npages, page)
        return head, ntails if self.memory.compound_order(head) > 1 else 1


@fault("cost only", "A13, near-miss of the series")
class StopsBeforeLast(Optimised):
    """The scan for the end of a run never reads the list's last entry.

    The next iteration finds this entry as a run of its own: one more put, and right counts.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super().compound_next(i, npages, pages)
        return head, ntails - 1 if ntails > 1 and i + ntails == npages else ntails


@fault("cost only", "5.11, before the series")
class ListByPage(Optimised):
    """Every entry of a list is a run of its own.

    The series was made to change this: a huge page took 512 atomic subtractions.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        return self.memory.compound_head(pages[i]), 1


@fault("cost only", "5.11, before the series")
class RangeByPage(Optimised):
    """Every page of a range is a run of its own.

    The range call makes its callers shorter, but takes as many puts as before the series.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        return self.memory.compound_head(page + i), 1


@fault("cost only", "mutation")
class RangeStopsBeforeEdge(Optimised):
    """A run ends one page before its compound page does.

    The last page of each compound page takes a put of its own: twice as many puts as needed.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head, ntails = super().compound_range_next(i, npages, page)
        edge = page + i + ntails == head + self.memory.compound_nr(head)
        return head, ntails - 1 if edge and ntails > 1 else ntails


@fault("cost only", "mutation")
class RepeatEndsRun(Optimised):
    """An entry that names the same page as the entry before begins a new run.

    A list that names one page a thousand times takes a thousand puts.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        compound_head = self.memory.compound_head
        head = compound_head(pages[i])
        nr = i + 1
        while nr < npages and pages[nr] != pages[nr - 1] and compound_head(pages[nr]) == head:
            nr += 1
        return head, nr - i


@fault("cost only", "mutation")
class DirtyListByPage(Optimised):
    """A list that is to be dirtied is not batched: only unpin_user_pages() puts runs.

    Dirtying is the usual case: the device writes to user memory.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        for i in range(npages):
            super().unpin_dirty_runs([pages[i]], 1)


@fault("cost only", "mutation")
class RegionByPage(Optimised):
    """A region is released page by page, although there is a call for ranges.

    As before the last patch of the series: each huge page of a region takes 512 puts.
    """

    def release_entry(self, page: int, npages: int, make_dirty: bool) -> None:
        for i in range(npages):
            self.unpin_user_pages_dirty_lock([page + i], 1, make_dirty)


@fault("cost only", "mutation")
class RunsOf512(Optimised):
    """Runs of more than 512 pages are put in pieces of 512.

    PMD size is taken for the largest page size: a page of 1 GiB takes 512 puts instead of one.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        while refs > BATCH:
            super().put_compound_head(head, BATCH)
            refs -= BATCH
        super().put_compound_head(head, refs)


@fault("cost only", "mutation", versions=("5.11", "5.13"))
class LocksDirtyPages(Optimised):
    """The page lock is taken for a head that is dirty already: the flag is not read first.

    The call may sleep until it gets the lock, and then does not change the flag.
    """

    def dirty_head(self, head: int) -> None:
        self.memory.set_page_dirty_lock(head)


@fault("cost only", "mutation")
class LocksEachPage(Optimised):
    """The page lock of a clean head is taken again for each page of its run in a range.

    The puts are batched and the dirtying is not, so a huge page is locked 512 times.
    """

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        if make_dirty and not self.memory.page_dirty(head):
            for tail in range(page, page + ntails):
                self.memory.set_page_dirty_lock(tail)
        self.put_compound_head(head, ntails)
