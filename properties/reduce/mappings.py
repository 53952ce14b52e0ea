# SPDX-License-Identifier: MIT

"""Removes compound pages from the mappings of a program, or lowers their orders."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from attrs import evolve

from model.mapping import FIRST_PFN, Extent, Mapping, default_pfn, placed
from model.program import Program
from properties.reduce.lists import ALL, inside
from properties.reduce.remove import without_pages


def mapping_of(program: Program, name: str) -> Mapping:
    """The mapping of *program* called *name*."""
    return next(m for m in program.mappings if m.name == name)


def ncompound(program: Program, name: str) -> int:
    """Number of compound pages of the mapping called *name*; 0 if *program* has none."""
    return sum(m.ncompound for m in program.mappings if m.name == name)


def with_mapping(program: Program, mapping: Mapping) -> tuple[Mapping, ...]:
    """The mappings of *program*, with *mapping* replacing the one that has its name."""
    return tuple(mapping if m.name == mapping.name else m for m in program.mappings)


def _between(extents: Iterable[Extent], start: int, stop: int) -> list[Extent]:
    """Compound pages *start* to *stop* (exclusive) of *extents*."""
    found = []
    for extent in extents:
        first, last = max(start, 0), min(stop, extent.count)
        if first < last:
            pfn = extent.pfn + (first << extent.order)
            found.append(Extent(pfn, extent.order, last - first))
        start -= extent.count
        stop -= extent.count
    return found


def split_at(mapping: Mapping, start: int, stop: int) -> list[list[Extent]]:
    """The extents before, of and after *mapping*'s compound pages *start* to *stop* (exclusive)."""
    bounds = pairwise((0, start, stop, mapping.ncompound))
    return [_between(mapping.extents, first, last) for first, last in bounds]


def npages(extents: Iterable[Extent]) -> int:
    """The number of pages of *extents*."""
    return sum(e.count << e.order for e in extents)


def pages_of(mapping: Mapping, index: int) -> tuple[int, int]:
    """The first position of compound page *index* of *mapping*, and the position after its last."""
    front, page, _ = split_at(mapping, index, index + 1)
    start = npages(front)
    return start, start + npages(page)


def placements(program: Program) -> Iterator[Program]:
    """Yield *program* with every mapping at its default frames, then *program* unchanged."""
    yield at_default_frames(program)
    yield program


def at_default_frames(program: Program) -> Program:
    """*program* with every mapping at its default frames, as in a trace without ``pfn=``."""
    mappings: list[Mapping] = []
    end = FIRST_PFN - 1
    for mapping in program.mappings:
        orders = [(e.order, e.count) for e in mapping.extents]
        pfn = default_pfn(end, (order for order, _ in orders))
        mappings.append(evolve(mapping, extents=placed(orders, pfn)))
        end = mappings[-1].stop
    return evolve(program, mappings=tuple(mappings))


def without_compound(program: Program, name: str, start: int, stop: int) -> Iterator[Program]:
    """*program* without compound pages *start* to *stop* (exclusive) of mapping *name*.

    Yields this at default frames, then at its own frames; nothing if no mapping would be left.
    """
    mapping = mapping_of(program, name)
    front, middle, back = split_at(mapping, start, stop)
    if not front and not back:
        others = [m for m in program.mappings if m.name != name]
        if others:
            yield evolve(without_pages(program, {name: ALL}), mappings=tuple(others))
        return
    lo = npages(front)
    gone = {name: [(lo, lo + npages(middle))]}
    smaller = with_mapping(program, evolve(mapping, extents=(*front, *back)))
    yield from placements(evolve(without_pages(program, gone), mappings=smaller))


def with_order(program: Program, name: str, index: int, order: int) -> Iterator[Program]:
    """*program* with compound page *index* of mapping *name* lowered to *order*.

    Yields programs that keep the first pages of the compound page, its last pages, or those
    around the first page that a step names.
    """
    mapping = mapping_of(program, name)
    lo, hi = pages_of(mapping, index)
    left = 1 << order
    around = max(_first_named(program, name, lo, hi) - 1, lo)
    for start in dict.fromkeys((lo, hi - left, min(around, hi - left), min(around + 1, hi - left))):
        gone = {name: [(a, b) for a, b in ((lo, start), (start + left, hi)) if a < b]}
        smaller = with_mapping(program, lowered(program, mapping, index, order, start + left == hi))
        yield from placements(evolve(without_pages(program, gone), mappings=smaller))


def lowered(
    program: Program, mapping: Mapping, index: int, order: int, last: bool = False
) -> Mapping:
    """*mapping* with compound page *index* lowered to *order*.

    The mapping becomes one of kind driver if pages of its own kind cannot have *order*.

    :param last: Whether the last pages stay; they stay contiguous with the next compound page.
    """
    kind = mapping.kind if order in program.semantics.orders[mapping.kind] else "driver"
    front, (page,), back = split_at(mapping, index, index + 1)
    touching = last and back and back[0].pfn == page.stop
    pfn = page.stop - (1 << order) if touching else page.pfn
    return evolve(mapping, kind=kind, extents=(*front, Extent(pfn, order, 1), *back))


def _first_named(program: Program, name: str, lo: int, hi: int) -> int:
    """The lowest position at which a slice of *name* enters pages *lo* to *hi*, else *lo*."""
    firsts = [
        term.indices[start]
        for step in program.steps
        for pages in step.lists()
        for term in pages.slices()
        if term.name == name
        for start, stop in [inside(term.indices, (lo, hi))]
        if start < stop
    ]
    return min(firsts, default=lo)
