# SPDX-License-Identifier: MIT

"""The reference model: one page at a time, every loop written out.

It shares no code with the optimised model and is plain enough to be checked by reading.
"""

from collections.abc import Sequence

from attrs import define

from model.attributes import ATTRIBUTES
from model.candidate import InProcess
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.pagelist import NULL
from model.semantics import BIAS, PAGE_SIZE, PMD_ORDER, PUD_ORDER
from model.step import FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE

ENOMEM = 12
EFAULT = 14
EINVAL = 22


@define
class Region:
    """An RDMA memory region; *entries* has (first frame, bytes) of each scatterlist entry."""

    entries: list[tuple[int, int]]
    writable: bool
    nmap: int

    @property
    def sg_nents(self) -> int:
        """Number of scatterlist entries as the CPU sees them."""
        return len(self.entries)


class Reference(InProcess):
    """The algorithms from before the series (mm/gup.c and umem.c in 5.11), page by page."""

    journal = False
    attributes = ATTRIBUTES

    # Pinning.

    def pin_user_pages(self, pages: Sequence[int], gup_flags: int = 0) -> int:
        """Pin pages until one cannot be had or pinned; return how many, or -errno if none.

        A long-term pin must not keep pages that have to stay movable: if it got some of those, it
        gives all pages back, has these moved, and starts again.
        """
        while True:
            pinned = 0
            error = 0
            for page in pages:
                error = self._cannot_be_had(page, gup_flags)
                if not error and not self._pin(page):
                    error = ENOMEM
                if error:
                    break
                pinned += 1
            if pinned == 0:
                return -error
            if not gup_flags & FOLL_LONGTERM:
                return pinned
            if not any(self._must_move(page) for page in pages[:pinned]):
                return pinned
            isolated = self._isolated(pages[:pinned])
            for page in pages[:pinned]:
                self._unpin(page)
            if not self._move(isolated):
                return -ENOMEM

    def _cannot_be_had(self, page: int, gup_flags: int) -> int:
        """The error of the slow path if it cannot get at *page*, else 0.

        What is shared after a fork it copies, what is PROT_NONE it makes accessible, and what is
        not present it faults in, a second time if the first try says so.
        """
        if not self.memory.page_mapped(page):
            return EFAULT
        attributes = self.memory.attributes(page)
        if gup_flags & FOLL_WRITE and not attributes.writable:
            return EFAULT
        if not attributes.present and attributes.fault == "bus":
            return EFAULT
        if not attributes.present and attributes.fault == "oom":
            return ENOMEM
        if attributes.gone:
            return EFAULT
        return 0

    def _must_move(self, page: int) -> bool:
        """Whether a long-term pin must not keep *page* where it is."""
        head = self.memory.compound_head(page)
        return self.memory.attributes(page).movable and not self.memory.migrated(head)

    def _can_move(self, head: int) -> bool:
        """Whether *head* can be moved: nothing may refer to it but its mappings."""
        if not self.memory.attributes(head).migrates:
            return False
        return self.memory.page_ref_count(head) == self.memory.page_mapcount(head)

    def _move(self, heads: Sequence[int]) -> bool:
        """Move each of *heads* that can be moved, though others stay; whether none stays."""
        stay = 0
        for head in heads:
            if self._can_move(head):
                self.memory.set_migrated(head)
            else:
                stay += 1
        return stay == 0

    def _isolated(self, pages: Sequence[int]) -> list[int]:
        """The heads that must move and can be isolated in this round."""
        heads = []
        for page in pages:
            head = self.memory.compound_head(page)
            if self._must_move(page) and self.memory.isolate(head):
                heads.append(head)
        self.memory.end_round()
        return heads

    def get_user_pages(self, pages: Sequence[int], gup_flags: int = 0) -> int:
        """Take plain references as `pin_user_pages` takes pins; return their number, or -errno."""
        taken = 0
        for page in pages:
            error = self._cannot_be_had(page, gup_flags)
            if error:
                return taken or -error
            if not self._grab(page, gup_flags):
                return taken or -ENOMEM
            taken += 1
        return taken

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int = 0,
        race: str = "entry",
    ) -> int:
        """Pin each page without the slow path; return the number of pages pinned, never -errno.

        If *changed* is not None, the page table entry of ``pages[changed]`` changes during the
        call: the pages that this entry maps are unpinned again, and the walk ends there. If its
        PMD changes (*race* is "collapse"), the same pages were pinned by what it was. If the
        process forks, the walk goes on to its end, and then all pages are unpinned. If the compound
        page is split ("split"), a tail that a PTE maps is the head's no more when the head has been
        grabbed, and its own refcount is 0, as it was freed: the walk ends before it.
        """
        gup_flags |= FOLL_PIN
        if race == "fork":
            pinned, grabbed = self._walk_fast(pages, None, gup_flags)
            if changed is None or changed >= grabbed:
                return pinned
            for page in pages[:pinned]:
                self._unpin(page)
            return 0
        pinned, _ = self._walk_fast(pages, changed, gup_flags, race)
        return pinned

    def pin_user_pages_fast(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int = 0,
        race: str = "entry",
    ) -> int:
        """Pin without the slow path, and with it what that left; return the number, or -errno.

        What the fast path has pinned stays pinned, also if the slow path ends in an error.
        """
        pinned = self.pin_user_pages_fast_only(pages, changed, gup_flags, race)
        if pinned == len(pages):
            return pinned
        return self._together(pinned, self.pin_user_pages(pages[pinned:], gup_flags))

    def get_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int = 0,
        race: str = "entry",
    ) -> int:
        """Take plain references as `pin_user_pages_fast_only` takes pins; return their number.

        A child that shares the pages may write to those with plain references as to all others, so
        a fork undoes none, and FOLL_LONGTERM is for pins alone.
        """
        gup_flags &= ~FOLL_LONGTERM
        if race == "fork":
            changed = None
        taken, _ = self._walk_fast(pages, changed, gup_flags, race)
        return taken

    def get_user_pages_fast(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int = 0,
        race: str = "entry",
    ) -> int:
        """Take plain references as `pin_user_pages_fast` takes pins; their number, or -errno."""
        taken = self.get_user_pages_fast_only(pages, changed, gup_flags, race)
        if taken == len(pages):
            return taken
        return self._together(taken, self.get_user_pages(pages[taken:], gup_flags))

    def _together(self, fast: int, slow: int) -> int:
        """What a call returns whose fast path took *fast* pages, and whose slow path gave *slow*.

        An error of the slow path shows only if the fast path took none.
        """
        if slow < 0:
            return fast or slow
        return fast + slow

    def _walk_fast(
        self, pages: Sequence[int], changed: int | None, gup_flags: int, race: str = "entry"
    ) -> tuple[int, int]:
        """Grab pages up to an entry at which the fast path stops, or that it has to leave again.

        It leaves one again that has changed, and one of a page that a pin for reading must not keep
        (``gup_must_unshare()``): it sees this only when the entry's pages are grabbed.
        Returns the number of pages that stay grabbed, and of those that were, from the first on.
        """
        begins, split = self._race(pages, changed, race)
        kept = 0
        for position, page in enumerate(pages):
            if not self._fast_path_takes(page, gup_flags):
                return kept, kept
            if gup_flags & FOLL_LONGTERM and self._must_move(page):
                return kept, self._looked_at(pages, position)
            if self.memory.attributes(page).gone:
                return self._leaves_table(pages, position, gup_flags), position
            if position == split:
                self._may_grab(self.memory.compound_head(page))
                return kept, kept
            if position == begins or self._leaves_again(page, gup_flags):
                _, _, ends = self._entry(pages, position)
                grabbed = []
                for later in range(position, ends):
                    if not self._grab(pages[later], gup_flags):
                        break
                    grabbed.append(pages[later])
                for back in grabbed:
                    self._give_back(back, gup_flags)
                return kept, kept + len(grabbed)
            if not self._grab(page, gup_flags):
                return kept, kept
            kept += 1
        return kept, kept

    def _race(self, pages: Sequence[int], changed: int | None, race: str) -> tuple[int, int]:
        """Where an entry begins that changes, and where a tail lies that is split off; else -1."""
        if changed is None:
            return -1, -1
        order, begins, _ = self._entry(pages, changed)
        if race != "split" or order > 0:
            return begins, -1
        if self.memory.compound_head(pages[changed]) == pages[changed]:
            return -1, -1
        return -1, changed

    def _leaves_table(self, pages: Sequence[int], position: int, gup_flags: int) -> int:
        """Give back what the page table of ``pages[position]`` gave: the page's device is gone.

        For a long-term pin the fast path does not ask for the device, and ends just there. Returns
        the number of pages that stay grabbed.
        """
        order, _, _ = self._entry(pages, position)
        if order > 0 or gup_flags & FOLL_LONGTERM:
            return position
        table = self._address(pages, position) >> PMD_ORDER
        first = position
        while first > 0 and self._address(pages, first - 1) >> PMD_ORDER == table:
            first -= 1
            self._give_back(pages[first], gup_flags)
        return first

    def _grab(self, page: int, gup_flags: int) -> bool:
        """Take one pin of *page*, or one plain reference if *gup_flags* has no FOLL_PIN."""
        if gup_flags & FOLL_PIN:
            return self._pin(page)
        head = self.memory.compound_head(page)
        if not self._may_grab(head):
            return False
        self.memory.page_ref_add(head, 1)
        return True

    def _give_back(self, page: int, gup_flags: int) -> None:
        """Drop what `_grab` took."""
        if gup_flags & FOLL_PIN:
            self._unpin(page)
        else:
            self._drop(self.memory.compound_head(page), 1)

    def _fast_path_takes(self, page: int, gup_flags: int) -> bool:
        """Whether the page table entry of *page* is none at which the fast path stops."""
        if not self.memory.page_mapped(page) or self.memory.pte_special(page):
            return False
        attributes = self.memory.attributes(page)
        if not attributes.present or attributes.protnone:
            return False
        return not (gup_flags & FOLL_WRITE and (attributes.shared or not attributes.writable))

    def _looked_at(self, pages: Sequence[int], position: int) -> int:
        """How far the fast path grabs pages if it stops at one that has to move.

        If it takes references first, it takes them on all that the entry maps, and drops them.
        """
        if not self.memory.semantics.grabs_movable:
            return position
        if not self._may_grab(self.memory.compound_head(pages[position])):
            return position
        _, _, ends = self._entry(pages, position)
        return ends

    def _leaves_again(self, page: int, gup_flags: int) -> bool:
        """Whether a pin of *page* for reading must be of another page, perhaps: of a copy.

        That is so of a page that is shared after a fork and, for long-term pins, of one that may
        belong to a private mapping of a file. Plain references ask for no copy.
        """
        if not gup_flags & FOLL_PIN:
            return False
        attributes = self.memory.attributes(page)
        if attributes.shared:
            return True
        if self.memory.page_anon(page) or attributes.writable:
            return False
        for_long = gup_flags & FOLL_LONGTERM and not gup_flags & FOLL_WRITE
        return bool(for_long) and self.memory.semantics.reads_apart

    def _entry(self, pages: Sequence[int], changed: int) -> tuple[int, int, int]:
        """The page table entry that maps ``pages[changed]``: (order, start, stop).

        It maps 2^order pages, of which *pages* names those from *start* on, and before *stop*.
        """
        for order in (PUD_ORDER, PMD_ORDER):
            # An entry of 2^order pages is tried: all positions whose addresses it would map.
            begins = changed
            ends = changed + 1
            here = self._address(pages, changed) >> order
            while begins > 0 and self._address(pages, begins - 1) >> order == here:
                begins -= 1
            while ends < len(pages) and self._address(pages, ends) >> order == here:
                ends += 1
            for position in range(begins, ends):
                if not self._entry_maps(pages, position, order):
                    break
                if pages[position] - pages[begins] != position - begins:
                    break
            else:
                return order, begins, ends
        return 0, changed, changed + 1

    def _address(self, pages: Sequence[int], position: int) -> int:
        """The address at which a page is mapped, in pages: that of the first is its own frame."""
        return pages[0] + position

    def _entry_maps(self, pages: Sequence[int], position: int, order: int) -> bool:
        """Whether an entry of 2^*order* pages can map this page at its address.

        The compound page has to be as large, and the page has to lie in it as the address lies in
        what the entry maps.
        """
        page = pages[position]
        size = 1 << order
        if self.memory.attributes(page).largest < order:
            return False
        if self.memory.compound_order(self.memory.compound_head(page)) < order:
            return False
        return page % size == self._address(pages, position) % size

    def _may_grab(self, head: int) -> bool:
        if self.memory.page_ref_count(head) <= 0:
            self.memory.warn("a grab found a refcount that is not positive")
            return False
        return True

    def _pin(self, page: int) -> bool:
        head = self.memory.compound_head(page)
        if not self._may_grab(head):
            return False
        self._take_pin(head)
        return True

    def _take_pin(self, head: int) -> None:
        if self.memory.is_zero_page(head):
            return
        if self.memory.hpage_pincount_available(head):
            self.memory.page_ref_add(head, 1)
            self.memory.pincount_add(head, 1)
        else:
            self.memory.page_ref_add(head, BIAS)
        self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1)

    # Unpinning.

    def _unpin(self, page: int) -> None:
        head = self.memory.compound_head(page)
        if self.memory.is_zero_page(head):
            return
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1)
        if self.memory.hpage_pincount_available(head):
            self.memory.pincount_add(head, -1)
            last = self.memory.page_ref_sub_and_test(head, 1)
        else:
            last = self.memory.page_ref_sub_and_test(head, BIAS)
        if last:
            self.memory.free(head)

    def _dirty_and_unpin(self, page: int) -> None:
        if not self.memory.page_dirty(page):
            self.memory.set_page_dirty_lock(page)
        self._unpin(page)

    def unpin_user_page(self, page: int) -> None:
        """Drop one pin of *page*."""
        self._unpin(page)

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Drop one pin of each entry; warn and do nothing if *npages* is -errno."""
        if npages >= 2**64 - 4095:
            self.memory.warn("npages is an error value")
            return
        for i in range(npages):
            if pages[i] != NULL or not self.memory.semantics.null_skipped:
                self._unpin(pages[i])

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """If *make_dirty*, dirty and unpin each page; else the same as `unpin_user_pages`."""
        if not make_dirty:
            self.unpin_user_pages(pages, npages)
            return
        for i in range(npages):
            self._dirty_and_unpin(pages[i])

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Unpin *npages* contiguous frames from *page* on, without a check for -errno."""
        for i in range(npages):
            if make_dirty:
                self._dirty_and_unpin(page + i)
            else:
                self._unpin(page + i)

    # Folios. The argument is the head of each.

    def unpin_folio(self, folio: int) -> None:
        """Drop one pin of *folio*."""
        self._unpin(folio)

    def unpin_folios(self, folios: Sequence[int], nfolios: int) -> None:
        """Drop one pin of each entry but NULL; warn and do nothing if *nfolios* is -errno."""
        if nfolios >= 2**64 - 4095:
            self.memory.warn("nfolios is an error value")
            return
        for i in range(nfolios):
            if folios[i] != NULL:
                self._unpin(folios[i])

    def unpin_user_folio(self, folio: int, npages: int) -> None:
        """Drop *npages* pins of *folio*, without a check for -errno."""
        for _ in range(npages):
            self._unpin(folio)

    def folio_add_pin(self, folio: int) -> None:
        """Take one more pin of *folio*, with no check whether its refcount has room for it."""
        if not self.memory.page_maybe_dma_pinned(folio) and not self.memory.is_zero_page(folio):
            self.memory.warn("a pin is added to a folio without pins")
        self._take_pin(folio)

    def folio_add_pins(self, folio: int, pins: int) -> int:
        """Take *pins* more pins of *folio* if its refcount is positive before the first of them."""
        if not self._may_grab(folio):
            return -ENOMEM
        for _ in range(pins):
            self._take_pin(folio)
        return 0

    # Files in memory.

    def memfd_pin_folios(self, page: int, npages: int, max_folios: int) -> list[int] | int:
        """Pin the folio of each page of a range of a file once; return the folios, or -errno.

        If one cannot be pinned, none is. As for a long-term pin of pages, all are given back and
        pinned again if some had to be moved first.
        """
        if max_folios == 0:
            return -EINVAL
        while True:
            folios: list[int] = []
            error = 0
            for head in self._folios_of(page, npages, max_folios):
                error = self._put_into_page_cache(head)
                if not error and not self._pin_found(head):
                    error = EINVAL
                if error:
                    break
                folios.append(head)
            if not error and not any(self._must_move(folio) for folio in folios):
                return folios
            isolated = [] if error else self._isolated(folios)
            for folio in folios:
                self._unpin(folio)
            if error:
                return -error
            if not self._move(isolated):
                return -ENOMEM

    def _folios_of(self, page: int, npages: int, most: int) -> list[int]:
        """The folios that *npages* frames from *page* on lie in, each once; the first *most*."""
        folios: list[int] = []
        for each in range(page, page + npages):
            head = self.memory.compound_head(each)
            if head not in folios[-1:]:
                folios.append(head)
        return folios[:most]

    def _put_into_page_cache(self, head: int) -> int:
        """Make the folio *head*, if it is not in the page cache yet; return the error, or 0.

        It is made where a long-term pin may keep it. If somebody else has made it meanwhile (the
        fault has to be tried again), it may have to be moved.
        """
        attributes = self.memory.attributes(head)
        if attributes.present:
            return 0
        if attributes.fault in {"bus", "oom"}:
            return ENOMEM
        if attributes.fault != "retry":
            self.memory.set_migrated(head)
        return 0

    def _pin_found(self, head: int) -> bool:
        """Pin a folio while the look-up in the page cache holds a reference to it."""
        self.memory.page_ref_add(head, 1)
        pinned = self._pin(head)
        self.memory.page_ref_sub_and_test(head, 1)
        return pinned

    # RDMA memory regions.

    def ib_umem_get(
        self,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Region | int:
        """Pin each page; append it to the last scatterlist entry if contiguous, else to a new one.

        Pages are appended in batches of 512. On any error every pinned page is unpinned
        once and not dirtied. Returns a Region, or -errno.
        """
        if len(pages) == 0:
            return -EINVAL
        entries: list[tuple[int, int]] = []
        gup_flags = FOLL_LONGTERM
        if writable:
            gup_flags = FOLL_LONGTERM | FOLL_WRITE
        batch = 0
        done = 0
        while done < len(pages):
            pinned = self.pin_user_pages_fast(pages[done : done + 512], None, gup_flags)
            if pinned < 0:
                return self._undo(entries, [], pinned)
            waiting = pages[done : done + pinned]
            if batch == append_fails:
                return self._undo(entries, waiting, -ENOMEM)
            for one in waiting:
                self._append(entries, one, max_segment)
            done += pinned
            batch += 1
        if nmap == 0:
            return self._undo(entries, [], -ENOMEM)
        mapped = len(entries) if nmap is None else min(nmap, len(entries))
        return Region(entries, writable, mapped)

    def _append(self, entries: list[tuple[int, int]], page: int, max_segment: int) -> None:
        if entries:
            first, length = entries[-1]
            follows = first + length // PAGE_SIZE == page
            if follows and length + PAGE_SIZE <= max_segment:
                entries[-1] = (first, length + PAGE_SIZE)
                return
        entries.append((page, PAGE_SIZE))

    def _undo(self, entries: list[tuple[int, int]], waiting: Sequence[int], error: int) -> int:
        for page in waiting:
            self._unpin(page)
        for first, length in entries:
            for i in range(length // PAGE_SIZE):
                self._unpin(first + i)
        return error

    def ib_umem(self, sgl: Sequence[tuple[int, int]], writable: bool, nmap: int | None) -> Region:
        """Make a region of pinned pages; *sgl* has (first frame, bytes) of each of its entries."""
        return Region(list(sgl), writable, len(sgl) if nmap is None else nmap)

    def ib_umem_release(self, region: Region, dirty: bool) -> None:
        """Unpin every page of every entry, including a last page that the entry covers in part."""
        for first, length in region.entries:
            left = length
            page = first
            while left > 0:
                if region.writable and dirty:
                    self._dirty_and_unpin(page)
                else:
                    self._unpin(page)
                page += 1
                left -= PAGE_SIZE
