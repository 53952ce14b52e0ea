# SPDX-License-Identifier: MIT

"""Sketches of unpin paths that tests, and the README, put under test.

The wrong ones are bugs that the series really had, or nearly; the right ones
differ from the series' way and must never be reported.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from model.optimised import Optimised


class ReleasesNmap(Optimised):
    """v1 of the series walked nmap entries: those the IOMMU merged stay pinned."""

    def release_umem(self, umem, dirty):
        umem.sgl = umem.sgl[: umem.nmap]
        super().release_umem(umem, dirty)


class NoTailOffset(Optimised):
    """A run as long as the compound page, though the range began in its middle."""

    def compound_range_next(self, i, npages, page):
        head = self.memory.compound_head(page + i)
        return head, min(self.memory.compound_nr(head), npages - i)


class MergesAcross(Optimised):
    """A run of one head goes on after pages of another: A-B-A becomes one run of A."""

    def compound_next(self, i, npages, pages):
        head = self.memory.compound_head(pages[i])
        nr = i + 1
        for j in range(nr, npages):
            if self.memory.compound_head(pages[j]) == head:
                nr = j + 1
        return head, nr - i


class DirtiesAfterPut(Optimised):
    """The head is dirtied when its references are gone already."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            self.put_compound_head(head, ntails)
            if make_dirty:
                self.dirty_head(head)
            i += ntails


class RunOfZero(Optimised):
    """A range iterator whose count is too narrow: four pages are none."""

    def compound_range_next(self, i, npages, page):
        head, ntails = super().compound_range_next(i, npages, page)
        return head, ntails % 4


class OrderOneUnbatched(Optimised):
    """v2 of the series tested order > 1: right, but two puts for a page of order 1."""

    def compound_range_next(self, i, npages, page):
        head, ntails = super().compound_range_next(i, npages, page)
        return head, ntails if self.memory.compound_order(head) > 1 else 1


class RarelyStale(Optimised):
    """The head of one page in 127 is remembered though the page may be split meanwhile.

    It takes tens of thousands of random steps to meet, and depends on more than what
    is held by then: no few pins and references bring it about.
    """

    def execute(self, program):
        self.known = {}
        return super().execute(program)

    def compound_next(self, i, npages, pages):
        head = self.head(pages[i])
        nr = i + 1
        while nr < npages and self.head(pages[nr]) == head:
            nr += 1
        return head, nr - i

    def head(self, page):
        head = self.memory.compound_head(page)
        return self.known.setdefault(page, head) if page % 127 == 5 else head


class Raises(Optimised):
    """Goes wrong in Python's own way."""

    def unpin_user_page(self, page):
        raise LookupError(page)


class NeverReturns(Optimised):
    """Loops without touching memory, so that only the clock can tell."""

    def unpin_user_page(self, page):
        while True:
            pass


class Exits(Optimised):
    """Tries to take the whole harness with it."""

    def unpin_user_page(self, page):
        raise SystemExit(0)


class Moody(Optimised):
    """Does not do the same thing twice."""

    turns = 0

    def unpin_user_page(self, page):
        Moody.turns += 1
        if Moody.turns == 1:
            return
        super().unpin_user_page(page)


class Fickle(Optimised):
    """Fails in the first process that has it only."""

    def unpin_user_page(self, page):
        if Path("fickle").exists():
            super().unpin_user_page(page)
        Path("fickle").touch()


# Right though different.


class Regroups(Optimised):
    """Fewer puts than runs: A-B-A takes two."""

    def unpin_user_pages(self, pages, npages):
        if npages >= 2**64 - 4095:
            super().unpin_user_pages(pages, npages)
            return
        for head, entries in groupby(sorted(map(self.memory.compound_head, pages))):
            self.put_compound_head(head, len(list(entries)))


class DirtiesFirst(Optimised):
    """All heads are dirtied before the first put."""

    def unpin_user_pages_dirty_lock(self, pages, npages, make_dirty):
        if make_dirty:
            for page in pages:
                self.dirty_head(self.memory.compound_head(page))
        self.unpin_user_pages(pages, npages)


class LooksFirst(Optimised):
    """Looks up the first head of a range before its loop, even if the range has no pages."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        memory = self.memory
        end = page + npages
        head = memory.compound_head(page)
        while page < end:
            refs = min(head + memory.compound_nr(head), end) - page
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, refs)
            page += refs
            if page < end:
                head = memory.compound_head(page)


class Backwards(Optimised):
    """Walks the range from its end."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        left = npages
        while left:
            last = page + left - 1
            head = self.memory.compound_head(last)
            ntails = min(last - head + 1, left)
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)
            left -= ntails


class RangeThroughList(Optimised):
    """The range call writes its pages out and takes the list call."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        pages = range(page, page + npages)
        self.unpin_user_pages_dirty_lock(pages, npages, make_dirty)


class EmptyPuts(Optimised):
    """Puts no reference now and then, which changes nothing."""

    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) > 0:
            self.memory.mod_node_page_state("nr_foll_pin_released", 0)


class PageByPage(Optimised):
    """As before the series: right, and as dear as can be."""

    def compound_next(self, i, npages, pages):
        return self.memory.compound_head(pages[i]), 1

    def compound_range_next(self, i, npages, page):
        return self.memory.compound_head(page + i), 1


WRONG = {
    ReleasesNmap: {"pincount", "refcount"},
    NoTailOffset: {"pincount", "refcount"},
    MergesAcross: {"pincount", "refcount"},
    DirtiesAfterPut: {"dirty_before_put"},
    RunOfZero: {"no_progress"},
}
RIGHT = (Regroups, DirtiesFirst, LooksFirst, Backwards, RangeThroughList, EmptyPuts)
