# SPDX-License-Identifier: MIT

"""Random steps: for each call, one that makes sense in the ledger's current state.

A method returns None if there is no such step. The few drawn steps that break the
contract are refused when they are executed.
"""

from collections.abc import Collection, Sequence
from random import Random
from typing import Any

from model.folios import FolioAddPin, FolioAddPins, UnpinFolio, UnpinFolios, UnpinUserFolio
from model.memfd import FILE_KINDS, MemfdPinFolios
from model.pagelist import PageList, span
from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, Need, SgEntry, Step
from model.steps import (
    STEPS,
    GetUserPages,
    PinFast,
    PinUserPages,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from model.world import AllocPages, Clean, GetPage, Map, PutPage, SetPageDirty, SplitHugePage, Unmap
from properties.judging.holdings import Held
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT
from properties.judging.regions import BATCH
from properties.strategies.dice import among, one_in
from properties.strategies.lists import (
    MAX_REPEATS,
    REPEATS,
    draw_held_page,
    draw_pieces,
    draw_pins,
    draw_range,
    draw_stretch,
    latest,
    live,
    place,
    releasable,
    up_to_gap,
)
from properties.strategies.nulls import with_nulls

#: Error values for npages: -EFAULT, and the lowest and the highest one.
ERRORS = (-14, -4095, -1)

#: Sets of flags of pin calls; one set is drawn for each call.
FLAGS: tuple[tuple[str, ...], ...] = (
    (),
    ("FOLL_WRITE",),
    ("FOLL_LONGTERM",),
    ("FOLL_WRITE", "FOLL_LONGTERM"),
)


class RandomSteps:
    """Draws the next step of one program. Each method is named after its call.

    :ivar handles: Handles of pins, oldest first.
    :ivar gets: Handles of plain references, oldest first.
    :ivar splittable: Mappings with transparent huge pages or large page cache pages.
    :ivar files: Mappings of files in memory.
    :ivar races: The kinds of races to choose from, the plainest first.
    :ivar fast: The calls that begin with GUP-fast to choose from, the plainest first.
    """

    def __init__(
        self, ledger: Ledger, races: Sequence[str] = ("entry",), fast: Sequence[Any] = (PinFast,)
    ) -> None:
        self.ledger = ledger
        self.races = races
        self.fast = fast
        self.handles: list[str] = []
        self.gets: list[str] = []
        self.splittable = [
            m
            for m in ledger.mappings
            if m.kind in SplitHugePage.kinds and any(e.order for e in m.extents)
        ]
        self.files = [m for m in ledger.mappings if m.kind in FILE_KINDS]
        self._made = {"h": 0, "m": 0}
        held: dict[Need | None, Collection[object]] = {
            Need.PINS: ledger.pinned,
            Need.REFERENCES: ledger.got,
            Need.REGION: ledger.umems,
            Need.FREE: ledger.freed,
            Need.SPLITTABLE: self.splittable,
            Need.FILE: self.files,
        }
        self._lacked = {c for c, cls in STEPS.items() if cls.lacked_by(ledger.semantics)}
        self._needed = {c: held[cls.needs] for c, cls in STEPS.items() if cls.needs}
        self._needed.update(dict.fromkeys(self._lacked, ()))

    def possible(self, call: str) -> bool:
        """Whether *call* exists, and the pins, references, region or pages that its step needs."""
        if call in self._needed:
            return bool(self._needed[call])
        return call not in self._lacked

    def taken(self, step: Step) -> None:
        """Note that *step* was carried out: the handle or region that it makes exists now."""
        if step.binds_handle or step.binds_umem:
            made = step.makes
            self._made[made[0]] += 1
            if made in self.ledger.table:
                (self.gets if step.gets else self.handles).append(made)

    # Pinning.

    def pin_user_pages(self, random: Random) -> Step | None:
        """Pin random pages."""
        pages = draw_pins(random, self.ledger, self.handles)
        return PinUserPages(handle=self.name("h"), pages=pages, flags=among(random, FLAGS))

    def get_user_pages(self, random: Random) -> Step | None:
        """Take plain references on random pages."""
        pages = draw_pins(random, self.ledger, self.handles)
        return GetUserPages(handle=self.name("h"), pages=pages, flags=among(random, FLAGS))

    def pin_user_pages_fast_only(self, random: Random) -> Step | None:
        """Pin without the slow path, or by a call like it; half the time an entry changes."""
        make = self.fast_call(random)
        pages = draw_pins(random, self.ledger, self.handles)
        changed = random.randrange(len(pages)) if one_in(random, 2) else None
        step: Step = make(
            handle=self.name("h"),
            pages=pages,
            flags=among(random, FLAGS),
            changed=changed,
            race=self.race(random, changed),
        )
        return step

    def fast_call(self, random: Random) -> Any:
        """The class of a step that begins with GUP-fast; only programs of several draw one."""
        return among(random, self.fast) if len(self.fast) > 1 else self.fast[0]

    def race(self, random: Random, changed: int | None) -> str:
        """The kind of race of a step with *changed*; only programs of several kinds draw one."""
        if changed is None or len(self.races) == 1:
            return "entry"
        return among(random, self.races)

    # Unpinning.

    def unpin_user_page(self, random: Random) -> Step | None:
        """Unpin one page of a pinned head."""
        page = self._pinned_page(random)
        return UnpinUserPage(page=page) if page else None

    def _pinned_page(self, random: Random) -> PageList | None:
        """One page of a pinned head; None if no head is pinned."""
        pinned = self.ledger.pinned
        # The last unpin of an unmapped head may free it. Half the time draw from such heads only.
        dying = [head for head in latest(pinned) if not self.ledger.held(head).maps]
        if dying and one_in(random, 2):
            pinned = dict.fromkeys(dying)
        return draw_held_page(random, self.ledger, pinned)

    def unpin_user_pages(self, random: Random) -> Step | None:
        """Unpin entries of handles, in any order."""
        pages = self._pieces(random)
        if pages is None:
            return None
        npages = self._error(random)
        pages = with_nulls(random, self.ledger.semantics, pages)
        return UnpinUserPages(pages=pages, npages=npages)

    def unpin_user_pages_dirty_lock(self, random: Random) -> Step | None:
        """Unpin entries of handles, with make_dirty two times in three."""
        pages = self._pieces(random)
        if pages is None:
            return None
        make_dirty = not one_in(random, 3)
        npages = None if make_dirty else self._error(random)
        if not make_dirty:
            pages = with_nulls(random, self.ledger.semantics, pages)
        return UnpinUserPagesDirtyLock(pages=pages, make_dirty=make_dirty, npages=npages)

    def unpin_user_page_range_dirty_lock(self, random: Random) -> Step | None:
        """Unpin contiguous frames."""
        pages = draw_range(random, self.ledger, self.handles)
        if pages is None:
            return None
        if one_in(random, 40):
            pages = pages.prefix(0)
        return UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=one_in(random, 2))

    def _pieces(self, random: Random) -> PageList | None:
        """A list of entries to unpin, empty one time in 40; None if no pins are held."""
        if not self.handles:
            return None
        pages = draw_pieces(random, self.ledger, self.handles)
        if one_in(random, 40):
            return pages.prefix(0)
        return releasable(self.ledger, pages) or draw_held_page(
            random, self.ledger, self.ledger.pinned
        )

    def _error(self, random: Random) -> int | None:
        """An error value one time in 16, else None."""
        return among(random, ERRORS) if one_in(random, 16) else None

    # Folios.

    def unpin_folio(self, random: Random) -> Step | None:
        """Unpin one pinned folio."""
        page = self._pinned_page(random)
        return UnpinFolio(page=page) if page else None

    def unpin_folios(self, random: Random) -> Step | None:
        """Unpin folios, which pages of handles name, in any order."""
        pages = self._pieces(random)
        if pages is None:
            return None
        npages = self._error(random)
        return UnpinFolios(pages=with_nulls(random, self.ledger.semantics, pages), npages=npages)

    def unpin_user_folio(self, random: Random) -> Step | None:
        """Drop some or all pins of a folio, one time in 16 none."""
        page = self._pinned_page(random)
        if page is None:
            return None
        pins = self._held(page).pins
        n = 0 if one_in(random, 16) else pins if one_in(random, 3) else 1 + random.randrange(pins)
        return UnpinUserFolio(page=page, n=min(n, MAX_REPEATS))

    def folio_add_pin(self, random: Random) -> Step | None:
        """Take one more pin of a pinned folio."""
        page = self._pinned_page(random)
        return FolioAddPin(page=page) if page else None

    def folio_add_pins(self, random: Random) -> Step | None:
        """Take a few more pins of a pinned folio, one time in 16 none."""
        page = self._pinned_page(random)
        n = 0 if one_in(random, 16) else 1 + random.randrange(among(random, REPEATS))
        return FolioAddPins(page=page, n=n) if page else None

    # Files in memory.

    def memfd_pin_folios(self, random: Random) -> Step | None:
        """Pin the folios of a few neighbouring pages; one time in 4 there is room for fewer."""
        if not self.files:
            return None
        pages = draw_stretch(random, among(random, self.files), longest=600)
        pages = up_to_gap(self.ledger, pages)
        most = random.randrange(1 + len(pages)) if one_in(random, 4) else None
        return MemfdPinFolios(handle=self.name("h"), pages=pages, max_folios=most)

    # RDMA memory regions.

    def ib_umem_get(self, random: Random) -> Step | None:
        """Register a region; in some steps DMA mapping fails, or memory for entries is lacking."""
        mapping = among(random, self.ledger.mappings)
        pages = draw_pins(random, self.ledger, self.handles)
        if one_in(random, 6) and mapping.npages > BATCH:
            length = min(mapping.npages, BATCH - 2 + random.randrange(BATCH + 4))
            start = random.randrange(mapping.npages - length + 1)
            pages = span(mapping.name, start, start + length)
        segment = MAX_SEGMENT
        if one_in(random, 2):
            segment = PAGE_SIZE * (1 + random.randrange(8)) + among(random, (0, 0, 100))
        return IbUmemGet(
            umem=self.name("m"),
            pages=pages,
            writable=not one_in(random, 3),
            max_segment=segment,
            nmap=among(random, (None, None, 1, 2, 0)),
            append_fails=random.randrange(2) if one_in(random, 6) else None,
        )

    def ib_umem(self, random: Random) -> Step | None:
        """A region of one to three pinned ranges; some entries end within a page."""
        entries = []
        for _ in range(1 + random.randrange(3)):
            pages = draw_range(random, self.ledger, self.handles)
            if pages is not None:
                short = random.randrange(PAGE_SIZE) if one_in(random, 2) else 0
                entries.append(SgEntry(pages, len(pages) * PAGE_SIZE - short))
        if not entries:
            return None
        nmap = among(random, (None, 1, 0))
        return IbUmem(
            umem=self.name("m"),
            sgl=tuple(entries),
            writable=not one_in(random, 3),
            nmap=nmap if nmap is None else min(nmap, len(entries)),
        )

    def ib_umem_release(self, random: Random) -> Step | None:
        """Release a region; None if none exists, or if pins of the drawn one are gone already."""
        if not self.ledger.umems:
            return None
        umem = among(random, list(self.ledger.umems))
        pages = self.ledger.umems[umem].pages()
        if self.ledger.releasable(pages) < len(pages):
            return None
        return IbUmemRelease(umem=umem, dirty=not one_in(random, 4))

    # World steps.

    def _few_pages(self, random: Random) -> PageList:
        """Two times in three one pinned page, if there is one; else up to 16 neighbouring pages."""
        if one_in(random, 3):
            return draw_stretch(random, among(random, self.ledger.mappings), longest=16)
        held = draw_held_page(random, self.ledger, self.ledger.pinned)
        return held or draw_stretch(random, among(random, self.ledger.mappings), longest=4)

    def map(self, random: Random) -> Step | None:
        """Map a few pages once more."""
        return Map(pages=self._few_pages(random))

    def unmap(self, random: Random) -> Step | None:
        """Unmap a few pages; pinned ones stay allocated until their last unpin."""
        if self.handles and one_in(random, 3):
            # Unmap only a handle's last page: unpinning may then free this compound page alone.
            name = live(random, self.ledger, self.handles)
            frames = self.ledger.table[name]
            if self.ledger.held(self.ledger.head(frames[-1])).mapped:
                return Unmap(pages=span(name, len(frames) - 1, len(frames)))
        return Unmap(pages=self._few_pages(random))

    def set_page_dirty(self, random: Random) -> Step | None:
        """Write to a few pages."""
        return SetPageDirty(pages=self._few_pages(random))

    def clean(self, random: Random) -> Step | None:
        """Write a few pages back."""
        return Clean(pages=self._few_pages(random))

    def split_huge_page(self, random: Random) -> Step | None:
        """Split a huge page; -EBUSY if it is pinned. None if the drawn page cannot be split."""
        if not self.splittable:
            return None
        page = self._page_to_split(random)
        frame = page.resolve(self.ledger.table)[0]
        if self.ledger.kind(frame) not in SplitHugePage.kinds or not self.ledger.order(frame):
            return None
        return SplitHugePage(pages=page)

    def _page_to_split(self, random: Random) -> PageList:
        """A page that may belong to a huge page; preferably one that was pinned and is not now."""
        ledger = self.ledger
        if not one_in(random, 3):
            firsts = {name: ledger.table[name][0] for name in self.handles[-8:]}
            known = [n for n, page in firsts.items() if ledger.kind(page) in SplitHugePage.kinds]
            unpinned = [n for n in known if ledger.head(firsts[n]) not in ledger.pinned]
            if known:
                return span(among(random, unpinned or known), 0, 1)
        return draw_stretch(random, among(random, self.splittable), longest=1)

    def alloc_pages(self, random: Random) -> Step | None:
        """Allocate free frames again, as compound pages of random orders."""
        if not self.ledger.freed:
            return None
        head = among(random, list(self.ledger.freed))
        frames = 1 << self.ledger.order(head)
        while frames < 8 and head + frames in self.ledger.freed:
            frames += 1 << self.ledger.order(head + frames)
        mapping, first = place(self.ledger, head)
        last = first + frames - 1
        if last >= mapping.npages or mapping.pages[last] != head + frames - 1:
            return None
        pages = span(mapping.name, first, last + 1)
        allowed = self.ledger.semantics.orders[mapping.kind]
        orders = _fill(random, head, frames, allowed)
        return AllocPages(pages=pages, orders=orders) if orders else None

    def get_page(self, random: Random) -> Step | None:
        """Take 1 to 3 plain references; one time in six almost as many as a refcount holds."""
        pages = self._few_pages(random)
        n = 1 + random.randrange(3)
        if one_in(random, 6):
            pages = pages.prefix(1)
            left = COUNT_LIMIT - 1 - self._held(pages).total
            n = max(1, left - (random.randrange(4096) if one_in(random, 2) else 0))
        return GetPage(pages=pages, n=n)

    def put_page(self, random: Random) -> Step | None:
        """Drop plain references: of a handle's entries, or one or all of those on a head."""
        if self.gets and one_in(random, 2):
            pages = releasable(self.ledger, draw_pieces(random, self.ledger, self.gets), "gets")
            if pages:
                return PutPage(pages=pages)
        page = draw_held_page(random, self.ledger, self.ledger.got)
        if page is None:
            return None
        return PutPage(pages=page, n=self._held(page).gets if one_in(random, 2) else 1)

    def _held(self, page: PageList) -> Held:
        """What is held of the compound page of *page*: mappings, plain references and pins."""
        return self.ledger.held(self.ledger.head(page.resolve(self.ledger.table)[0]))

    def name(self, letter: str) -> str:
        """The next unused name of a handle (*letter* is ``h``) or of a region (``m``)."""
        return f"{letter}{self._made[letter] + 1}"


def _fill(random: Random, pfn: int, frames: int, allowed: frozenset[int]) -> tuple[int, ...]:
    """Random orders from *allowed* that fill *frames* frames from *pfn* on; empty if impossible."""
    orders: list[int] = []
    stop = pfn + frames
    sizes = {order: 1 << order for order in range(10) if order in allowed}
    while pfn < stop:
        fitting = [o for o, size in sizes.items() if pfn % size == 0 and pfn + size <= stop]
        if not fitting or len(orders) == 32:
            return ()
        order = fitting[-1] if frames > 64 else among(random, fitting)
        orders.append(order)
        pfn += 1 << order
    return tuple(orders)
