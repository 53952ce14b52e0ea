# SPDX-License-Identifier: MIT

"""Small variations of the semantics, each of which a real kernel contradicts."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve

from model.candidate import InProcess
from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.semantics import BIAS


class _Counting(Optimised):
    """Counts by other semantics than it says."""

    changed: ClassVar[dict[str, object]] = {}

    def execute(self, program):
        other = evolve(program, semantics=evolve(program.semantics, **self.changed))
        return super().execute(other)


class BiasForOrderOne(_Counting):
    """Pins have a counter of their own from order 2 on, as before 5.18."""

    changed: ClassVar = {"exact_order": 2}


class NoCounterOfTheirOwn(_Counting):
    """Every pin adds the bias to the refcount."""

    changed: ClassVar = {"exact_order": 19}


class CountsZeroPage(_Counting):
    """Pins of the zero page count as others do, as before 6.5."""

    changed: ClassVar = {"zero_skipped": False}


class FastZeroPage(Optimised):
    """The fast path takes the zero page, as this very model did until a kernel was booted."""

    def pin_user_pages_fast_only(self, pages, changed):
        self.memory.pte_special = lambda _page: False
        return super().pin_user_pages_fast_only(pages, changed)


class DirtiesFirstHead(Optimised):
    """Only the first head of a list is dirtied."""

    def unpin_user_pages_dirty_lock(self, pages, npages, make_dirty):
        if make_dirty and npages:
            self.dirty_head(self.memory.compound_head(pages[0]))
        self.unpin_user_pages(pages, npages)


class NeverDirties(Optimised):
    """make_dirty is not looked at by the range call."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        super().unpin_user_page_range_dirty_lock(page, npages, False)


class AlwaysDirties(Optimised):
    """make_dirty is not looked at by the list call."""

    def unpin_user_pages_dirty_lock(self, pages, npages, make_dirty):
        super().unpin_user_pages_dirty_lock(pages, npages, make_dirty or npages == len(pages))


class CountsRuns(Optimised):
    """NR_FOLL_PIN_RELEASED grows by one for a run, not for each of its pins."""

    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs)
        if not self.memory.is_zero_page(head):
            self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1 - refs)


class TailsPinned(Optimised):
    """Repeated entries of one page are one pin when they are given back."""

    def unpin_user_pages(self, pages, npages):
        if npages == len(pages):
            pages = list(dict.fromkeys(pages))
            npages = len(pages)
        super().unpin_user_pages(pages, npages)


class SilentError(Optimised):
    """An error value for npages is noticed without a WARN."""

    def unpin_user_pages(self, pages, npages):
        if npages < 2**64 - 4095:
            super().unpin_user_pages(pages, npages)


class StopsEarly(Optimised):
    """A grab is refused where the count would pass 2^31, not after it has."""

    def try_grab_compound_head(self, head, refs):
        each = 1 if self.memory.hpage_pincount_available(head) else BIAS
        if self.memory.page_ref_count(head) + refs * each > 2**31 - 1:
            self.memory.warn("too many")
            return 0
        return super().try_grab_compound_head(head, refs)


class UnmapFrees(Optimised):
    """A page is gone with its last mapping, whoever has it pinned."""

    def unmap(self, pages):
        super().unmap(pages)
        for head in self._heads(pages):
            state = self.memory.looks()[0][head]
            if state.allocated and not self.memory.page_mapped(head):
                self.memory.free(head)


class PinsUnmapped(Optimised):
    """A pin finds pages that are not mapped any more."""

    def pin_user_pages(self, pages):
        self.memory.page_mapped = lambda _page: True
        try:
            return super().pin_user_pages(pages)
        finally:
            del self.memory.page_mapped


class NegativeIsNotPinned(InProcess):
    """``page_maybe_dma_pinned()`` compares the count with its sign."""

    def execute(self, program):
        for shown in Optimised().execute(program):
            heads = {page for page in shown.maybe_pinned if shown.heads[page].refcount >= 0}
            yield evolve(shown, maybe_pinned=frozenset(heads))


class ForgetsSecondPut(Optimised):
    """A-B-A: the second run of A is taken for the first."""

    def unpin_user_pages(self, pages, npages):
        if npages == len(pages) and npages > 2 and not isinstance(pages, range):
            heads = [self.memory.compound_head(page) for page in pages]
            if heads[0] == heads[-1] != heads[1]:
                pages, npages = pages[:-1], npages - 1
        super().unpin_user_pages(pages, npages)


WRONG = (
    BiasForOrderOne,
    NoCounterOfTheirOwn,
    CountsZeroPage,
    FastZeroPage,
    DirtiesFirstHead,
    NeverDirties,
    AlwaysDirties,
    CountsRuns,
    TailsPinned,
    SilentError,
    StopsEarly,
    UnmapFrees,
    PinsUnmapped,
    NegativeIsNotPinned,
    ForgetsSecondPut,
)
