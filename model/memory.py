# SPDX-License-Identifier: MIT

"""Pages and their counters: the only place where state changes.

Each primitive stands for one load or one atomic operation of the kernel. Only
heads that were touched have a record; all others are as their mapping made
them. Counters are signed and 32 bits wide, as ``atomic_t`` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.frames import Frames
from model.mapping import side_by_side
from model.page import Event, HeadState, Page, wrapped
from model.pagelist import NULL
from model.semantics import PMD_ORDER


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model.mapping import Mapping
    from model.semantics import Semantics

NR_FOLL_PIN_ACQUIRED = "nr_foll_pin_acquired"
NR_FOLL_PIN_RELEASED = "nr_foll_pin_released"

#: A step may spend this many primitives, `PER_PAGE` for each of its pages, and
#: eight times the square of the first `SQUARED` of them: any sane way to count
#: needs less. What takes the square of more pages holds up a kernel as well.
FUEL = 100_000
PER_PAGE = 48
SQUARED = 512

#: Puts of no references are steps on the spot. So many are let pass, and four
#: times as many as the step has pages more.
EMPTY_PUTS = 1_000


class Oops(Exception):
    """The kernel would have crashed here: a frame without a ``struct page``."""


class Panic(Exception):
    """The kernel's code ended in a way of its own: a BUG, a signal, memory without end."""


class NoProgress(Exception):
    """A step spent more primitives than any terminating way would."""


class Memory:
    """Every page of some mappings, under one version's way of counting.

    :param journal: Whether to keep an `Event` for what happens. Puts and
        dirty locks are always counted.
    """

    def __init__(
        self, semantics: Semantics, mappings: Iterable[Mapping], *, journal: bool = True
    ) -> None:
        self.semantics = semantics
        self.stats = {NR_FOLL_PIN_ACQUIRED: 0, NR_FOLL_PIN_RELEASED: 0}
        self.touched: set[int] = set()
        self.warnings: list[str] = []
        self.events: list[Event] = []
        self.puts = 0
        self.dirty_locks = 0
        self._journal = journal
        self._frames = Frames(mappings)
        self._pages: dict[int, Page] = {}
        self._npages = 0
        self._spent = 0
        self._allowed = self._fuel = FUEL
        self._empty_puts = EMPTY_PUTS
        # The block that was looked up last: most look-ups fall into it again.
        self._start = self._stop = self._mask = self._order = self._refs = 0
        self._zero = self._special = False

    def begin_step(self, npages: int) -> None:
        """Forget the journal of the step before; allow for one of *npages* pages."""
        self.touched = set()
        self.warnings = []
        self.events = []
        self.puts = 0
        self.dirty_locks = 0
        self._npages = npages
        self._spent = self.operations
        self._allowed = self._fuel = FUEL + PER_PAGE * npages + 8 * min(npages, SQUARED) ** 2
        self._empty_puts = EMPTY_PUTS + 4 * npages

    @property
    def operations(self) -> int:
        """How many primitives were spent, in all steps so far."""
        return self._spent + self._allowed - max(self._fuel, 0)

    def heads(self) -> dict[int, HeadState]:
        """What the frames look like now that this step has touched."""
        return self.looks()[0]

    def looks(self) -> tuple[dict[int, HeadState], frozenset[int]]:
        """The same, and those of them of which ``page_maybe_dma_pinned()`` says yes."""
        states = {}
        pinned = []
        for page in self.touched:
            record = self._pages[page]
            states[page] = record.state()
            if record.maybe_dma_pinned():
                pinned.append(page)
        return states, frozenset(pinned)

    # Look-ups.

    def compound_head(self, page: int) -> int:
        """The head of the compound page that *page* belongs to.

        :raises Oops: if no mapping holds the frame.
        """
        self._fuel -= 1
        if self._fuel < 0:
            self._exhausted()
        if not self._start <= page < self._stop:
            self._look_up(page)
        return page & self._mask

    def compound_order(self, head: int) -> int:
        """The order of the compound page at *head*; 0 for a single page."""
        if not self._start <= head < self._stop:
            self._look_up(head)
        return self._order

    def compound_nr(self, head: int) -> int:
        """Pages in the compound page at *head*."""
        return 1 << self.compound_order(head)

    def hpage_pincount_available(self, head: int) -> bool:
        """Whether pins of *head* have a counter of their own."""
        return self.compound_order(head) >= self.semantics.exact_order

    def huge_entry(self, page: int) -> bool:
        """Whether one page table entry maps the whole compound page of *page*."""
        return self.compound_order(page) >= PMD_ORDER

    def is_zero_page(self, page: int) -> bool:
        """``is_zero_page()``, in a version whose pins take no notice of it."""
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._zero

    def pte_special(self, page: int) -> bool:
        """``pte_special()`` of what maps *page*: the fast path leaves it to the slow one.

        The zero page's is (do_anonymous_page(), mm/memory.c; gup_pte_range(), mm/gup.c).
        """
        if not self._start <= page < self._stop:
            self._look_up(page)
        return self._special

    def page_mapped(self, page: int) -> bool:
        """Whether the page tables lead to *page*."""
        record = self._page(self.compound_head(page))
        return record.maps > 0 and record.allocated

    def page_ref_count(self, page: int) -> int:
        """``_refcount`` of this very frame (a tail's is 0)."""
        return self._page(page).refcount

    def page_pincount(self, page: int) -> int:
        """The exact count of pins of this very frame, where it has one."""
        return self._page(page).pincount

    def page_maybe_dma_pinned(self, page: int) -> bool:
        """``page_maybe_dma_pinned()`` (include/linux/mm.h, 5.13).

        Without a counter of its own the refcount is compared *unsigned*, so a
        count that wrapped says yes, and so do 1024 plain references.
        """
        return self._page(self.compound_head(page)).maybe_dma_pinned()

    def page_dirty(self, page: int) -> bool:
        """``PageDirty()``: the head's flag, whichever page is asked."""
        return self._page(self.compound_head(page)).dirty

    # Atomics on the counters.

    def page_ref_add(self, page: int, refs: int) -> None:
        """Add *refs* to the refcount."""
        record = self._change(page)
        record.refcount = wrapped(record.refcount + refs)
        if self._journal:
            self.events.append(Event("grab", page, refs, record.dirty))

    def page_ref_sub_and_test(self, page: int, refs: int) -> bool:
        """Drop *refs* references in one put; True if that left exactly none."""
        if refs == 0:
            self._empty_puts -= 1
            if self._empty_puts < 0:
                self._exhausted()
        record = self._change(page)
        self.puts += 1
        if self._journal:
            self.events.append(Event("put", page, refs, record.dirty))
        record.refcount = wrapped(record.refcount - refs)
        return record.refcount == 0

    def pincount_add(self, head: int, refs: int) -> None:
        """Add *refs* to the exact count of pins; negative to drop them."""
        record = self._change(head)
        record.pincount = wrapped(record.pincount + refs)

    def mod_node_page_state(self, item: str, refs: int) -> None:
        """Count *refs* in one of the two statistics of /proc/vmstat."""
        self.stats[item] += refs
        if self._journal:
            self.events.append(Event("stat", -1, refs, dirty=False))

    def free(self, head: int) -> None:
        """Give the compound page at *head* back to the allocator.

        Its flags are cleared on the way (``PAGE_FLAGS_CHECK_AT_PREP``).
        """
        record = self._change(head)
        if self._journal:
            self.events.append(Event("free", head, record.pincount, record.dirty))
        record.dirty = False
        record.allocated = False

    # Flags.

    def set_page_dirty_lock(self, page: int) -> None:
        """Lock the page, set its head's dirty flag, unlock."""
        head = self.compound_head(page)
        record = self._change(head)
        self.dirty_locks += 1
        if self._journal:
            self.events.append(Event("dirty", head, 0, record.dirty))
        record.dirty = True

    def set_dirty(self, head: int, *, dirty: bool) -> None:
        """What a write through a mapping does, or writeback: no lock of ours."""
        self._change(head).dirty = dirty

    def warn(self, what: str) -> None:
        """A ``WARN_ON``."""
        self.warnings.append(what)

    # What the world does to compound pages.

    def map(self, head: int) -> None:
        """Map the page once more: one more reference that is no pin."""
        record = self._change(head)
        record.maps += 1
        record.refcount = wrapped(record.refcount + 1)

    def unmap(self, head: int) -> None:
        """Forget one mapping of the page; dropping its reference is the caller's."""
        self._change(head).maps -= 1

    def page_mapcount(self, head: int) -> int:
        """How often the page is mapped."""
        return self._page(head).maps

    def rebuild(self, pfn: int, orders: Sequence[int], *, refs: int, dirty: bool) -> None:
        """Make compound pages of *orders*, side by side from *pfn* on.

        The compound pages that stood there are gone; each new one is mapped
        *refs* times and not otherwise held.
        """
        extents = side_by_side(orders, pfn)
        self._frames.replace(extents)
        self._stop = 0
        for page in range(pfn, extents[-1].stop):
            self._pages.pop(page, None)
        for extent in extents:
            exact = self.semantics.exact(extent.order)
            for head in extent.heads():
                self._pages[head] = Page(refs, exact, maps=refs, dirty=dirty)
                self.touched.add(head)

    # Inside.

    def _look_up(self, page: int) -> None:
        block = self._frames.block(page)
        if page == NULL:
            msg = "NULL has no struct page"
            raise Oops(msg)
        if block is None:
            msg = f"frame {page:#x} is in no mapping"
            raise Oops(msg)
        self._start, self._stop, self._order, self._refs, kind = block
        self._zero = self.semantics.uncounted(kind)
        self._special = kind == "zero"
        self._mask = -(1 << block.order)

    def _page(self, page: int) -> Page:
        record = self._pages.get(page)
        if record is None:
            order = self.compound_order(page)
            refs = 0 if page % (1 << order) else self._refs
            record = self._pages[page] = Page(refs, self.semantics.exact(order), maps=refs)
        return record

    def _change(self, page: int) -> Page:
        self._fuel -= 1
        if self._fuel < 0:
            self._exhausted()
        record = self._pages.get(page) or self._page(page)
        self.touched.add(page)
        if not record.allocated and self._journal:
            self.events.append(Event("stale", page, 0, record.dirty))
        return record

    def _exhausted(self) -> None:
        spent = self.operations - self._spent
        msg = f"not done after {spent:,} operations on {self._npages:,} pages"
        raise NoProgress(msg)
