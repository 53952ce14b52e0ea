# SPDX-License-Identifier: MIT

"""The search orders: few steps on pages of each kind and order, at lengths around powers of two.

It finds tables with a wrong row and numbers kept in too few bits. Its programs name up to 2^25
pages and yet are cheap: ranges of few, very large pages, which the ledger judges alone.
"""

from typing import Any, TypeAlias

from attrs import evolve

from model.abilities import Abilities
from model.folios import FolioAddPin, FolioAddPins, UnpinFolio, UnpinUserFolio
from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.pagelist import PageList, Slice, span
from model.regions import Register, Release
from model.semantics import KINDS, PAGE_SIZE, PMD_ORDER, Semantics
from model.step import MAX_SEGMENT, Step
from model.steps import UNPINS, Pin, PinFast, existing
from model.world import GetPage, PutPage, SetPageDirty, Unmap
from properties.judging.judge import Run
from properties.judging.pins import COUNT_LIMIT
from properties.search import Search, attempts, report_end
from properties.strategies.attributes import ATTRIBUTES_ONE_IN, dice_apart, with_attributes
from properties.strategies.dice import Dice, among, one_in
from properties.strategies.files import draw_file
from properties.strategies.mapped import draw_mapped
from properties.strategies.met import draw_met
from properties.strategies.steps import FLAGS

#: Kinds and orders of pages.
Rows: TypeAlias = list[tuple[str, int]]

#: Of the calls that unpin several pages those that take a list, and those that take a range.
LIST_UNPINS: list[Any] = [cls for cls in UNPINS if cls.takes_array]
RANGE_UNPINS: list[Any] = [cls for cls in UNPINS if cls.takes_range]

#: Number of programs in one round.
PROGRAMS = 16

#: Lengths, in pages, are within 2 of a power of two. Its exponent is at most MAX_POWER, and
#: MAX_LISTED_POWER where a range is unpinned by list calls, which walk it entry by entry.
MAX_POWER = 25
MAX_LISTED_POWER = 12

#: Exponents of the lengths of lists of one page, of which one is drawn for each. Traces have lists
#: of up to 2^23 entries, but those take a model long.
LISTED_POWERS = (7, 8, 9, 10, 11, 12, 14, 16, 16, 16, 17)

#: From this number of pages on, the slow path would take long, as it grabs each page.
MANY = 1 << 10

#: One program in so many is about what page table entries map, and long-term pins; where there is
#: memfd_pin_folios(), half of these are about files in memory.
MAPPED_ONE_IN = 8

#: After so many programs there is one about pins of pages with attributes, where there are any.
MET_ONE_IN = 3

#: Exponents of the lengths of regions, of which one is drawn for each region.
REGION_POWERS = (8, 9, 10, 11, 12, 13, 16, 16)

#: Numbers of pins that are added to a folio are near powers of two. The exponent is at most
#: MAX_PINS_POWER; as adding them one by one takes long, it is so high one time in MANY_PINS_ONE_IN
#: only, else at most USUAL_PINS_POWER. Without folio_add_pins() they come from a list.
MAX_PINS_POWER = 21
USUAL_PINS_POWER = 16
MANY_PINS_ONE_IN = 16

#: Maximum number of compound pages of the drawn order in a mapping.
MAX_HEADS = 130


def orders(search: Search, number: int) -> None:
    """Draw PROGRAMS programs from *number* and judge them; stop at the first finding.

    Some more, which are short, are about what pages with attributes do to pins.
    """
    dice, more = Dice(number), dice_apart(number)
    for _ in range(PROGRAMS):
        if search.watcher.enough() or not _judged(search, *_program(search, dice, more)):
            return
        if one_in(more, MET_ONE_IN) and not _judged(search, *_met(search, more)):
            return


def _program(search: Search, dice: Dice, more: Dice) -> tuple[tuple[Mapping, ...], list[Step]]:
    """Mappings, and steps.

    :param more: The dice for attributes of the mapping, and for what entries map.
    """
    abilities = search.candidate().abilities
    semantics = search.semantics
    rows = _rows(semantics, abilities)
    form = among(dice, FORMS + FOLIO_FORMS if semantics.folio_calls else FORMS)
    mapping, steps = form(dice, rows, semantics)
    attributes = abilities.attributes - semantics.lacks
    if one_in(more, MAPPED_ONE_IN):
        if semantics.folio_calls and attributes and one_in(more, 2):
            mapping, steps = draw_file(more, rows)
        else:
            mapping, steps = draw_mapped(more, rows, movable="movable" in attributes)
    elif attributes and one_in(more, ATTRIBUTES_ONE_IN):
        (mapping,) = with_attributes(more, (mapping,), semantics, abilities)
        flags = among(more, FLAGS)
        steps = [_flagged(step, flags) for step in steps]
    return (mapping,), steps


def _met(search: Search, more: Dice) -> tuple[tuple[Mapping, ...], list[Step]]:
    """Mappings with attributes, and steps that pin their pages; nothing if there are none."""
    abilities = search.candidate().abilities
    if not abilities.attributes - search.semantics.lacks:
        return (), []
    return draw_met(more, _rows(search.semantics, abilities), search.semantics, abilities)


def _judged(search: Search, mappings: tuple[Mapping, ...], steps: list[Step]) -> bool:
    """Judge a program; True if nothing was found."""
    candidate = search.candidate()
    abilities = candidate.abilities
    if not mappings or abilities.lacks(mappings):
        return True
    run = Run(candidate, mappings, search.semantics, alone=True)
    for taken in attempts(search, run, steps, abilities):
        if taken.finding:
            search.watcher.found(run.so_far, taken.finding)
            return False
    return report_end(search, run)


def _flagged(step: Any, flags: tuple[str, ...]) -> Step:
    """*step* with *flags*, if its call has flags."""
    flagged: Step = evolve(step, flags=flags) if hasattr(step, "flags") else step
    return flagged


def _rows(semantics: Semantics, abilities: Abilities) -> Rows:
    """Each kind and order of pages that *semantics* and *abilities* both allow."""
    return [
        (kind, order)
        for kind in KINDS
        if kind in abilities.kinds
        for order in sorted(semantics.orders[kind] & abilities.makes(kind))
    ]


def _near(dice: Dice, power: int) -> int:
    """A number of pages within 2 of a power of two."""
    return max(1, (1 << power) - 2 + dice.randrange(5))


def _mapping(dice: Dice, kind: str, order: int, length: int) -> Mapping:
    """A mapping of *length* pages or more; of fewer if those would be too many compound pages."""
    sizes = [(order, min(2 + (length >> order), MAX_HEADS))]
    if kind == "driver" and one_in(dice, 2):
        sizes.append((0, 1 + dice.randrange(3)))
    return Mapping("a", kind, placed(sizes, align_up(FIRST_PFN, order)))


def _large(dice: Dice, rows: Rows, power: int) -> tuple[str, int]:
    """One of *rows* of which MAX_HEADS compound pages or fewer have 2^*power* pages."""
    enough = [row for row in rows if MAX_HEADS << row[1] > 1 << power]
    return among(dice, enough or [max(rows, key=lambda row: row[1])])


def _each_order(dice: Dice, rows: Rows, semantics: Semantics) -> tuple[Mapping, list[Step]]:
    """Pins and unpins of a few pages near the edge of two compound pages, of any kind and order."""
    kind, order = among(dice, rows)
    mapping = _mapping(dice, kind, order, 1)
    edge = 1 << order
    start = max(0, edge - 1 - dice.randrange(4)) if one_in(dice, 2) else dice.randrange(edge)
    pages = span("a", start, min(start + 1 + dice.randrange(8), mapping.npages))
    unpins = existing(UNPINS, semantics)
    return mapping, [*_pinned(dice, pages), *_unpinned(dice, len(pages), unpins)]


def _each_width(dice: Dice, rows: Rows, semantics: Semantics) -> tuple[Mapping, list[Step]]:
    """A long range, or one page many times, or one compound page pinned by many steps."""
    if one_in(dice, 3):
        length = _near(dice, among(dice, LISTED_POWERS))
        kind, order = among(dice, rows)
        mapping = _mapping(dice, kind, order, 1)
        at = dice.randrange(mapping.npages)
        pages = PageList((Slice("a", range(at, at + 1), length),))
        lists = existing(LIST_UNPINS, semantics)
        return mapping, [*_pinned(dice, pages), *_unpinned(dice, length, lists)]
    power = 7 + dice.randrange(MAX_POWER - 6)
    length = _near(dice, power)
    kind, order = _large(dice, rows, power)
    mapping = _mapping(dice, kind, order, length)
    if power > order and one_in(dice, 2):
        return mapping, _many(dice, order, min(length >> order, MAX_HEADS) + 1)
    start = dice.randrange(4)
    if one_in(dice, 2) and 1 << order < mapping.npages:
        start = max(0, (1 << order) - 1 - start)
    pages = span("a", start, min(start + length, mapping.npages))
    unpins = UNPINS if power <= MAX_LISTED_POWER else RANGE_UNPINS
    unpins = existing(unpins, semantics)
    return mapping, [*_pinned(dice, pages), *_unpinned(dice, len(pages), unpins)]


def _pin(handle: str, pages: PageList) -> Step:
    """A step that pins *pages*; many of them by the fast path, which takes one grab a huge page."""
    make: Any = Pin if len(pages) < MANY else PinFast
    step: Step = make(handle=handle, pages=pages)
    return step


def _pinned(dice: Dice, pages: PageList) -> list[Step]:
    """Steps that pin *pages*, and perhaps write to the first or unmap it."""
    steps: list[Step] = [_pin("h1", pages)]
    if one_in(dice, 2):
        steps.append(SetPageDirty(pages=span("h1", 0, 1)))
    if one_in(dice, 4):
        steps.append(Unmap(pages=span("h1", 0, 1)))
    return steps


def _unpinned(dice: Dice, length: int, unpins: list[Any]) -> list[Step]:
    """Steps that unpin the *length* pages of handle h1, in one piece or two."""
    cut = dice.randrange(min(length, 4)) if one_in(dice, 2) else 0
    return [
        _unpin(dice, span("h1", start, stop), among(dice, unpins))
        for start, stop in ((0, cut), (cut, length))
        if start < stop
    ]


def _unpin(dice: Dice, pages: PageList, make: Any) -> Step:
    asked = {"make_dirty": one_in(dice, 2)} if make.asks_dirty else {}
    step: Step = make(pages=pages, **asked)
    return step


def _many(dice: Dice, order: int, times: int) -> list[Step]:
    """Steps that pin all of the first compound page *times* times, then unpin it as often."""
    whole = range(1, times + 1)
    steps = [_pin(f"h{i}", span("a", 0, 1 << order)) for i in whole]
    return steps + [_unpin(dice, span(f"h{i}", 0, 1 << order), RANGE_UNPINS[0]) for i in whole]


def _region(dice: Dice, rows: Rows, _semantics: Semantics) -> tuple[Mapping, list[Step]]:
    """Steps that register and release a region of many scatterlist entries."""
    power = among(dice, REGION_POWERS)
    length = _near(dice, power)
    kind, order = _large(dice, rows, power)
    mapping = _mapping(dice, kind, order, length)
    start = dice.randrange(min(mapping.npages, 4))
    get = Register(
        umem="m1",
        pages=span("a", start, min(start + length, mapping.npages)),
        writable=not one_in(dice, 3),
        max_segment=among(dice, (PAGE_SIZE, PAGE_SIZE, 2 * PAGE_SIZE, MAX_SEGMENT)),
        nmap=among(dice, (None, None, 1, 0)),
    )
    return mapping, [get, Release(umem="m1", dirty=not one_in(dice, 3))]


def _full(dice: Dice, rows: Rows, _semantics: Semantics) -> tuple[Mapping, list[Step]]:
    """Pins of a page whose refcount has room for fewer, on the fast path, which may undo them."""
    kind, order = among(dice, [row for row in rows if row[1] >= PMD_ORDER] or rows)
    mapping = _mapping(dice, kind, order, 1)
    full = COUNT_LIMIT - 1 - mapping.refs
    pages = span("a", dice.randrange(mapping.npages), mapping.npages).prefix(2 + dice.randrange(4))
    get = GetPage(pages=span("a", 0, 1), n=full - dice.randrange(3))
    changed = dice.randrange(len(pages)) if one_in(dice, 2) else None
    pin = PinFast(handle="h1", pages=pages, changed=changed)
    return mapping, [get, pin, PutPage(pages=get.pages, n=get.n)]


def _folio(dice: Dice, rows: Rows, semantics: Semantics) -> tuple[Mapping, list[Step]]:
    """Many pins added to a pinned folio, whose refcount may go past 2^31, and dropped again."""
    kind, order = among(dice, rows)
    mapping = _mapping(dice, kind, order, 1)
    at = dice.randrange(1 << order)
    page = span("a", at, at + 1)
    adds = semantics.adds_pins
    power = MAX_PINS_POWER if one_in(dice, MANY_PINS_ONE_IN) else USUAL_PINS_POWER
    pins = _near(dice, dice.randrange((power if adds else MAX_LISTED_POWER) + 1))
    often = PageList((Slice("a", range(at, at + 1), pins),))
    get = GetPage(pages=page, n=COUNT_LIMIT - 1 - mapping.refs - dice.randrange(4 * pins))
    filled = one_in(dice, 3) and get.n > 0
    steps = [
        *([get] if filled else []),
        _pin("h1", page),
        FolioAddPin(page=page),
        FolioAddPins(page=page, n=pins) if adds else _pin("h2", often),
        FolioAddPins(page=page, n=dice.randrange(3)),
        UnpinUserFolio(page=page, n=pins - dice.randrange(3)),
        *([PutPage(pages=page, n=get.n)] if filled else []),
        UnpinFolio(page=page),
    ]
    return mapping, steps


#: What draws a program; one is drawn for each. FOLIO_FORMS: where there are calls of folios.
FORMS = (_each_order, _each_order, _each_width, _each_width, _each_width, _region, _region, _full)
FOLIO_FORMS = (_folio, _folio)
