# SPDX-License-Identifier: MIT

"""Sketches of bugs that were public, or would be, beside ways that are right.

Each is a pattern of a real bug in the terms of the model. `EXPECTED` has the verdict on each.
"""

from __future__ import annotations

from model.optimised import Optimised
from model.semantics import PAGE_SIZE
from model.umem import Scatterlist

#: Number of pages of a block of the device, in the bugs of direct I/O.
BLOCK = 4


class PlainReferenceForPin(Optimised):
    """GUP without an MMU took one plain reference for a pin; a put drops 1024 (2026)."""

    def try_grab_compound_head(self, head, refs):
        return self.try_get_compound_head(head, refs)


class TrimUnpinsOne(Optimised):
    """Of the end of a buffer that is no whole block, one page is unpinned (6.19, direct I/O)."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        trimmed = npages % BLOCK
        if trimmed:
            if make_dirty:
                self.dirty_head(self.memory.compound_head(page + npages - trimmed))
            self.unpin_user_page(page + npages - trimmed)
        super().unpin_user_page_range_dirty_lock(page, npages - trimmed, make_dirty)


class TrimUnpinsNone(Optimised):
    """A segment is only made shorter, and nobody unpins what was cut off."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        super().unpin_user_page_range_dirty_lock(page, npages - npages % BLOCK, make_dirty)


class OffsetNotCounted(Optimised):
    """The pages of a segment are counted from its length, though it begins inside a page.

    Programs have no offset: each entry of several pages lacks the half page before it.
    """

    def npages_of_entry(self, sg):
        half = PAGE_SIZE // 2
        return -(-(sg.length - half - 100) // PAGE_SIZE) if sg.npages > 1 else 1


class MergesAPageWithItself(Optimised):
    """Two segments of one page become one entry, and the second pin is forgotten (5905afc2c7bb)."""

    def umem_append(self, umem, batch, max_segment):
        super().umem_append(umem, batch, max_segment)
        merged = []
        for sg in umem.sgl:
            if merged and merged[-1].page + merged[-1].npages - 1 == sg.page:
                if sg.npages > 1:
                    merged.append(Scatterlist(sg.page + 1, sg.length - PAGE_SIZE))
            else:
                merged.append(sg)
        umem.sgl = merged


class Stretches(Optimised):
    """iommufd's way: contiguous frames are collected in a short array, unpinned when it is full.

    When the array is emptied, its last stretch may still grow: it is carried to the front.
    """

    SIZE = 4
    CARRIED = 1

    def unpin_runs(self, pages, npages):
        stretches = []
        for page in pages[:npages]:
            if stretches and page == sum(stretches[-1]):
                stretches[-1][1] += 1
            elif len(stretches) < self.SIZE:
                stretches.append([page, 1])
            else:
                self.empty(stretches[:-1])
                stretches = stretches[len(stretches) - self.CARRIED :]
                stretches.append([page, 1])
        self.empty(stretches)

    def empty(self, stretches):
        for page, npages in stretches:
            self.unpin_user_page_range_dirty_lock(page, npages, make_dirty=False)


class CarryOverwritten(Stretches):
    """After the carry the array is said to be empty: the stretch is overwritten (6.2 to 6.5)."""

    CARRIED = 0


class ShortPinIsWhole(Optimised):
    """A short pin is taken for a whole one; what was asked for is unpinned (privcmd, 4.11)."""

    def umem_advance(self, asked, pinned):
        self.asked = asked
        return asked

    def umem_append(self, umem, batch, max_segment):
        super().umem_append(umem, batch, max_segment)
        missing = self.asked - len(batch)
        if batch and missing and umem.sgl:
            umem.sgl[-1].length += missing * PAGE_SIZE


class NeighboursByHead(Optimised):
    """Pages of one compound page are taken for neighbours, though some are left out.

    CVE-2023-2598; here the range that they seem to be is unpinned.
    """

    def unpin_runs(self, pages, npages):
        i = 0
        while i < npages:
            _, ntails = self.compound_next(i, npages, pages)
            self.unpin_user_page_range_dirty_lock(pages[i], ntails, make_dirty=False)
            i += ntails


class KeepsOneByHead(Optimised):
    """As that bug really was: one put of the whole run. The counts are right, wherever they lie."""

    def unpin_runs(self, pages, npages):
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            if ntails > 1:
                self.put_compound_head(head, ntails)
            else:
                self.unpin_user_page(pages[i])
            i += ntails


class EndRoundedDown(Optimised):
    """The run to the end of a list is counted in bytes and rounded down (d08af0a59684).

    Its last page is grabbed alone, which only an entry shows that changes meanwhile: one grab of
    two is undone.
    """

    def _mapped(self, i, pages):
        head, ntails = super()._mapped(i, pages)
        if ntails > 1 and i + ntails == len(pages) and not isinstance(pages, range):
            ntails -= 1
        return head, ntails


EXPECTED = {
    PlainReferenceForPin: "diverges",
    TrimUnpinsOne: "diverges",
    TrimUnpinsNone: "diverges",
    OffsetNotCounted: "diverges",
    MergesAPageWithItself: "diverges",
    Stretches: "dearer",
    CarryOverwritten: "diverges",
    ShortPinIsWhole: "diverges",
    NeighboursByHead: "diverges",
    KeepsOneByHead: "agrees",
    EndRoundedDown: "diverges",
}
