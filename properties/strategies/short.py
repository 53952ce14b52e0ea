# SPDX-License-Identifier: MIT

"""Short random steps, drawn in a few microseconds: most steps of the search soak.

They name few pages near the edges of compound pages, and release pins soon. Steps with
more pages and rare arguments come from `properties.strategies.steps`.
"""

from collections.abc import Callable

from model.mapping import Mapping
from model.pagelist import PageList, Slice, joined, span
from model.regions import MakeRegion, Register, Release
from model.semantics import PAGE_SIZE
from model.step import SgEntry, Step
from model.steps import (
    GetUserPages,
    Pin,
    Unpin,
    UnpinOne,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPagesDirtyLock,
)
from model.world import Clean, DropReferences, Map, SetPageDirty, TakeReferences, Unmap
from properties.judging.ledger import Ledger
from properties.strategies.dice import Dice, among
from properties.strategies.lists import by_mapping
from properties.strategies.nulls import with_nulls
from properties.strategies.steps import FLAGS, RandomSteps

#: Forms that pin and make a handle.
PINNING = frozenset({"pin", "pin_across", "pin_again", "pin_strided", "pin_two", "pin_fast"})

#: Forms that unpin entries of handles.
UNPINNING = frozenset(
    {
        "unpin",
        "unpin_part",
        "unpin_dirty",
        "unpin_range",
        "unpin_one",
        "unpin_backwards",
        "unpin_between",
    }
)

#: Short steps name pages of this many compound pages at each end of an extent.
NEAR_ENDS = 8

#: Values of max_segment, in bytes; the last is not a whole number of pages.
SEGMENTS = (4_096, 8_192, 16_384, 4_196)

#: Number of bytes of its last page that an entry of a region does not use.
SHORT_OF = (0, 1, PAGE_SIZE // 2, PAGE_SIZE - 1)

#: Maximum number of neighbouring pages in a list that is to cross several heads.
MAX_ACROSS = 24

#: Maximum number of handles that hold pins before `ShortSteps.crowded` is true.
MAX_HELD = 24


class ShortSteps:
    """Draws short steps of one program. Each method is a form and returns a step or None.

    :param steps: Draws all other steps of the program, and names the handles of all steps.
    """

    def __init__(self, ledger: Ledger, steps: RandomSteps) -> None:
        self._ledger = ledger
        self._steps = steps
        #: (handle, first position not released, number of pages) of each handle with pins.
        self._held: list[tuple[str, int, int]] = []
        self._spots = [spot for m in ledger.mappings for spot in _spots(m)]

    @property
    def crowded(self) -> bool:
        """Whether pages should be unpinned before more are pinned."""
        return len(self._held) >= MAX_HELD

    @property
    def empty(self) -> bool:
        """Whether no handle holds pins."""
        return not self._held

    def taken(self, step: Step) -> None:
        """Note that *step* was carried out: if it made a handle, the handle may hold pins now."""
        if step.pins and step.binds_handle:
            pages = self._ledger.table.get(step.makes)
            if pages:
                self._held.append((step.makes, 0, len(pages)))

    # Pages.

    def _stretch(self, dice: Dice, longest: int = 4) -> PageList:
        """One to *longest* neighbouring pages, near an edge of a compound page."""
        name, start, npages = self._spots[dice.randrange(len(self._spots))]
        length = 1 + dice.randrange(longest)
        return PageList((Slice(name, range(start, min(start + length, npages))),))

    def _release(self, dice: Dice, count: Callable[[int], int]) -> Slice | None:
        """Forget and return the first entries of a random handle; None if no handle is left.

        :param count: Maps the handle's number of entries to the number to forget.
        """
        if not self._held:
            return None
        at = dice.randrange(len(self._held))
        name, start, stop = self._held[at]
        middle = start + count(stop - start)
        if middle < stop:
            self._held[at] = (name, middle, stop)
        else:
            self._held[at] = self._held[-1]
            self._held.pop()
        return Slice(name, range(start, middle))

    def _rest(self, dice: Dice) -> Slice | None:
        """Forget a random handle and return the entries it still held; None if there is none."""
        return self._release(dice, lambda held: held)

    def _part(self, dice: Dice) -> PageList | None:
        """Forget and return one or more first entries of a random handle; None if there is none."""
        part = self._release(dice, lambda held: 1 + dice.randrange(held))
        return PageList((part,)) if part else None

    def _list(self, dice: Dice) -> PageList:
        """A few pages: neighbours, repeats, with holes, backwards, or of two places."""
        form = dice.randrange(6)
        if form == 0:
            return self._again(dice)
        if form == 1:
            return self._strided(dice)
        if form == 2:
            return self._two(dice)
        return self._stretch(dice)

    def _again(self, dice: Dice) -> PageList:
        """A page, one to four times."""
        (term,) = self._stretch(dice).slices()
        return PageList((Slice(term.name, term.indices[:1], 1 + dice.randrange(4)),))

    def _strided(self, dice: Dice) -> PageList:
        """Every other one of some neighbouring pages, or all of them in reverse order."""
        (term,) = self._stretch(dice).slices()
        indices = term.indices[::-1] if dice.randrange(2) else term.indices[::2]
        return PageList((Slice(term.name, indices),))

    def _two(self, dice: Dice) -> PageList:
        """Neighbouring pages of two places, which may be one and may lie in two mappings."""
        first = self._stretch(dice)
        return joined((first, self._stretch(dice) if dice.randrange(4) else first))

    def _flags(self, dice: Dice) -> tuple[str, ...]:
        """Flags, where mappings have attributes: these let pins fail, or move pages."""
        return FLAGS[dice.randrange(len(FLAGS))] if self._ledger.special else ()

    def _pin(self, dice: Dice, pages: PageList) -> Step:
        return Pin(handle=self._steps.name("h"), pages=pages, flags=self._flags(dice))

    # Forms that pin.

    def pin(self, dice: Dice) -> Step | None:
        """Pin neighbouring pages."""
        return self._pin(dice, self._stretch(dice))

    def pin_across(self, dice: Dice) -> Step | None:
        """Pin the pages of several neighbouring compound pages."""
        return self._pin(dice, self._stretch(dice, MAX_ACROSS))

    def pin_again(self, dice: Dice) -> Step | None:
        """Pin a page several times in one call."""
        return self._pin(dice, self._again(dice))

    def pin_strided(self, dice: Dice) -> Step | None:
        """Pin every other one of some neighbouring pages, or all of them in reverse order."""
        return self._pin(dice, self._strided(dice))

    def pin_two(self, dice: Dice) -> Step | None:
        """Pin neighbouring pages at two places in one call."""
        return self._pin(dice, self._two(dice))

    def pin_fast(self, dice: Dice) -> Step | None:
        """Pin by GUP-fast; a page table entry may change meanwhile."""
        pages = self._list(dice)
        changed = dice.randrange(len(pages) + 1)
        at = changed if changed < len(pages) else None
        step: Step = self._steps.fast_call(dice)(
            handle=self._steps.name("h"),
            pages=pages,
            flags=self._flags(dice),
            changed=at,
            race=self._steps.race(dice, at),
        )
        return step

    def register(self, dice: Dice) -> Step | None:
        """Register a region of one to eight pages."""
        return Register(
            umem=self._steps.name("m"),
            pages=self._list(dice),
            writable=dice.randrange(2) == 0,
            max_segment=SEGMENTS[dice.randrange(len(SEGMENTS))],
            nmap=(None, 1, 0)[dice.randrange(3)],
        )

    def region(self, dice: Dice) -> Step | None:
        """Make a region of pages of one handle or two; its entries may end inside a page."""
        parts = [self._part(dice) for _ in range(1 + dice.randrange(2))]
        sgl = tuple(
            SgEntry(part, len(part) * PAGE_SIZE - SHORT_OF[dice.randrange(len(SHORT_OF))])
            for part in parts
            if part
        )
        if not sgl:
            return None
        nmap = (None, 1, 0)[dice.randrange(3)]
        writable = dice.randrange(2) == 0
        return MakeRegion(umem=self._steps.name("m"), sgl=sgl, writable=writable, nmap=nmap)

    # Forms that release.

    def unpin(self, dice: Dice) -> Step | None:
        """Unpin all entries that a handle still holds."""
        rest = self._rest(dice)
        return Unpin(pages=PageList((rest,))) if rest else None

    def unpin_part(self, dice: Dice) -> Step | None:
        """Unpin some or all entries that a handle still holds, beginning with the first."""
        part = self._part(dice)
        return Unpin(pages=with_nulls(dice, self._ledger.semantics, part)) if part else None

    def unpin_dirty(self, dice: Dice) -> Step | None:
        """Unpin the first pages of a handle, with make_dirty two times in three."""
        part = self._part(dice)
        if part is None:
            return None
        return UnpinUserPagesDirtyLock(pages=part, make_dirty=dice.randrange(3) > 0)

    def unpin_range(self, dice: Dice) -> Step | None:
        """Unpin the first pages of a handle as a range; refused if they are not contiguous."""
        part = self._part(dice)
        if part is None:
            return None
        return UnpinUserPageRangeDirtyLock(pages=part, make_dirty=dice.randrange(2) > 0)

    def unpin_one(self, dice: Dice) -> Step | None:
        """Unpin the first page of a handle."""
        first = self._release(dice, lambda _held: 1)
        return UnpinOne(page=PageList((first,))) if first else None

    def unpin_backwards(self, dice: Dice) -> Step | None:
        """Unpin all entries that a handle still holds, in reverse order."""
        rest = self._rest(dice)
        return Unpin(pages=PageList((Slice(rest.name, rest.indices[::-1]),))) if rest else None

    def unpin_between(self, dice: Dice) -> Step | None:
        """Unpin a handle's pages with those of another handle between them: A-B-A."""
        if len(self._held) < 2:
            return None
        a, b = self._rest(dice), self._rest(dice)
        assert a is not None
        assert b is not None
        cut = 1 + dice.randrange(len(a))
        terms = [Slice(a.name, a.indices[:cut]), b]
        terms += [Slice(a.name, a.indices[cut:])] if cut < len(a) else []
        pages = PageList(tuple(terms))
        if dice.randrange(2):
            return Unpin(pages=pages)
        return UnpinUserPagesDirtyLock(pages=pages, make_dirty=True)

    def no_pages(self, dice: Dice) -> Step | None:
        """A call of an empty list; an empty range begins with the first page of a handle."""
        handles = self._steps.handles
        if handles and dice.randrange(2):
            nothing = span(handles[-1 - dice.randrange(min(len(handles), MAX_HELD))], 0, 0)
        else:
            nothing = self._stretch(dice).prefix(0)
        form = dice.randrange(6)
        if form == 0:
            return Unpin(pages=nothing)
        if form == 1:
            return self._pin(dice, nothing)
        if form == 2:
            return GetUserPages(handle=self._steps.name("h"), pages=nothing)
        if form == 3:
            return Register(umem=self._steps.name("m"), pages=nothing)
        make = UnpinUserPagesDirtyLock if form == 4 else UnpinUserPageRangeDirtyLock
        return make(pages=nothing, make_dirty=dice.randrange(2) == 0)

    def release(self, dice: Dice) -> Step | None:
        """Release a region."""
        umems = self._ledger.umems
        return Release(umem=among(dice, [*umems]), dirty=dice.randrange(2) == 0) if umems else None

    # World steps.

    def map(self, dice: Dice) -> Step | None:
        """Map a page once more."""
        return Map(pages=self._stretch(dice).prefix(1))

    def unmap(self, dice: Dice) -> Step | None:
        """Unmap a page that is pinned or has another mapping."""
        pages = self._stretch(dice).prefix(1)
        held = self._ledger.held(self._ledger.head(pages.resolve(self._ledger.table)[0]))
        if held.maps < 2 and not held.pins:
            return None
        return Unmap(pages=pages)

    def write(self, dice: Dice) -> Step | None:
        """Write to a page."""
        return SetPageDirty(pages=self._stretch(dice).prefix(1))

    def clean(self, dice: Dice) -> Step | None:
        """Write one to four pages back."""
        return Clean(pages=self._stretch(dice))

    def get(self, dice: Dice) -> Step | None:
        """Take 1 to 1024 plain references on a page."""
        return TakeReferences(pages=self._stretch(dice).prefix(1), n=1 + dice.randrange(1024))

    def put(self, dice: Dice) -> Step | None:
        """Drop all plain references on one head."""
        ledger = self._ledger
        if not ledger.got:
            return None
        head = next(iter(ledger.got))
        return DropReferences(pages=by_mapping(ledger, head), n=ledger.held(head).gets)


def _spots(mapping: Mapping) -> list[tuple[str, int, int]]:
    """Pages at edges or in the middle of compound pages: (name, position, npages of *mapping*)."""
    spots = []
    for extent, offset in zip(mapping.extents, mapping.offsets, strict=True):
        size = 1 << extent.order
        inside = sorted({i % size for i in (0, 1, size // 2, -2, -1)})
        near = set(range(extent.count)[:NEAR_ENDS]) | set(range(extent.count)[-NEAR_ENDS:])
        spots += [
            (mapping.name, offset + nth * size + i, mapping.npages)
            for nth in sorted(near)
            for i in inside
        ]
    return spots
