# SPDX-License-Identifier: MIT

"""Passes that lower the orders of compound pages."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from attrs import evolve

from model.mapping import FIRST_PFN, Extent, Mapping, placed
from model.pagelist import PageList, from_entries, span
from model.program import Program
from model.step import Step, shown
from properties.reduce.lists import MAX_PAGES_REWRITTEN, with_lists
from properties.reduce.mappings import (
    at_default_frames,
    lowered,
    mapping_of,
    ncompound,
    npages,
    pages_of,
    placements,
    split_at,
    with_mapping,
    with_order,
    without_compound,
)
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import without_pages

#: `lower_orders` tries only this many compound pages, the first ones of each mapping.
MAX_COMPOUND_LOWERED = 64

#: `clamp`, `merge` and `lower_neighbours` try only this many compound pages, the first ones of
#: each mapping.
MAX_COMPOUND_CLAMPED = 8

#: Of all lower orders of a compound page, `lower_orders` tries those below this and the highest.
LOW_ORDERS = 4

#: `clamp` lowers compound pages to orders below this.
CLAMPED_ORDERS = 3

#: `lower_neighbours` leaves compound pages of orders above this to other passes.
MAX_ORDER_OF_NEIGHBOURS = 4


def lower_orders(program: Program) -> Proposals:
    """Lower the orders of compound pages, and drop the removed pages from all lists."""
    for name in [m.name for m in program.mappings]:
        index = 0
        while index < min(ncompound(program, name), MAX_COMPOUND_LOWERED):
            answer = yield from first_accepted(_lowered(program, name, index))
            program = answer or program
            if answer is None or not _order(mapping_of(program, name), index):
                index += 1


def _lowered(program: Program, name: str, index: int) -> Iterator[Program]:
    """*program* with compound page *index* of mapping *name* at each lower order, lowest first."""
    order = _order(mapping_of(program, name), index)
    low = min(order, LOW_ORDERS)
    for lower in (*range(low), *range(max(order - 1, low), order)):
        yield from with_order(program, name, index, lower)


def _order(mapping: Mapping, index: int) -> int:
    """The order of compound page *index* of *mapping*."""
    _, (page,), _ = split_at(mapping, index, index + 1)
    return page.order


def clamp(program: Program) -> Proposals:
    """Lower the order of a compound page; lists name its first or last page for removed pages.

    Lists keep their lengths, because some calls fail only on a long list.
    """
    yield from first_accepted(
        smaller
        for mapping in program.mappings
        for index in range(min(mapping.ncompound, MAX_COMPOUND_CLAMPED))
        for lower in range(min(_order(mapping, index), CLAMPED_ORDERS))
        for start in _starts(program, mapping, index, lower)
        for smaller in _clamped(program, mapping, index, lower, start)
    )


def _starts(program: Program, mapping: Mapping, index: int, lower: int) -> list[int]:
    """Where the pages begin that compound page *index* of *mapping* keeps at order *lower*.

    At its first page, or at one with which a list of the last two steps begins.
    """
    lo, hi = pages_of(mapping, index)
    firsts = (
        next(pages.slices())
        for step in program.steps[-2:]
        for pages in step.lists()
        if pages.names() == {mapping.name} and len(pages)
    )
    starts = (min(term.indices[0], hi - (1 << lower)) for term in firsts)
    return list(dict.fromkeys((lo, *(start for start in starts if lo <= start))))


def _clamped(
    program: Program, mapping: Mapping, index: int, lower: int, start: int
) -> Iterator[Program]:
    lo, hi = pages_of(mapping, index)
    stop = start + (1 << lower)

    def clamped(i: int) -> int:
        return max(start, min(i, stop - 1)) if lo <= i < hi else i

    named = _with_pages_of(program, mapping.name, clamped)
    if named is None:
        return
    mappings = with_mapping(program, lowered(program, mapping, index, lower))
    gone = {mapping.name: [(a, b) for a, b in ((lo, start), (stop, hi)) if a < b]}
    whole = span(mapping.name, lo, hi)
    steps: Sequence[Any] = named.steps
    for orders in dict.fromkeys(((0,) * (1 << lower), (lower,))):
        again: tuple[Any, ...] = tuple(
            evolve(step, pages=span(mapping.name, start, stop), orders=orders)
            if _has_orders(step) and next(step.lists()) == whole
            else step
            for step in steps
        )
        less = without_pages(evolve(named, steps=again), gone)
        yield from placements(evolve(less, mappings=mappings))


def merge(program: Program) -> Proposals:
    """Remove a compound page, and replace its pages in lists by pages of another compound page."""
    yield from first_accepted(
        smaller
        for mapping in program.mappings
        for gone in reversed(range(min(mapping.ncompound, MAX_COMPOUND_CLAMPED)))
        for stays in range(min(mapping.ncompound, MAX_COMPOUND_CLAMPED))
        if stays != gone
        for smaller in _merged(program, mapping, gone, stays)
    )


def _merged(program: Program, mapping: Mapping, gone: int, stays: int) -> Iterator[Program]:
    lo, hi = pages_of(mapping, gone)
    first, stop = pages_of(mapping, stays)
    named = _with_pages_of(
        program, mapping.name, lambda i: min(first + i - lo, stop - 1) if lo <= i < hi else i
    )
    if named is not None:
        yield from without_compound(named, mapping.name, gone, gone + 1)


def unite(program: Program) -> Proposals:
    """Replace all compound pages of a mapping by a single one; lists name the same positions.

    Some bugs need a page boundary, and not that two compound pages meet there.
    """
    for mapping in program.mappings:
        if mapping.ncompound > 1:
            order = (npages(mapping.extents) - 1).bit_length()
            one = evolve(mapping, kind="driver", extents=placed([(order, 1)], FIRST_PFN))
            united = evolve(program, mappings=with_mapping(program, one), lines=())
            program = (yield at_default_frames(united)) or program


def _has_orders(step: Step) -> bool:
    """Whether *step* has an argument for the orders of the compound pages that it makes."""
    return any(a.metadata["kind"] == "orders" for a in shown(step))


def _with_pages_of(program: Program, name: str, change: Callable[[int], int]) -> Program | None:
    """*program* whose lists name page ``change(i)`` of mapping *name* instead of each page ``i``.

    None if a step names more than MAX_PAGES_REWRITTEN pages.
    """
    if any(step.npages_named > MAX_PAGES_REWRITTEN for step in program.steps):
        return None

    def changed(pages: PageList) -> PageList:
        if name not in pages.names():
            return pages
        return from_entries([(n, change(i) if n == name else i) for n, i in pages.entries()])

    steps = [s if _has_orders(s) else with_lists(s, changed) for s in program.steps]
    return evolve(program, steps=tuple(steps), lines=())


def lower_neighbours(program: Program) -> Proposals:
    """Lower the sum of the orders of two neighbouring compound pages.

    The pages at their boundary are kept, because many bugs show there. The order of one of the
    two may rise if that of the other falls further.
    """
    if not any(step.regroups for step in program.steps):
        yield from first_accepted(
            smaller
            for mapping in program.mappings
            for index in range(min(mapping.ncompound, MAX_COMPOUND_CLAMPED) - 1)
            for smaller in _neighbours_lowered(program, mapping, index)
        )


def _neighbours_lowered(program: Program, mapping: Mapping, index: int) -> Iterator[Program]:
    front, middle, back = split_at(mapping, index, index + 2)
    left = middle[0]
    right = middle[-1]
    top = max(left.order, right.order)
    if top > MAX_ORDER_OF_NEIGHBOURS:
        return
    before = [(e.order, e.count) for e in front]
    after = [(e.order, e.count) for e in back]
    lo = npages(front)
    edge = lo + (1 << left.order)
    hi = edge + (1 << right.order)
    # The two are contiguous if one extent has both, or if the second begins where the first ends.
    touching = len(middle) == 1 or left.stop == right.pfn
    boundary = left.pfn + (1 << left.order)
    for p, q in sorted(product(range(top + 1), repeat=2), key=sum):
        if p + q >= left.order + right.order:
            return
        at = lo + (1 << p)
        stop = at + (1 << q)

        def change(i: int, at: int = at, stop: int = stop) -> int:
            if i < lo:
                return i
            if i < edge:
                return max(at - (edge - i), lo)
            return min(at + i - edge, stop - 1) if i < hi else stop + i - hi

        named = _with_pages_of(program, mapping.name, change)
        if named is None:
            return
        orders = [*before, (p, 1), (q, 1), *after]
        other = evolve(mapping, extents=placed(orders, mapping.extents[0].pfn))
        yield at_default_frames(evolve(named, mappings=with_mapping(named, other)))
        if touching and p <= left.order and q <= right.order:
            # Keep the frame at the boundary: then the two compound pages stay contiguous.
            pair = (Extent(boundary - (1 << p), p, 1), Extent(boundary, q, 1))
            other = evolve(mapping, extents=(*front, *pair, *back))
            yield evolve(named, mappings=with_mapping(named, other))
