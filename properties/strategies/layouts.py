# SPDX-License-Identifier: MIT

"""Random layouts: a few mappings of mixed compound pages, generated or cut from captured ones."""

from collections.abc import Sequence
from random import Random
from string import ascii_lowercase

from model.abilities import UNBOUNDED, Abilities
from model.mapping import FIRST_PFN, Extent, Mapping, align_up, overlap, placed
from model.semantics import Semantics
from properties.search import Search
from properties.strategies.dice import among, one_in

#: Maximum number of mappings of a layout.
MAX_MAPPINGS = 3

#: Maximum number of extents of a mapping. Most extents are a single compound page.
MAX_EXTENTS = 6

#: The kind driver is first and most often: its pages may have all orders up to 10, side by side.
KINDS = (
    *("driver", "driver", "driver", "thp", "base"),
    *("hugetlb", "page-cache", "thp", "hugetlb", "device-dax", "zero"),
)

#: Maximum number of pages of a long extent.
MAX_EXTENT_PAGES = 1 << 17

#: Small orders, each drawn as often as it is listed. Orders 1 and 2 come often: before 5.18,
#: order 2 is the lowest that is exact, and from 5.18 on order 1.
SMALL_ORDERS = (0, 1, 2, 1, 0, 2, 3, 2, 4)

#: Orders of huge pages: those of x86 (9 and 18) twice, and some of other architectures.
HUGE_ORDERS = (9, 18, 16, 4, 9, 18, 13, 2, 17, 7, 11, 1)

#: Orders of small layouts, where most lists cross several heads.
SMALL_LAYOUT_ORDERS = (0, 0, 1, 1, 2, 2, 3)

#: One small layout in BESIDE_ONE_IN has a second mapping, of one of these kinds.
BESIDE_ONE_IN = 4
BESIDE = ("zero", "base")


def draw_layout(random: Random, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """One to MAX_MAPPINGS mappings that the semantics of *search* and *abilities* both allow.

    If *search* has captured layouts, one layout in three consists of windows cut from them.
    """
    if search.captured and (search.captured_only or one_in(random, 3)):
        mappings = _windows(random, search.semantics, search.captured)
    else:
        mappings = _generated(random, search.semantics, abilities)
    usable: list[Mapping] = []
    for mapping in mappings:
        if not abilities.lacks([*usable, mapping]):
            usable.append(mapping)
    return tuple(usable) or _plainest(abilities)


def _small_orders(search: Search, abilities: Abilities) -> list[int]:
    """The orders of a small layout; empty if *search* or *abilities* rule them out."""
    if search.captured_only or "driver" not in abilities.kinds:
        return []
    usable = search.semantics.orders["driver"] & abilities.makes("driver")
    return [order for order in SMALL_LAYOUT_ORDERS if order in usable]


def draw_small(random: Random, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """A mapping of two to six small compound pages, and sometimes one of another kind.

    Empty if *search* or *abilities* rule such pages out.
    """
    orders = _small_orders(search, abilities)
    if not orders:
        return ()
    extents = _draw_few(random, orders)
    refs = 1 + (random.randrange(8) == 0)
    mappings = [Mapping("a", "driver", extents, min(refs, abilities.refs))]
    if one_in(random, BESIDE_ONE_IN):
        pfn = extents[-1].stop + (abilities.mixes is not None)
        beside = Mapping("b", among(random, BESIDE), placed([(0, 1 + random.randrange(2))], pfn))
        if not abilities.lacks([*mappings, beside]):
            mappings.append(beside)
    return tuple(mappings)


def _draw_few(random: Random, orders: Sequence[int]) -> tuple[Extent, ...]:
    """Two to six compound pages of *orders*, half the time largest first, without needless gaps."""
    drawn = [among(random, orders) for _ in range(2 + random.randrange(5))]
    if one_in(random, 2):
        drawn.sort(reverse=True)
    return placed([(order, 1) for order in drawn], FIRST_PFN)


def _plainest(abilities: Abilities) -> tuple[Mapping, ...]:
    """One mapping of up to four compound pages, of the lowest order that the candidate has."""
    kind = "base" if "base" in abilities.kinds else min(abilities.kinds)
    order = min(abilities.makes(kind))
    count = min(4, abilities.room.get(kind, UNBOUNDED) >> order)
    return (Mapping("a", kind, placed([(order, count)], align_up(FIRST_PFN, order))),)


def _generated(random: Random, semantics: Semantics, abilities: Abilities) -> list[Mapping]:
    """Up to MAX_MAPPINGS random mappings; together they may exceed *abilities*."""
    mappings: list[Mapping] = []
    pfn = FIRST_PFN
    apart = abilities.mixes is not None
    for name in ascii_lowercase[: 1 + random.randrange(MAX_MAPPINGS)]:
        kind = among(random, KINDS)
        if kind not in abilities.kinds:
            continue
        max_pages = min(MAX_EXTENT_PAGES, abilities.room.get(kind, UNBOUNDED))
        orders = _draw_extents(random, semantics.orders[kind] & abilities.makes(kind), max_pages)
        if not orders:
            continue
        extents = _place(random, orders, pfn)
        refs = 2 + random.randrange(3) if one_in(random, 8) else 1
        mappings.append(Mapping(name, kind, extents, min(refs, abilities.refs)))
        pfn = max(e.stop for e in extents) + random.randrange(3) + apart
    return mappings


def _draw_extents(random: Random, allowed: frozenset[int], max_pages: int) -> list[tuple[int, int]]:
    """(order, number of compound pages) of each extent of a mapping; in a few, one extent is long.

    :param allowed: Orders to choose from.
    :param max_pages: Maximum number of pages of the long extent.
    """
    if len(allowed) == 1:
        (only,) = allowed
        count = 1 + random.randrange(min(MAX_EXTENTS, max(1, max_pages >> only)))
        if one_in(random, 12):
            count = 1 + random.randrange(max(1, max_pages >> only))
        return [(only, count)]
    weighted = HUGE_ORDERS if 18 in allowed else SMALL_ORDERS
    usable = [order for order in weighted if order in allowed]
    if not usable:
        return []
    runs = [(among(random, usable), 1) for _ in range(1 + random.randrange(MAX_EXTENTS))]
    if one_in(random, 3):
        # Largest first leaves no gaps, so ranges can cross all heads.
        runs.sort(reverse=True)
    if one_in(random, 25):
        runs[-1] = (runs[-1][0], 1 + random.randrange(max(1, max_pages >> runs[-1][0])))
    return runs


def _place(random: Random, orders: list[tuple[int, int]], pfn: int) -> tuple[Extent, ...]:
    """Extents for pairs (order, count): at rising, falling or scattered frames from *pfn* on."""
    style = random.randrange(8)
    first = align_up(pfn, orders[0][0])
    if style < 5:
        # If the last extent ends aligned to the largest order, rising orders leave no gaps.
        extents = placed(orders, first)
        if style > 2:
            top = max(order for order, _ in orders)
            size = sum(count << order for order, count in orders)
            start = align_up(pfn + size, top) - size
            if start % (1 << orders[0][0]) == 0:
                extents = placed(orders, start)
        return extents
    falling = placed(reversed(orders), align_up(pfn, orders[-1][0]))[::-1]
    if style < 7:
        return falling
    spread = []
    at = pfn
    for order, count in orders:
        at = align_up(at + random.randrange(8), order)
        spread.append(Extent(at, order, count))
        at = spread[-1].stop
    shuffled = []
    while spread:
        shuffled.append(spread.pop(random.randrange(len(spread))))
    return tuple(shuffled)


def _windows(random: Random, semantics: Semantics, captured: Sequence[Mapping]) -> list[Mapping]:
    """Up to MAX_MAPPINGS windows of *captured* that do not overlap."""
    mappings: list[Mapping] = []
    for name in ascii_lowercase[: 1 + random.randrange(MAX_MAPPINGS)]:
        source = among(random, captured)
        extents = _window(random, source.extents)
        kind = _kind_with_orders(source.kind, extents, semantics)
        taken = [e for m in mappings for e in m.extents]
        if kind and overlap([*taken, *extents]) is None:
            mappings.append(Mapping(name, kind, extents))
    return mappings


def _window(random: Random, extents: tuple[Extent, ...]) -> tuple[Extent, ...]:
    """A few neighbouring compound pages of *extents*, at their captured frames."""
    want = 1 + random.randrange(8 if one_in(random, 4) else MAX_EXTENTS)
    at = random.randrange(len(extents))
    skip = random.randrange(extents[at].count)
    found = []
    while want and at < len(extents):
        extent = extents[at]
        count = min(want, extent.count - skip)
        start = extent.pfn + (skip << extent.order)
        found.append(Extent(start, extent.order, count))
        want -= count
        skip = 0
        at += 1
    return tuple(found)


def _kind_with_orders(kind: str, extents: Sequence[Extent], semantics: Semantics) -> str:
    """*kind*, or another kind that *semantics* allows in the orders of *extents*; "" if none."""
    orders = {extent.order for extent in extents}
    kinds = (kind, "driver", "hugetlb")
    return next((other for other in kinds if orders <= semantics.orders[other]), "")
