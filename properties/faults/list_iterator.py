# SPDX-License-Identifier: MIT

"""Faults of the list iterator (``compound_next``), and of those who walk it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import MIN_ERR_VALUE, Optimised
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.candidate import Snapshot
    from model.program import Program


@fault("list iterator", "A12, near-miss of the series")
class RunIsIndex(Optimised):
    """The run is the index where it ends, not how many entries led there.

    The first run begins at index 0 and is right. The second counts the first
    one's entries again: its head loses too many pins, and entries behind are
    never visited.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """A run that counts from the list's begin."""
        head, ntails = super().compound_next(i, npages, pages)
        return head, i + ntails


@fault("list iterator", "B22, 83c02c23d074, 5.13; A06, review of v1 3/4")
class RangeMathOnList(Optimised):
    """The rest of the compound page is taken for entries of the list.

    The check before a long-term pin stepped so, and missed pages: a list need
    not hold the rest, nor in that order. One helper for lists and ranges, told
    by a flag which of them it has, invites the same.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run as a range would have it."""
        head = self.memory.compound_head(pages[i])
        return head, min(head + self.memory.compound_nr(head) - pages[i], npages - i)


@fault("list iterator", "mutation")
class MergesAcross(Optimised):
    """A run goes on after entries of another head: A-B-A is one run of A.

    The scan looks for the last entry of the head and not for the first of
    another. A loses the pins of B, and B keeps them.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run to the last entry of its head, whatever lies between."""
        head = self.memory.compound_head(pages[i])
        nr = i + 1
        for j in range(nr, npages):
            if self.memory.compound_head(pages[j]) == head:
                nr = j + 1
        return head, nr - i


@fault("list iterator", "mutation", versions=("5.11", "5.13"))
class CountsPagesOnce(Optimised):
    """A page that stands in the list twice is put once.

    A list of pages is no set: one that was pinned twice, because it is mapped
    twice or two buffers share it, has to be put twice.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Unpin each page of the list, but each only once."""
        if npages < MIN_ERR_VALUE:
            pages = list(dict.fromkeys(pages))
            npages = len(pages)
        super().unpin_user_pages(pages, npages)


@fault("list iterator", "mutation")
class SpanForCount(Optimised):
    """Entries are counted as the distance from the run's first page to its last.

    True only of pages that rise one by one. Falling lists, gaps and repeats
    come out shorter or longer than they are.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run by subtraction of its ends."""
        head, ntails = super().compound_next(i, npages, pages)
        return head, max(1, pages[i + ntails - 1] - pages[i] + 1)


@fault("list iterator", "mutation")
class SkipsNextEntry(Optimised):
    """The entry that ended a run is stepped over.

    The scan had read it already, and the walk goes on behind it. Each change
    of heads leaks one pin; a list of one head is right.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Go on one entry too far."""
        if npages >= MIN_ERR_VALUE:
            super().unpin_user_pages(pages, npages)
            return
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails + 1


@fault("list iterator", "mutation")
class AdjacentForSameHead(Optimised):
    """The scan compares frames and not heads: it goes on while they follow each other.

    Frames that follow each other may be of two compound pages, which lie side by
    side whenever the allocator was asked twice in a row.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run of frames that rise by one."""
        nr = i + 1
        while nr < npages and pages[nr] == pages[nr - 1] + 1:
            nr += 1
        return self.memory.compound_head(pages[i]), nr - i


@fault("list iterator", "mutation; A05 is how macros come to it")
class HeadOfNextRun(Optimised):
    """The run is counted right, and put against the head that ended it.

    One variable serves for the head of the run and for the head just read. A
    macro whose parameters are named like the caller's variables ends like this.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run with the head of the entry behind it."""
        head, ntails = super().compound_next(i, npages, pages)
        if i + ntails < npages:
            head = self.memory.compound_head(pages[i + ntails])
        return head, ntails


@fault("list iterator", "mutation")
class LastEntryStays(Optimised):
    """The walk ends before the last entry, if that is a run of its own.

    A bound that is one too low. Where the last entry belongs to the run before
    it, that run takes it along and nothing is missing.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Leave the last run out if it is of one entry."""
        if make_dirty and npages > 1:
            last, before = pages[npages - 1], pages[npages - 2]
            if self.memory.compound_head(last) != self.memory.compound_head(before):
                npages -= 1
        super().unpin_user_pages_dirty_lock(pages, npages, make_dirty)


@fault("list iterator", "mutation")
class EightHeads(Optimised):
    """A call handles eight runs and forgets the rest.

    As if runs were gathered in an array on the stack first, and what does not
    fit were dropped. Most lists have fewer heads than that.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """The first eight runs of the list."""
        if npages >= MIN_ERR_VALUE:
            super().unpin_user_pages(pages, npages)
            return
        i = 0
        for _ in range(8):
            if i < npages:
                head, ntails = self.compound_next(i, npages, pages)
                self.put_compound_head(head, ntails)
                i += ntails


@fault("list iterator", "B04, c24d37322548, 5.14")
class StaleHead(Optimised):
    """Heads are remembered from one call to the next, though pages may be split.

    The fast path read a head, the huge page was split, and the reference went
    to what had been the head: the right page, and the count of an unrelated
    one. Here it is the unpin side that trusts what it knew.
    """

    _known: dict[int, int]

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Begin a program knowing nothing."""
        self._known = {}
        return super().execute(program)

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run by heads that were looked up once."""
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
    """An error value for a number of pages is believed.

    Callers hand on what pinning returned, which may be -errno. As a number
    without sign it is enormous, and the walk leaves the list. The dirtying
    calls really do this; the plain one checks.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Walk without the check of -errno."""
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails


@fault("list iterator", "mutation of B27", versions=("5.11", "5.13"))
class LastErrorIsLength(Optimised):
    """The check of -errno leaves out the last error value.

    Error values end at -4095, and a comparison without its equal sign lets just
    that one through as a length.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Take -4095 for all of the list."""
        super().unpin_user_pages(pages, len(pages) if npages == MIN_ERR_VALUE else npages)


@fault("list iterator", "mutation", versions=("5.11", "5.13"), long=True)
class ListOf4096(Optimised):
    """Entries behind the 4096th are not looked at.

    A length that was checked against the pointers of eight pages. Direct I/O of
    16 MiB fits, and one page more does not.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """The first 4096 entries."""
        if npages < MIN_ERR_VALUE:
            npages = min(npages, 4096)
        super().unpin_user_pages(pages, npages)
