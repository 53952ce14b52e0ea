# SPDX-License-Identifier: MIT

"""Sketches whose bugs only show at one width, one order, or one count near its limit.

`WRONG` has them by name; searches that draw few lengths or few orders overlook them.
"""

from __future__ import annotations

from model.optimised import Optimised
from model.semantics import MAX_ORDER, PAGE_SIZE
from model.umem import Scatterlist, Umem


def run_of(width):
    """A sketch that keeps the length of a run in *width* bits."""

    class RunInBits(Optimised):
        def unpin_range_run(self, page, head, ntails, make_dirty):
            super().unpin_range_run(page, head, ntails % (1 << width), make_dirty)

    return RunInBits


def listed_of(width):
    """A sketch that keeps the length of a run of a list in *width* bits."""

    class ListedInBits(Optimised):
        def unpin_runs(self, pages, npages):
            i = 0
            while i < npages:
                head, ntails = self.compound_next(i, npages, pages)
                self.put_compound_head(head, ntails % (1 << width))
                i += ntails

    return ListedInBits


def length_of(width):
    """A sketch that keeps the number of pages of a range in *width* bits."""

    class LengthInBits(Optimised):
        def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
            npages %= 1 << width
            super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)

    return LengthInBits


def pincount_of(width):
    """A sketch that keeps the pincount in *width* bits."""

    class PincountInBits(Optimised):
        def try_grab_compound_head(self, head, refs):
            refs = super().try_grab_compound_head(head, refs)
            over = self.memory.page_pincount(head) >> width << width
            if over:
                self.memory.pincount_add(head, -over)
            return refs

    return PincountInBits


def entries_of(width):
    """A sketch that keeps the number of scatterlist entries in *width* bits."""

    class EntriesInBits(Optimised):
        def released_entries(self, umem):
            return umem.sgl[: umem.sg_nents % (1 << width)]

    return EntriesInBits


def row_of(order):
    """A sketch whose table of orders with a pincount is wrong for *order*."""

    class WrongRow(Optimised):
        def puts_exactly(self, head):
            return super().puts_exactly(head) != (self.memory.compound_order(head) == order)

    return WrongRow


class MergesByHead(Optimised):
    """A page is merged into the last scatterlist entry if both have one head, even with a hole."""

    def umem_append(self, umem, batch, max_segment):
        alone = Umem(umem.writable)
        super().umem_append(alone, batch, max_segment)
        head = self.memory.compound_head
        for sg in alone.sgl:
            last = umem.sgl[-1] if umem.sgl else None
            room = max_segment // PAGE_SIZE
            if last and head(last.page) == head(sg.page) and last.npages + sg.npages <= room:
                umem.sgl[-1] = Scatterlist(last.page, last.length + sg.length)
            else:
                umem.sgl.append(sg)


class UndoesWhatWasAsked(Optimised):
    """A grab that stopped half-way is undone as if it had taken all that was asked for."""

    asked = 0

    def try_grab_compound_head(self, head, refs):
        self.asked = refs
        return super().try_grab_compound_head(head, refs)

    def undo_grab(self, head, refs):
        super().undo_grab(head, self.asked)


WRONG = {
    **{f"run-{width}": run_of(width) for width in (8, 10, 12, 16)},
    **{f"listed-{width}": listed_of(width) for width in (8, 10, 12, 16)},
    **{f"length-{width}": length_of(width) for width in (8, 10, 12, 16, 24)},
    **{f"pincount-{width}": pincount_of(width) for width in (8, 10, 12, 16, 24)},
    **{f"entries-{width}": entries_of(width) for width in (8, 10, 12, 16)},
    **{f"order-{order}": row_of(order) for order in range(MAX_ORDER + 1)},
    "merges-by-head": MergesByHead,
    "undoes-what-was-asked": UndoesWhatWasAsked,
}
