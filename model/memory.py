# SPDX-License-Identifier: MIT

"""The state of pages and their counters. All changes go through `Memory`.

Most methods stand for one load or one atomic operation of the kernel: a memory operation. A
`Page` is made when its frame is first used. Counters are signed 32-bit, like ``atomic_t``.
"""

from collections.abc import Iterable, Sequence

from model.attributes import PLAIN, Attributes
from model.frames import Frames
from model.mapping import Mapping, side_by_side
from model.page import MAX_COUNT, MIN_COUNT, Event, HeadState, Page, event, wrapped
from model.pagelist import NULL
from model.semantics import ANONYMOUS, PMD_ORDER, Semantics

NR_FOLL_PIN_ACQUIRED = "nr_foll_pin_acquired"
NR_FOLL_PIN_RELEASED = "nr_foll_pin_released"

#: A step on n pages raises NoProgress after `FUEL` + `PER_PAGE`·n + 8·min(n, `SQUARED`)² memory
#: operations. Reasonable algorithms need fewer; quadratic time on more than `SQUARED` pages
#: would stall a kernel, too.
FUEL = 100_000
PER_PAGE = 48
SQUARED = 512

#: A step on n pages raises NoProgress after `EMPTY_PUTS` + 4·n puts of zero references.
EMPTY_PUTS = 1_000


class Oops(Exception):
    """A bad memory access, such as to a frame without a ``struct page``, or a BUG."""


class Panic(Exception):
    """A kernel under test ended abnormally: its process by a signal, its guest by an error."""


class ArgumentChanged(Exception):
    """A call changed the list of pages that its caller gave it."""


class NoProgress(Exception):
    """A step used more memory operations than it may, or too much time: it may be endless."""


class Memory:
    """The pages of some mappings, with the semantics of one kernel version.

    :param journal: Whether to record each change as an `Event`. Puts and dirty locks are
        counted in any case.
    """

    def __init__(
        self, semantics: Semantics, mappings: Iterable[Mapping], *, journal: bool = True
    ) -> None:
        self.semantics = semantics
        self.stats = {NR_FOLL_PIN_ACQUIRED: 0, NR_FOLL_PIN_RELEASED: 0}
        self._journal = journal
        mappings = tuple(mappings)
        #: Whether any mapping is movable, so that long-term pins may have to move pages.
        self.movable = any(mapping.attributes.movable for mapping in mappings)
        #: Whether no mapping has attributes.
        self.plain = all(mapping.attributes == PLAIN for mapping in mappings)
        self._frames = Frames(mappings)
        self._pages: dict[int, Page] = {}
        self._spent = self._allowed = self._fuel = 0
        self.begin_step(0)
        # The `Block` of the last look-up, cached: the next look-up is mostly in the same one.
        self._start = self._stop = self._mask = self._order = self._refs = 0
        self._zero = self._special = self._exact = self._anon = False
        self._attributes: Attributes = PLAIN

    def begin_step(self, npages: int) -> None:
        """Clear the journal, and set the limits of operations for a step on *npages* pages."""
        self.touched: set[int] = set()
        self._tried: set[int] = set()
        self._tried_before: set[int] = set()
        self.warnings: list[str] = []
        self.events: list[Event] = []
        self.puts = 0
        self.dirty_locks = 0
        self._npages = npages
        self._spent += self._allowed - self._fuel
        squared = min(npages, SQUARED)
        self._allowed = self._fuel = FUEL + PER_PAGE * npages + 8 * squared * squared
        self._empty_puts = EMPTY_PUTS + 4 * npages

    @property
    def operations(self) -> int:
        """Number of memory operations in all steps so far."""
        return self._spent + self._allowed - self._fuel

    @property
    def operations_of_step(self) -> int:
        """Number of memory operations since `begin_step`."""
        return self.operations - self._spent

    def looks(self) -> tuple[dict[int, HeadState], frozenset[int]]:
        """The state of each page that the step changed, and which of them are maybe pinned."""
        pages = self._pages
        states = {}
        pinned = []
        for page in self.touched:
            record = pages[page]
            states[page] = record.state()
            if record.maybe_dma_pinned():
                pinned.append(page)
        return states, frozenset(pinned)

    # Look-ups.

    def compound_head(self, page: int) -> int:
        """The head of the compound page that contains *page*; Oops if no mapping does."""
        if not self._fuel:
            self._exhausted()
        self._fuel -= 1
        if not self._start <= page < self._stop:
            self._look_up(page)
        return page & self._mask

    def end_of_run(self, head: int, pages: Sequence[int], i: int, npages: int) -> int:
        """The first index from *i* on whose entry is no page of *head*, or is NULL; else *npages*.

        Looks up the head of each entry up to there, in one loop: lists may have 2^23 entries.
        """
        end = head + self.compound_nr(head)
        for nr in range(i, npages):
            if not head <= pages[nr] < end:
                break
        else:
            nr = max(i, npages)
        if nr - i > self._fuel:
            self._fuel = 0
            self._exhausted()
        self._fuel -= nr - i
        if nr < npages and pages[nr] != NULL:
            self.compound_head(pages[nr])
        return nr

    def compound_order(self, head: int) -> int:
        """The order of the compound page at *head*; 0 for a single page."""
        if not self._start <= head < self._stop:
            self._look_up(head)
        return self._order

    def compound_nr(self, head: int) -> int:
        """Number of pages in the compound page at *head*."""
        return 1 << self.compound_order(head)

    def hpage_pincount_available(self, head: int) -> bool:
        """Whether *head* has a pincount, separate from the refcount."""
        if not self._start <= head < self._stop:
            self._look_up(head)
        return self._exact

    def huge_entry(self, page: int) -> bool:
        """Whether page table entries may map several pages of the compound page of *page*."""
        order = self.compound_order(page)
        return min(order, self._attributes.largest) >= PMD_ORDER

    def attributes(self, page: int) -> Attributes:
        """The attributes of the mapping that *page* lies in."""
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._attributes

    def is_longterm_pinnable(self, head: int) -> bool:
        """``folio_is_longterm_pinnable()``: whether a long-term pin may keep *head* where it is."""
        return not self.attributes(head).movable or self._page(head).migrated

    def is_zero_page(self, page: int) -> bool:
        """``is_zero_page()``; always false in versions that count pins of the zero page."""
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._zero

    def page_anon(self, page: int) -> bool:
        """Whether *page* is anonymous memory (``PageAnon()``)."""
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._anon

    def pte_special(self, page: int) -> bool:
        """``pte_special()`` of the page table entry of *page*; if set, GUP-fast stops before it.

        True for the zero page (do_anonymous_page(), mm/memory.c; gup_pte_range(), mm/gup.c).
        """
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._special

    def page_mapped(self, page: int) -> bool:
        """Whether *page* is mapped by page tables."""
        head = self.compound_head(page)
        record = self._pages.get(head) or self._page(head)
        return record.maps > 0 and record.allocated

    def page_ref_count(self, page: int) -> int:
        """``_refcount`` of *page* itself, not of its head (0 for a tail)."""
        if not self._fuel:
            self._exhausted()
        self._fuel -= 1
        record = self._pages.get(page) or self._page(page)
        return record.refcount

    def page_pincount(self, page: int) -> int:
        """The pincount of *page* itself, not of its head (0 if it has none)."""
        if not self._fuel:
            self._exhausted()
        self._fuel -= 1
        return self._page(page).pincount

    def page_maybe_dma_pinned(self, page: int) -> bool:
        """``page_maybe_dma_pinned()`` (include/linux/mm.h, 5.13)."""
        return self._page(self.compound_head(page)).maybe_dma_pinned()

    def page_dirty(self, page: int) -> bool:
        """``PageDirty()``: the flag of the head of *page*."""
        head = self.compound_head(page)
        record = self._pages.get(head) or self._page(head)
        return record.dirty

    # Atomics on the counters.

    def page_ref_add(self, page: int, refs: int) -> None:
        """Add *refs* to the refcount of *page*."""
        record = self._change(page)
        count = record.refcount + refs
        record.refcount = count if MIN_COUNT <= count <= MAX_COUNT else wrapped(count)
        if self._journal:
            self.events.append(event(("grab", page, refs, record.dirty)))

    def page_ref_sub_and_test(self, page: int, refs: int) -> bool:
        """Drop *refs* references of *page* in one put; True if none is left."""
        if refs == 0:
            self._empty_puts -= 1
            if self._empty_puts < 0:
                self._exhausted()
        record = self._change(page)
        self.puts += 1
        if self._journal:
            self.events.append(event(("put", page, refs, record.dirty)))
        count = record.refcount - refs
        record.refcount = count if MIN_COUNT <= count <= MAX_COUNT else wrapped(count)
        return record.refcount == 0

    def pincount_add(self, head: int, refs: int) -> None:
        """Add *refs*, which may be negative, to the pincount of *head*."""
        record = self._change(head)
        count = record.pincount + refs
        record.pincount = count if MIN_COUNT <= count <= MAX_COUNT else wrapped(count)

    def mod_node_page_state(self, item: str, refs: int) -> None:
        """Add *refs* to *item*, one of the two statistics of pins in /proc/vmstat."""
        self.stats[item] += refs
        if self._journal:
            self.events.append(event(("stat", -1, refs, False)))

    def free(self, head: int) -> None:
        """Free the compound page at *head*, which clears its flags (PAGE_FLAGS_CHECK_AT_PREP)."""
        record = self._change(head)
        if self._journal:
            self.events.append(event(("free", head, record.pincount, record.dirty)))
        record.dirty = False
        record.allocated = False

    # Flags.

    def set_page_dirty_lock(self, page: int) -> None:
        """Lock the page, set the dirty flag of its head, unlock the page."""
        head = self.compound_head(page)
        record = self._change(head)
        self.dirty_locks += 1
        if self._journal:
            self.events.append(event(("dirty", head, 0, record.dirty)))
        record.dirty = True

    def set_dirty(self, head: int, *, dirty: bool) -> None:
        """Set or clear the dirty flag of *head* with no dirty lock, as writes and writeback do."""
        self._change(head).dirty = dirty

    def ask(self, gup_flags: int) -> None:
        """Record the flags that a pin call was called with."""
        if self._journal:
            self.events.append(event(("ask", -1, gup_flags, False)))

    def warn(self, what: str) -> None:
        """Record a ``WARN_ON`` with the text *what*."""
        self.warnings.append(what)

    # Effects of other kernel code on compound pages.

    def add_mapping(self, head: int) -> None:
        """Map the page at *head* once more, which adds one reference."""
        record = self._change(head)
        record.maps += 1
        record.refcount = wrapped(record.refcount + 1)

    def drop_mapping(self, head: int) -> None:
        """Unmap the page at *head* once; the caller must drop that mapping's reference."""
        self._change(head).maps -= 1

    def page_mapcount(self, head: int) -> int:
        """Number of times that the page at *head* is mapped."""
        return self._page(head).maps

    def isolate(self, head: int) -> bool:
        """Take *head* off the LRU list; false in the first round of tries on pages isolated later.

        (``folio_isolate_lru()``) A round of a step ends with `end_round`.
        """
        self._tried.add(head)
        return head in self._tried_before or not self.attributes(head).isolates

    def end_round(self) -> None:
        """The pages of a long-term pin were collected; the next round tries those again."""
        self._tried_before |= self._tried

    def set_migrated(self, head: int) -> None:
        """Move *head* to where a long-term pin may keep it. Programs name it by the same frames."""
        self._page(head).migrated = True

    def migrated(self, head: int) -> bool:
        """Whether *head* was moved by `set_migrated`."""
        return self._page(head).migrated

    def rebuild(
        self, pfn: int, orders: Sequence[int], *, refs: int, dirty: bool, migrated: bool = False
    ) -> None:
        """Replace the compound pages from *pfn* on by adjacent ones of *orders*.

        Each new compound page is mapped *refs* times, has no other references, and may be *dirty*
        and *migrated*.
        """
        extents = side_by_side(orders, pfn)
        self._frames.replace(extents)
        self._stop = 0
        for page in range(pfn, extents[-1].stop):
            self._pages.pop(page, None)
        for extent in extents:
            exact = self.semantics.exact(extent.order)
            heads = extent.heads()
            self._pages.update(
                (head, Page(refs, exact, 0, dirty, refs, migrated=migrated)) for head in heads
            )
            self.touched.update(heads)

    # Internal.

    def _look_up(self, page: int) -> None:
        block = self._frames.block(page)
        if page == NULL:
            raise Oops("NULL has no struct page")
        if block is None:
            raise Oops(f"frame {page:#x} is in no mapping")
        self._start, self._stop, self._order, self._refs, kind, self._attributes = block
        self._special = kind == "zero"
        self._anon = kind in ANONYMOUS
        self._zero = self._special and self.semantics.uncounted(kind)
        self._exact = self._order >= self.semantics.exact_order
        self._mask = -(1 << self._order)

    def _page(self, page: int) -> Page:
        record = self._pages.get(page)
        if record is None:
            exact = self.hpage_pincount_available(page)
            refs = self._refs if page & self._mask == page else 0
            record = self._pages[page] = Page(refs, exact, maps=refs)
        return record

    def _change(self, page: int) -> Page:
        if not self._fuel:
            self._exhausted()
        self._fuel -= 1
        record = self._pages.get(page) or self._page(page)
        self.touched.add(page)
        if not record.allocated and self._journal:
            self.events.append(event(("stale", page, 0, record.dirty)))
        return record

    def _exhausted(self) -> None:
        raise NoProgress(
            f"not done after {self.operations_of_step:,} operations on {self._npages:,} pages"
        )
