# SPDX-License-Identifier: MIT

"""Ways to make a program smaller: other pages, joined pins, plainer lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.mapping import FIRST_PFN, Extent, Mapping, default_pfn, placed
from model.pagelist import Group, PageList, Slice, from_entries
from properties.reduce.cut import ALL, HANDLES, PLAIN, cut, inside, with_lists


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from model.program import Program
    from model.step import Step

    #: It proposes a program, and is sent back the one that it became if that
    #: fails too, or None.
    Pass = Generator[Program, Program | None, None]


# Changing what pages there are.


def without_compound(program: Program, name: str, start: int, stop: int) -> Iterator[Program]:
    """*program* without compound pages *start* to *stop* of mapping *name*."""
    mapping = next(m for m in program.mappings if m.name == name)
    front = compound(mapping.extents, 0, start)
    middle = compound(mapping.extents, start, stop)
    back = compound(mapping.extents, stop, mapping.ncompound)
    lo = npages(front)
    gone = {name: [(lo, lo + npages(middle))]}
    others = [m for m in program.mappings if m.name != name]
    if not front and not back:
        if others:
            yield cut(program, {name: ALL}, others)
        return
    smaller = evolve(mapping, extents=(*front, *back))
    yield from placements(cut(program, gone, with_mapping(program, smaller)))


def lower_order(program: Program, name: str, index: int, order: int) -> Iterator[Program]:
    """*program* with compound page *index* of mapping *name* cut down to *order*.

    Its first pages stay, or else its last, or those around the first that is named.
    """
    mapping = next(m for m in program.mappings if m.name == name)
    front = compound(mapping.extents, 0, index)
    (page,) = compound(mapping.extents, index, index + 1)
    back = compound(mapping.extents, index + 1, mapping.ncompound)
    kind = mapping.kind
    if order not in program.semantics.orders[kind]:
        kind = "driver"
    lo = npages(front)
    hi = lo + (1 << page.order)
    left = 1 << order
    smaller = evolve(mapping, kind=kind, extents=(*front, Extent(page.pfn, order, 1), *back))
    around = max(_first_named(program, name, lo, hi) - 1, lo)
    for start in dict.fromkeys((lo, hi - left, min(around, hi - left), min(around + 1, hi - left))):
        gone = [(a, b) for a, b in ((lo, start), (start + left, hi)) if a < b]
        yield from placements(cut(program, {name: gone}, with_mapping(program, smaller)))


def _first_named(program: Program, name: str, lo: int, hi: int) -> int:
    """The first page of *name* from *lo* to *hi* that some slice holds; *lo* if none does."""
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


def placements(program: Program) -> Iterator[Program]:
    """*program* with its frames where they would lie unasked, and as they are."""
    yield replaced(program)
    yield program


def replaced(program: Program) -> Program:
    """*program* with every mapping's frames where they would lie unasked."""
    mappings: list[Mapping] = []
    end = FIRST_PFN - 1
    for mapping in program.mappings:
        orders = [(e.order, e.count) for e in mapping.extents]
        pfn = default_pfn(end, (order for order, _ in orders))
        mappings.append(evolve(mapping, extents=placed(orders, pfn)))
        end = mappings[-1].stop
    return evolve(program, mappings=tuple(mappings))


def with_mapping(program: Program, mapping: Mapping) -> list[Mapping]:
    """The mappings of *program*, with *mapping* in the place of the one of its name."""
    return [mapping if m.name == mapping.name else m for m in program.mappings]


def compound(extents: Sequence[Extent], start: int, stop: int) -> list[Extent]:
    """Compound pages *start* to *stop* of *extents*."""
    found = []
    for extent in extents:
        first, last = max(start, 0), min(stop, extent.count)
        if first < last:
            pfn = extent.pfn + (first << extent.order)
            found.append(Extent(pfn, extent.order, last - first))
        start -= extent.count
        stop -= extent.count
    return found


def npages(extents: Iterable[Extent]) -> int:
    """Pages of all *extents* together."""
    return sum(e.count << e.order for e in extents)


# Joining and renaming.


def join_pins(program: Program, first: int, second: int) -> Program | None:
    """*program* with the pin of step *second* made a part of the one of step *first*."""
    a: Any = program.steps[first]
    b: Any = program.steps[second]
    if type(a) is not type(b) or not isinstance(a, HANDLES):
        return None
    both = PageList((*a.pages.terms, *b.pages.terms))
    if a.handle in b.pages.names() or len(both) > PLAIN:
        return None
    made = evolve(a, pages=plain(both))
    moved = [
        renamed(step, b.handle, a.handle, len(a.pages))
        for i, step in enumerate(program.steps)
        if i > first and i != second
    ]
    return evolve(program, steps=(*program.steps[:first], made, *moved), lines=())


def repoint(program: Program, first: int, second: int) -> Program | None:
    """*program* without the pin of step *second*, its uses turned to step *first*'s."""
    a: Any = program.steps[first]
    b: Any = program.steps[second]
    if not (isinstance(a, HANDLES) and isinstance(b, HANDLES)):
        return None
    steps = [
        renamed(step, b.handle, a.handle, 0) for i, step in enumerate(program.steps) if i != second
    ]
    return evolve(program, steps=tuple(steps), lines=())


def renamed(step: Step, name: str, to: str, shift: int) -> Step:
    """*step* with the pages of *name* taken from *to*, *shift* further on."""

    def moved(term: Slice) -> Slice:
        if term.name != name:
            return term
        r = term.indices
        return Slice(to, range(r.start + shift, r.stop + shift, r.step), term.times)

    def change(pages: PageList) -> PageList:
        if name not in pages.names():
            return pages
        terms = tuple(
            evolve(t, slices=tuple(map(moved, t.slices))) if isinstance(t, Group) else moved(t)
            for t in pages.terms
        )
        return plain(PageList(terms)) if len(pages) <= PLAIN else PageList(terms)

    return with_lists(step, change)


def plain(pages: PageList) -> PageList:
    """*pages* written anew, as shortly as can be without groups."""
    entries = list(pages.entries()) if len(pages) <= PLAIN else []
    return from_entries(entries) if entries else pages
