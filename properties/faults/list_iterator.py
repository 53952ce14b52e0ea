# SPDX-License-Identifier: MIT

"""Faults of the list iterator (``compound_next``), and of the calls that use it."""

from collections.abc import Iterator, Sequence

from model.candidate import Snapshot
from model.optimised import Optimised
from model.program import Program
from model.step import MIN_ERR_VALUE
from properties.faults.fault import fault


@fault("list iterator", "A12, near-miss of the series")
class RunIsIndex(Optimised):
    """The length of a run is the index at which it ends, not its number of entries.

    The first run is right. The second counts the entries of the first again: its head loses
    that many pins too many, and that many entries after it are skipped.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super().compound_next(i, npages, pages)
        return head, i + ntails


@fault("list iterator", "B22, 83c02c23d074, 5.13; A06, review of v1 3/4")
class RangeMathOnList(Optimised):
    """The length of a run in a list is the distance from its first page to its compound page's end.

    The check of pages before a long-term pin did this and missed pages. It easily happens if
    one helper serves lists and ranges, with a flag to tell them apart.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head = self.memory.compound_head(pages[i])
        return head, min(head + self.memory.compound_nr(head) - pages[i], npages - i)


@fault("list iterator", "mutation")
class MergesAcross(Optimised):
    """A run continues after entries of another head: A-B-A is one run of A.

    The scan looks for the last entry of the head and not for the first of another head.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head = self.memory.compound_head(pages[i])
        nr = i + 1
        for j in range(nr, npages):
            if self.memory.compound_head(pages[j]) == head:
                nr = j + 1
        return head, nr - i


@fault("list iterator", "mutation", versions=("5.11", "5.13"))
class CountsPagesOnce(Optimised):
    """A page that is in the list twice is put once.

    A list of pages is no set: a page that two buffers share was pinned twice.
    """

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        pages = list(dict.fromkeys(pages))
        super().unpin_runs(pages, len(pages))


@fault("list iterator", "mutation")
class SpanForCount(Optimised):
    """The entries of a run are counted as the distance from its first page to its last.

    This is right only for frames that rise by one, not for falling frames, gaps or repeats.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super().compound_next(i, npages, pages)
        return head, max(1, pages[i + ntails - 1] - pages[i] + 1)


@fault("list iterator", "mutation")
class SkipsNextEntry(Optimised):
    """The entry after a run is skipped, because the scan for the end of the run has read it.

    One pin leaks where the head changes; a list of pages of one head is unpinned correctly.
    """

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails + 1


@fault("list iterator", "mutation")
class AdjacentForSameHead(Optimised):
    """The scan compares frames and not heads: a run goes on while frames are adjacent.

    Compound pages that were allocated one after the other are often adjacent: then the first
    head loses the pins of the second.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        nr = i + 1
        while nr < npages and pages[nr] == pages[nr - 1] + 1:
            nr += 1
        return self.memory.compound_head(pages[i]), nr - i


@fault("list iterator", "mutation; A05 is how macros come to it")
class HeadOfNextRun(Optimised):
    """The length of a run is right, but its pins are dropped from the head of the next run.

    One variable holds both heads: a macro's parameter has the name of its caller's variable.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super().compound_next(i, npages, pages)
        if i + ntails < npages:
            head = self.memory.compound_head(pages[i + ntails])
        return head, ntails


@fault("list iterator", "mutation")
class LastEntryStays(Optimised):
    """The last entry of a list that is dirtied stays pinned, if it is a run of its own.

    The loop ends one entry early. If the entry before has the same head, one run includes both.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        if npages > 1:
            last, before = pages[npages - 1], pages[npages - 2]
            if self.memory.compound_head(last) != self.memory.compound_head(before):
                npages -= 1
        super().unpin_dirty_runs(pages, npages)


@fault("list iterator", "mutation")
class EightHeads(Optimised):
    """A call puts the first eight runs of a list and ignores later ones.

    It gathers runs in an array of eight on the stack before it puts them. Most lists have fewer.
    """

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        i = 0
        for _ in range(8):
            if i < npages:
                head, ntails = self.compound_next(i, npages, pages)
                self.put_compound_head(head, ntails)
                i += ntails


@fault("list iterator", "B04, c24d37322548, 5.14")
class StaleHead(Optimised):
    """Heads are remembered from one call to the next, although pages may be split in between.

    In the kernel, the fast path read a head, the huge page was split, and the reference went
    to the former head. Here the unpin calls use outdated heads.
    """

    _known: dict[int, int]

    def execute(self, program: Program) -> Iterator[Snapshot]:
        self._known = {}
        return super().execute(program)

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head = self._head(pages[i])
        nr = i + 1
        while nr < npages and self._head(pages[nr]) == head:
            nr += 1
        return head, nr - i

    def _head(self, page: int) -> int:
        if page not in self._known:
            self._known[page] = self.memory.compound_head(page)
        return self._known[page]


@fault("list iterator", "B27, 5.13", versions=("5.11", "5.13"))
class ErrorIsLength(Optimised):
    """An error value is taken for a number of pages, and the walk leaves the list.

    Callers pass on what pinning returned, which may be -errno. In the kernel,
    unpin_user_pages() checks it, and the calls that dirty do not.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        self.unpin_runs(pages, npages)


@fault("list iterator", "mutation of B27", versions=("5.11", "5.13"))
class LastErrorIsLength(Optimised):
    """The check for -errno misses the last error value, -4095.

    A comparison has > in place of >=, so this one value is taken for a length.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        super().unpin_user_pages(pages, len(pages) if npages == MIN_ERR_VALUE else npages)


@fault("list iterator", "mutation", versions=("5.11", "5.13"), long=True)
class ListOf4096(Optimised):
    """Entries after the 4096th are not unpinned.

    4096 pointers fill eight pages. Of a larger buffer, all but the first 16 MiB stays pinned.
    """

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        super().unpin_runs(pages, min(npages, 4096))
