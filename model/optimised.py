# SPDX-License-Identifier: MIT

"""The optimised model: the algorithms of the series, with one put for each run."""

from collections.abc import Callable, Sequence
from types import MappingProxyType

from model import entries, iterators, longterm
from model.attributes import ATTRIBUTES
from model.candidate import InProcess
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.page import wrapped
from model.pagelist import NULL
from model.semantics import BIAS, PMD_ORDER
from model.step import FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE, MIN_ERR_VALUE
from model.umem import BATCH, Scatterlist, Umem, append_pages

#: Methods that are part of a call which not all versions have, and the call.
PARTS = MappingProxyType(
    {
        "folios_next": "unpin_folios",
        "check_and_migrate_movable_folios": "memfd_pin_folios",
        "grab_found": "memfd_pin_folios",
        "pin_found": "memfd_pin_folios",
    }
)

ENOMEM, EFAULT, EINVAL = -12, -14, -22
#: The lowest refcount that a signed 32-bit integer cannot hold.
COUNT_LIMIT = 1 << 31


class Optimised(InProcess):
    """Pins and unpins run by run, as mm/gup.c and umem.c do in 5.13.

    A sketch of a new path is a subclass that overrides one or more of the methods.
    """

    attributes = ATTRIBUTES

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run that begins at ``pages[i]``, for unpin calls: (head, number of entries)."""
        return iterators.compound_next(self.memory, i, npages, pages)

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The run that begins at frame ``page + i``, for unpin calls: (head, number of pages)."""
        return iterators.compound_range_next(self.memory, i, npages, page)

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin *head* up to *refs* times with one addition; return how many pins it took.

        A kernel may add all *refs*, even past 2^31; this adds only as many as succeed one by one.
        """
        memory = self.memory
        if memory.is_zero_page(head):
            return refs if self._room(head, 1, 1) else 0
        refs = self._room(head, refs, 1 if self.grabs_exactly(head) else BIAS)
        if refs:
            self.add_pins(head, refs)
        return refs

    def add_pins(self, head: int, refs: int) -> None:
        """Add *refs* pins to *head* with one addition, whether there is room for them or not."""
        memory = self.memory
        if self.grabs_exactly(head):
            memory.page_ref_add(head, refs)
            memory.pincount_add(head, refs)
        else:
            memory.page_ref_add(head, refs * BIAS)
        memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs)

    def grabs_exactly(self, head: int) -> bool:
        """Whether a pin of *head* adds 1 to its pincount and refcount, not BIAS to the refcount."""
        return self.memory.hpage_pincount_available(head)

    def try_get_compound_head(self, head: int, refs: int) -> int:
        """Take up to *refs* plain references on *head*; return how many it took."""
        refs = self._room(head, refs, 1)
        if refs:
            self.memory.page_ref_add(head, refs)
        return refs

    def _room(self, head: int, refs: int, each: int) -> int:
        """How many of *refs* grabs of *head* succeed if each adds *each*; warn if not all do."""
        room = self.room(self.memory.page_ref_count(head), each)
        if refs > room:
            self.memory.warn("a grab found a refcount that is not positive")
        return min(refs, room)

    def room(self, count: int, each: int) -> int:
        """How many grabs that add *each* succeed from refcount *count* on, while it is above 0."""
        return -(-(COUNT_LIMIT - count) // each) if count > 0 else 0

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run at ``pages[i]``: (head, number of entries); (head, 0) if the head is unmapped."""
        head, ntails = iterators.run_at(self.memory, i, pages)
        return head, ntails if self.memory.page_mapped(head) else 0

    def pin_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        """Pin run by run until a page cannot be pinned; return the number pinned, or -errno.

        :param gup_flags: FOLL_WRITE and FOLL_LONGTERM of `model.step`; None: not known.
        """
        if gup_flags is not None:
            self.memory.ask(gup_flags)
        flags = gup_flags or 0
        pinned = self._grab_faulted(pages, self.try_grab_compound_head, flags)
        if flags & FOLL_LONGTERM and self.memory.movable:
            while pinned > 0:
                moved = self.check_and_migrate_movable_pages(pages[:pinned])
                if not moved:
                    break
                if moved < 0:
                    return moved
                pinned = self._grab_faulted(pages, self.try_grab_compound_head, flags)
        return pinned

    def check_and_migrate_movable_pages(self, pages: Sequence[int]) -> int:
        """Let long-term pins keep *pages*: 0 if they may, else unpin all and move those that must.

        Returns 1 if the caller has to pin again, or -errno if pages cannot be moved.
        """
        collected, isolated = longterm.collect(self.memory, pages)
        if not collected:
            return 0
        self.unpin_user_pages(pages, len(pages))
        return 1 if longterm.migrate(self.memory, isolated) else ENOMEM

    def get_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        """Take plain references as `pin_user_pages` takes pins; return their number, or -errno."""
        return self._grab_faulted(pages, self.try_get_compound_head, gup_flags or 0)

    def _grab_faulted(
        self, pages: Sequence[int], grab: Callable[[int, int], int], gup_flags: int
    ) -> int:
        """Grab *pages* up to one that its mapping or a fault refuses; the number, or -errno."""
        refused, error = len(pages), 0
        if not self.memory.plain:
            refused, error = entries.refused(self.memory, pages, gup_flags)
        return self._grab_runs(pages[:refused], grab) or error

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

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        """Pin run by run without the slow path; return the number of pages pinned.

        If *changed* is not None, the page table entry of ``pages[changed]`` changes during the
        call: the pages that this entry maps are unpinned in one put, and the walk ends there. So
        does its PMD if *race* is "collapse". If it is "fork", the process forks while the page is
        pinned, which the call sees after the walk (``write_protect_seq``): it unpins all pages.
        """
        return self.lockless_pages_from_mm(pages, changed, (gup_flags or 0) | FOLL_PIN, race)

    def pin_user_pages_fast(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        """Pin by the fast path, and the rest by the slow path; return the number, or -errno."""
        if changed is None and self.memory.plain:
            # Nothing shows which path took which page.
            return self.pin_user_pages(pages, gup_flags)
        flags = gup_flags or 0
        pinned = self.lockless_pages_from_mm(pages, changed, flags | FOLL_PIN, race)
        if pinned == len(pages):
            self.memory.ask(flags)
            return pinned
        more = self.pin_user_pages(pages[pinned:], flags)
        return pinned + more if more > 0 else pinned or more

    def get_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        """Take plain references run by run without the slow path; return their number."""
        return self.lockless_pages_from_mm(pages, changed, gup_flags or 0, race)

    def get_user_pages_fast(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        """Take plain references by the fast path, then by the slow path; the number, or -errno."""
        flags = gup_flags or 0
        taken = self.lockless_pages_from_mm(pages, changed, flags, race)
        if taken == len(pages):
            return taken
        more = self.get_user_pages(pages[taken:], flags)
        return taken + more if more > 0 else taken or more

    def lockless_pages_from_mm(
        self, pages: Sequence[int], changed: int | None, gup_flags: int, race: str
    ) -> int:
        """Grab *pages* by the fast path; the number of those that stay grabbed.

        :param gup_flags: With FOLL_PIN it takes pins, without it plain references.
        """
        if race == "split" and changed is not None:
            order, _, _ = entries.entry_of(self.memory, pages, changed)
            head = self.memory.compound_head(pages[changed])
            if not order and head != pages[changed] and not self.memory.attributes(head).gone:
                return self.end_at_split(pages, changed, gup_flags)
            changed = changed if order else None
        if race != "fork":
            return self._walk_fast(pages, changed, gup_flags)[0]
        kept, grabbed = self._walk_fast(pages, None, gup_flags)
        if changed is None or changed >= grabbed or not gup_flags & FOLL_PIN:
            return kept
        self.undo_walk(pages[:kept])
        return 0

    def _walk_fast(
        self, pages: Sequence[int], changed: int | None, gup_flags: int
    ) -> tuple[int, int]:
        """Grab *pages* up to an entry at which the fast path stops, or that it leaves again.

        Returns how many stay grabbed, and how many were.
        """
        pins = gup_flags & FOLL_PIN
        grab = self.try_grab_compound_head if pins else self.try_get_compound_head
        undo = self.undo_grab if pins else self.undo_get
        start, stop = (-1, -1) if changed is None else self.page_table_entry(pages, changed)
        i = 0
        while i < len(pages):
            head, ntails = self._mapped(i, pages)
            if self.memory.pte_special(head) or not entries.fast_allowed(
                self.memory, head, gup_flags
            ):
                return i, i
            if ntails and self.memory.attributes(head).gone:
                return self.undo_dev_pagemap(pages, i, gup_flags), i
            moves = pins and gup_flags & FOLL_LONGTERM
            if ntails and moves and not self.memory.is_longterm_pinnable(head):
                grabs = self.memory.semantics.grabs_movable and self._room(head, 1, 1)
                return i, self.page_table_entry(pages, i)[1] if grabs else i
            if ntails and entries.must_unshare(self.memory, head, gup_flags):
                start, stop = i, self.page_table_entry(pages, i)[1]
            if i <= start < i + ntails:
                # What other entries map of the run stays pinned (gup_pte_range()).
                before = start - i
                grabbed = grab(head, before) if before else 0
                i += grabbed
                if grabbed < before:
                    return i, i
                grabbed = grab(head, min(stop - start, ntails - before))
                if grabbed:
                    undo(head, grabbed)
                return i, i + grabbed
            grabbed = grab(head, ntails) if ntails else 0
            i += grabbed
            if not ntails or grabbed < ntails:
                return i, i
        return i, i

    def undo_dev_pagemap(self, pages: Sequence[int], position: int, gup_flags: int) -> int:
        """Undo what the fast path got of the table of ``pages[position]``, whose device is gone.

        Returns the number of pages that stay grabbed. A long-term pin stops before it asks for the
        device.
        """
        pins = gup_flags & FOLL_PIN
        order, _, _ = entries.entry_of(self.memory, pages, position)
        if order or (pins and gup_flags & FOLL_LONGTERM):
            return position
        first = max(0, position - (pages[0] + position) % (1 << PMD_ORDER))
        undo = self.undo_grab if pins else self.undo_get
        for page in pages[first:position]:
            undo(self.memory.compound_head(page), 1)
        return first

    def end_at_split(self, pages: Sequence[int], position: int, gup_flags: int) -> int:
        """Grab *pages* up to a tail that is no tail any more when its head has been grabbed.

        What is grabbed of the head is given back at once (``try_get_folio()``), so that nothing of
        it shows but a warning, if the head cannot be grabbed.
        """
        memory, page = self.memory, pages[position]
        kept, _ = self._walk_fast(pages[:position], None, gup_flags)
        head = memory.compound_head(page)
        if kept < position or not memory.page_mapped(head):
            return kept
        moves = gup_flags & FOLL_PIN and gup_flags & FOLL_LONGTERM
        looks_first = moves and not memory.semantics.grabs_movable
        if looks_first and not memory.is_longterm_pinnable(head):
            return kept
        if entries.fast_allowed(memory, head, gup_flags):
            self._room(head, 1, 1)
        return kept

    def undo_walk(self, pages: Sequence[int]) -> None:
        """Unpin *pages*, all that the fast path has pinned: the process has forked meanwhile."""
        self.unpin_user_pages(pages, len(pages))

    def page_table_entry(self, pages: Sequence[int], position: int) -> tuple[int, int]:
        """The positions (start, stop) of *pages* that the entry of ``pages[position]`` maps."""
        return entries.mapped_together(self.memory, pages, position)

    def undo_grab(self, head: int, refs: int) -> None:
        """Drop *refs* pins that the fast path has just taken: the page table entry has changed."""
        self.put_compound_head(head, refs)

    def undo_get(self, head: int, refs: int) -> None:
        """Drop *refs* plain references that the fast path has just taken, likewise."""
        self.put_page_refs(head, refs)

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop *refs* pins of *head* in one put; free the page if it has no reference left."""
        if not self.memory.is_zero_page(head):
            # Count before the put, after which the page may be free (4509b42c3896).
            self.count_released(head, refs)
            self.put_page_refs(head, self.drop_pincount(head, refs))

    def count_released(self, head: int, refs: int) -> None:
        """Count *refs* released pins of *head* in the statistic NR_FOLL_PIN_RELEASED."""
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)

    def drop_pincount(self, head: int, refs: int) -> int:
        """Drop *refs* pins from the pincount, if any; return what to subtract from the refcount."""
        if not self.puts_exactly(head):
            return refs * BIAS
        self.memory.pincount_add(head, -refs)
        return refs

    def puts_exactly(self, head: int) -> bool:
        """Like `grabs_exactly`, for puts; two methods, so that a sketch can override either."""
        return self.memory.hpage_pincount_available(head)

    def put_page_refs(self, head: int, refs: int) -> None:
        """Drop *refs* references of *head* in one put; free the page if none is left."""
        if self.memory.page_ref_sub_and_test(head, refs):
            self.memory.free(head)

    def dirty_head(self, head: int) -> None:
        """Call ``set_page_dirty_lock()`` on *head*, unless it is dirty already."""
        if not self.memory.page_dirty(head):
            self.memory.set_page_dirty_lock(head)

    def unpin_user_page(self, page: int) -> None:
        """Drop one pin of *page*."""
        self.put_compound_head(self.memory.compound_head(page), 1)

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Drop one pin of each entry; warn and do nothing if *npages* is -errno."""
        if npages >= MIN_ERR_VALUE:
            self.memory.warn("npages is an error value")
        else:
            self.unpin_runs(pages, npages)

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        """Drop one pin of each entry, run by run."""
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
        """Drop one pin of each entry; if *make_dirty*, dirty its head first."""
        if make_dirty:
            self.unpin_dirty_runs(pages, npages)
        else:
            self.unpin_user_pages(pages, npages)

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        """For each run, dirty the head and drop a pin of each entry; no check for -errno."""
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Unpin *npages* contiguous frames from *page* on, without a check for -errno."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            self.unpin_range_run(page + i, head, ntails, make_dirty)
            i += ntails

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        """Unpin one run of a range: *ntails* frames of *head* from *page* on."""
        if make_dirty:
            self.dirty_head(head)
        self.put_compound_head(head, ntails)

    def folios_next(self, i: int, nfolios: int, folios: Sequence[int]) -> int:
        """The number of entries from ``folios[i]`` on that are the same folio, or all NULL."""
        nr = i + 1
        while nr < nfolios and folios[nr] == folios[i]:
            nr += 1
        return nr - i

    def unpin_folio(self, folio: int) -> None:
        """Drop one pin of *folio*, which is a head."""
        self.put_compound_head(folio, 1)

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        """Drop one pin of each folio, run by run; warn and do nothing if *nfolios* is -errno."""
        if nfolios >= MIN_ERR_VALUE:
            self.memory.warn("nfolios is an error value")
            return
        i = 0
        while i < nfolios:
            entries = self.folios_next(i, nfolios, folios)
            if folios[i] != NULL:
                self.put_compound_head(folios[i], entries)
            i += entries

    def unpin_user_folio(self, folio: int, npages: int) -> None:
        """Drop *npages* pins of *folio* in one put; the kernel passes them on as an ``int``."""
        if npages:
            self.put_compound_head(folio, wrapped(npages))

    def folio_add_pin(self, folio: int) -> None:
        """Take one more pin of *folio*; warn if it has none."""
        if not self.memory.is_zero_page(folio):
            if not self.memory.page_maybe_dma_pinned(folio):
                self.memory.warn("a pin is added to a folio without pins")
            self.add_pins(folio, 1)

    def folio_add_pins(self, folio: int, pins: int) -> int:
        """Take *pins* more pins of *folio* with one addition; return 0 or -errno."""
        if self.memory.page_ref_count(folio) <= 0:
            self.memory.warn("a grab found a refcount that is not positive")
            return ENOMEM
        if pins and not self.memory.is_zero_page(folio):
            self.add_pins(folio, pins)
        return 0

    def memfd_pin_folios(self, page: int, npages: int, max_folios: int) -> list[int] | int:
        """Pin each folio of a file's *npages* frames from *page* on; the folios, or -errno."""
        if not max_folios:
            return EINVAL
        while True:
            folios = self.pin_found(page, npages, max_folios)
            if isinstance(folios, int):
                return folios
            moved = self.check_and_migrate_movable_folios(folios) if self.memory.movable else 0
            if moved <= 0:
                return moved or folios

    def pin_found(self, page: int, npages: int, max_folios: int) -> list[int] | int:
        """Find or make each folio of a file's frames, and pin it; none if that fails for one."""
        folios: list[int] = []
        i = 0
        while i < npages and len(folios) < max_folios:
            folio, ntails = iterators.compound_range_next(self.memory, i, npages, page)
            error = entries.not_cached(self.memory, folio)
            if not error and not self.grab_found(folio):
                error = EINVAL
            if error:
                self.unpin_folios(folios, len(folios))
                return error
            folios.append(folio)
            i += ntails
        return folios

    def grab_found(self, folio: int) -> int:
        """Pin *folio* once, with the reference of its look-up in the page cache held meanwhile."""
        self.memory.page_ref_add(folio, 1)
        pins = self.try_grab_compound_head(folio, 1)
        self.put_page_refs(folio, 1)
        return pins

    def check_and_migrate_movable_folios(self, folios: Sequence[int]) -> int:
        """`check_and_migrate_movable_pages` for *folios*, each of which is pinned once."""
        collected, isolated = longterm.collect(self.memory, folios)
        if not collected:
            return 0
        for folio in folios:
            self.unpin_folio(folio)
        return 1 if longterm.migrate(self.memory, isolated) else ENOMEM

    def ib_umem_get(
        self,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Umem | int:
        """Pin in batches of 512, build a scatterlist, map it for DMA; return a Umem or -errno."""
        if not pages:
            return EINVAL
        umem = Umem(writable)
        gup_flags = FOLL_LONGTERM | (FOLL_WRITE if writable else 0)
        done = 0
        batch = 0
        while done < len(pages):
            page_list = pages[done : done + BATCH]
            pinned = self.pin_user_pages_fast(page_list, None, gup_flags)
            if pinned < 0:
                self.umem_pin_failed(umem)
                return pinned
            done += self.umem_advance(len(page_list), pinned)
            if batch == append_fails:
                self.umem_append_failed(umem, pages, page_list[:pinned])
                return ENOMEM
            self.umem_append(umem, page_list[:pinned], max_segment)
            batch += 1
        umem.nmap = umem.sg_nents if nmap is None else min(nmap, umem.sg_nents)
        return umem if umem.nmap else self.umem_map_failed(umem)

    def umem_advance(self, asked: int, pinned: int) -> int:
        """Number of pages from this batch to the next; *pinned* of its *asked* pages are pinned."""
        return pinned

    def umem_append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        """Append the pages of *batch* to the scatterlist of *umem*."""
        append_pages(umem.sgl, batch, max_segment)

    def umem_pin_failed(self, umem: Umem) -> None:
        """Release the region after the first page of a batch could not be pinned."""
        self.release_umem(umem, dirty=False)

    def umem_append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Unpin *batch*, for whose scatterlist entries there was no memory; release the region."""
        self.unpin_user_pages_dirty_lock(batch, len(batch), make_dirty=False)
        self.release_umem(umem, dirty=False)

    def umem_map_failed(self, umem: Umem) -> Umem | int:
        """Release the region after mapping for DMA failed; returns -errno."""
        self.release_umem(umem, dirty=False)
        return ENOMEM

    def ib_umem(self, sgl: Sequence[tuple[int, int]], writable: bool, nmap: int | None) -> Umem:
        """Make a region of pinned pages; *sgl* has (first frame, bytes) of each of its entries."""
        entries = [Scatterlist(page, length) for page, length in sgl]
        return Umem(writable, entries, len(entries) if nmap is None else nmap)

    def ib_umem_release(self, umem: Umem, dirty: bool) -> None:
        """Dirty all pages of the region if *dirty* and it is writable; unpin them."""
        self.release_umem(umem, dirty)

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        """Unpin all entries of the region, even if DMA mapping failed (``__ib_umem_release()``)."""
        for sg in self.released_entries(umem):
            self.release_entry(sg.page, self.npages_of_entry(sg), umem.writable and dirty)

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        """The entries that a release unpins: all `Umem.sg_nents`, not `Umem.nmap` of them."""
        return umem.sgl[: umem.sg_nents]

    def npages_of_entry(self, sg: Scatterlist) -> int:
        """Number of pages to unpin for the scatterlist entry *sg*."""
        return sg.npages

    def release_entry(self, page: int, npages: int, make_dirty: bool) -> None:
        """Unpin one scatterlist entry: with the range call, or before the series page by page."""
        if self.memory.semantics.batched:
            self.unpin_user_page_range_dirty_lock(page, npages, make_dirty)
        else:
            for i in range(npages):
                self.unpin_user_pages_dirty_lock([page + i], 1, make_dirty)
