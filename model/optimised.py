# SPDX-License-Identifier: MIT

"""The optimised model: what the series does, one put for each run of a head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model import iterators
from model.candidate import InProcess
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.pagelist import NULL
from model.semantics import BIAS
from model.umem import BATCH, Scatterlist, Umem, append_pages


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENOMEM = -12
EFAULT = -14

#: ``IS_ERR_VALUE()`` begins here.
MAX_ERRNO = 2**64 - 4095

#: The first count that a signed 32-bit integer cannot hold.
LIMIT = 1 << 31


class Optimised(InProcess):
    """Compound iterators and range math (mm/gup.c and umem.c as of 5.13).

    A sketch of a new path is a subclass that overrides one of these methods.
    """

    # The two iterators of the unpin side, here so that a sketch can put another
    # in their place. Pinning does not use them: its runs are page table entries.

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run that begins at ``pages[i]``: its head, and its entries."""
        return iterators.compound_next(self.memory, i, npages, pages)

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The run that begins at frame ``page + i``: its head, and its pages."""
        return iterators.compound_range_next(self.memory, i, npages, page)

    # Pinning.

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin *head* up to *refs* times in one go; how often it worked.

        A kernel takes all of *refs* and may carry the count past 2^31 on the
        way. Here no more are taken than one at a time would get: each needs a
        positive count before it.
        """
        memory = self.memory
        if memory.is_zero_page(head):
            return refs if self._room(head, 1, 1) else 0
        exact = memory.hpage_pincount_available(head)
        each = 1 if exact else BIAS
        refs = self._room(head, refs, each)
        if refs:
            memory.page_ref_add(head, refs * each)
            if exact:
                memory.pincount_add(head, refs)
            memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs)
        return refs

    def try_get_compound_head(self, head: int, refs: int) -> int:
        """Take up to *refs* plain references on *head* in one go; how many it got."""
        refs = self._room(head, refs, 1)
        if refs:
            self.memory.page_ref_add(head, refs)
        return refs

    def _room(self, head: int, refs: int, each: int) -> int:
        count = self.memory.page_ref_count(head)
        room = -(-(LIMIT - count) // each) if count > 0 else 0
        if refs > room:
            self.memory.warn("a grab found a refcount that is not positive")
        return min(refs, room)

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run from ``pages[i]`` on, and 0 entries if it is not mapped."""
        if isinstance(pages, range) and pages.step == 1:
            # One entry of the page table maps the whole compound page, so that a
            # walk over addresses does not look at each page (follow_page_mask()).
            head, ntails = iterators.compound_range_next(self.memory, i, len(pages), pages[0])
        else:
            head, ntails = iterators.compound_next(self.memory, i, len(pages), pages)
        return head, ntails if self.memory.page_mapped(head) else 0

    def pin_user_pages(self, pages: Sequence[int]) -> int:
        """Pin run by run; stop where one is not mapped, or refuses."""
        return self._grab_runs(pages, self.try_grab_compound_head)

    def get_user_pages(self, pages: Sequence[int]) -> int:
        """Take plain references run by run, likewise."""
        return self._grab_runs(pages, self.try_get_compound_head)

    def _grab_runs(self, pages: Sequence[int], grab: Callable[[int, int], int]) -> int:
        i = 0
        while i < len(pages):
            head, ntails = self._mapped(i, pages)
            if not ntails:
                return i or EFAULT
            grabbed = grab(head, ntails)
            i += grabbed
            if grabbed < ntails:
                return i or ENOMEM
        return i

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Pin run by run; put a run back in one put if its entry changed meanwhile.

        A huge entry gives its whole run (``gup_huge_pmd``), any other one page
        (``gup_pte_range``).
        """
        i = 0
        while i < len(pages):
            head, ntails = self._mapped(i, pages)
            if self.memory.pte_special(head):
                return i
            if changed is not None and i <= changed < i + ntails:
                if not self.memory.huge_entry(head):
                    # The pages before it are entries of their own, and stay.
                    before = changed - i
                    grabbed = self.try_grab_compound_head(head, before) if before else 0
                    i += grabbed
                    if grabbed < before:
                        return i
                    ntails = 1
                grabbed = self.try_grab_compound_head(head, ntails)
                if grabbed:
                    self.put_compound_head(head, grabbed)
                return i
            grabbed = self.try_grab_compound_head(head, ntails) if ntails else 0
            i += grabbed
            if not ntails or grabbed < ntails:
                return i
        return i

    # Unpinning.

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop *refs* pins of *head* in one put; free it if they were the last.

        The statistic comes first: the page may be gone after (4509b42c3896).
        """
        memory = self.memory
        if memory.is_zero_page(head):
            return
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs *= BIAS
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)

    def dirty_head(self, head: int) -> None:
        """``set_page_dirty_lock()``, unless the head is dirty already."""
        if not self.memory.page_dirty(head):
            self.memory.set_page_dirty_lock(head)

    def unpin_user_page(self, page: int) -> None:
        """Drop the one pin of *page*."""
        self.put_compound_head(self.memory.compound_head(page), 1)

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Drop one pin of each entry; nothing at all if *npages* is -errno."""
        if npages >= MAX_ERRNO:
            self.memory.warn("npages is an error value")
            return
        i = 0
        while i < npages:
            if pages[i] == NULL and self.memory.semantics.null_skipped:
                i += 1
                continue
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """The same, each head dirtied before its put. No check of -errno if so."""
        if not make_dirty:
            self.unpin_user_pages(pages, npages)
            return
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Unpin *npages* frames from *page* on, by arithmetic. No check of -errno."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails

    # RDMA memory regions.

    def ib_umem_get(
        self,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Umem | int:
        """Pin in batches of 512, coalesce into a scatterlist, map it for DMA."""
        umem = Umem(writable)
        done = 0
        batch = 0
        while done < len(pages):
            page_list = pages[done : done + BATCH]
            pinned = self.pin_user_pages(page_list)
            if pinned < 0:
                self.release_umem(umem, dirty=False)
                return pinned
            done += pinned
            if batch == append_fails:
                self.unpin_user_pages_dirty_lock(page_list[:pinned], pinned, make_dirty=False)
                self.release_umem(umem, dirty=False)
                return ENOMEM
            append_pages(umem.sgl, page_list[:pinned], max_segment)
            batch += 1
        umem.nmap = umem.sg_nents if nmap is None else min(nmap, umem.sg_nents)
        if umem.nmap == 0:
            self.release_umem(umem, dirty=False)
            return ENOMEM
        return umem

    def ib_umem(self, sgl: Sequence[tuple[int, int]], writable: bool, nmap: int | None) -> Umem:
        """A region over pages that are pinned already."""
        entries = [Scatterlist(page, length) for page, length in sgl]
        return Umem(writable, entries, len(entries) if nmap is None else nmap)

    def ib_umem_release(self, umem: Umem, dirty: bool) -> None:
        """Unpin all pages of the region; if it is writable and *dirty*, dirty them first."""
        self.release_umem(umem, dirty)

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        """``__ib_umem_release()``: unpin all *sg_nents* entries, even after mapping failed."""
        make_dirty = umem.writable and dirty
        for sg in umem.sgl[: umem.sg_nents]:
            if self.memory.semantics.lacks("unpin_user_page_range_dirty_lock"):
                for i in range(sg.npages):
                    self.unpin_user_pages_dirty_lock([sg.page + i], 1, make_dirty)
            else:
                self.unpin_user_page_range_dirty_lock(sg.page, sg.npages, make_dirty)
