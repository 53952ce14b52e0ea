# SPDX-License-Identifier: MIT

"""Faults that no count shows: right, but dearer than one put a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import Optimised
from model.umem import BATCH
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.umem import Umem


@fault("cost only", "A04, v1 and v2 3/4")
class OrderOneUnbatched(Optimised):
    """Compound pages of two pages are not batched.

    The test was for an order above 1, where above 0 was meant. Two puts for
    each page of order 1, and every count right: only a reviewer noticed.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run of one page below order 2."""
        head, ntails = super().compound_range_next(i, npages, page)
        return head, ntails if self.memory.compound_order(head) > 1 else 1


@fault("cost only", "A13, near-miss of the series")
class StopsBeforeLast(Optimised):
    """The scan for the end of a run never looks at the list's last entry.

    A bound that is one too low. The entry is found by the next turn, as a run
    of its own: one put more for each list, and nothing wrong.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """A run without the last entry, unless it begins with it."""
        head, ntails = super().compound_next(i, npages, pages)
        return head, ntails - 1 if ntails > 1 and i + ntails == npages else ntails


@fault("cost only", "5.11, before the series")
class ListByPage(Optimised):
    """Every entry of a list is a run.

    As it was before the series, which is for nothing but this: a huge page that
    was pinned by its 512 tails takes 512 atomic subtractions.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """A run of one."""
        return self.memory.compound_head(pages[i]), 1


@fault("cost only", "5.11, before the series")
class RangeByPage(Optimised):
    """Every page of a range is a run.

    The new call, without what it was made for: its callers write less, and the
    machine does as much as before.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run of one."""
        return self.memory.compound_head(page + i), 1


@fault("cost only", "mutation")
class RangeStopsBeforeEdge(Optimised):
    """A run ends one page before its compound page does.

    The last page of each compound page takes a put of its own, twice as many as
    needed where a range covers many of them.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run that leaves out the last page of its head, if it holds another."""
        head, ntails = super().compound_range_next(i, npages, page)
        edge = page + i + ntails == head + self.memory.compound_nr(head)
        return head, ntails - 1 if edge and ntails > 1 else ntails


@fault("cost only", "mutation")
class RepeatEndsRun(Optimised):
    """An entry that repeats the page before it ends the run.

    Repeats were taken for something special. A page that is pinned a thousand
    times is put a thousand times.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """A run in which no page follows itself."""
        head = self.memory.compound_head(pages[i])
        nr = i + 1
        while (
            nr < npages
            and pages[nr] != pages[nr - 1]
            and self.memory.compound_head(pages[nr]) == head
        ):
            nr += 1
        return head, nr - i


@fault("cost only", "mutation")
class DirtyListByPage(Optimised):
    """A list that is to be dirtied is not batched.

    Only the plain call was changed to walk by runs. Writes into user memory,
    which are what dirties, are the usual case.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Dirty and put entry by entry."""
        if not make_dirty:
            self.unpin_user_pages(pages, npages)
            return
        for i in range(npages):
            head = self.memory.compound_head(pages[i])
            self.dirty_head(head)
            self.put_compound_head(head, 1)


@fault("cost only", "mutation")
class RegionByPage(Optimised):
    """A region is released page by page, though there is a call for ranges.

    The driver as it was before the last patch of the series. A region of a
    terabyte takes minutes to release.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        make_dirty = umem.writable and dirty
        for sg in umem.sgl:
            for i in range(sg.npages):
                self.unpin_user_pages_dirty_lock([sg.page + i], 1, make_dirty)


@fault("cost only", "mutation")
class RunsOf512(Optimised):
    """Runs of more than 512 pages are put in pieces of 512.

    As if a huge page never were larger than a PMD maps. A page of 1 GiB takes
    512 puts instead of one.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put batch by batch."""
        while refs > BATCH:
            super().put_compound_head(head, BATCH)
            refs -= BATCH
        super().put_compound_head(head, refs)


@fault("cost only", "mutation", versions=("5.11", "5.13"))
class LocksDirtyPages(Optimised):
    """The page lock is taken for a head that is dirty already.

    The flag is not looked at first. The lock sleeps while the page is written
    back, and nothing comes of it.
    """

    def dirty_head(self, head: int) -> None:
        """Dirty without asking."""
        self.memory.set_page_dirty_lock(head)


@fault("cost only", "mutation")
class LocksEachPage(Optimised):
    """The page lock is taken for each page of a range, always the same head's.

    The puts are batched and the dirtying is not, so that a huge page is locked
    512 times.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Dirty page by page, put run by run."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty and not self.memory.page_dirty(head):
                for j in range(i, i + ntails):
                    self.memory.set_page_dirty_lock(page + j)
            self.put_compound_head(head, ntails)
            i += ntails
