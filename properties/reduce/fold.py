# SPDX-License-Identifier: MIT

"""Passes that let pages stand for others, before those go.

Cutting alone is stuck where two things have to change at once: a list that
must stay long on a page that may be small, a count that must stay near 2^31.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.errors import BadInput
from model.mapping import Extent
from model.pagelist import PageList, from_entries, span
from model.steps import AllocPages, GetPage, GetUserPages, IbUmemGet
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT
from properties.reduce.cut import (
    HANDLES,
    PLAIN,
    CannotCut,
    cut,
    with_lists,
    without_entries,
    without_steps,
)
from properties.reduce.rewrite import compound, npages, placements, with_mapping, without_compound


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model.mapping import Mapping
    from model.program import Program
    from model.step import Step
    from properties.reduce.rewrite import Pass

#: Fewer plain references at once than these are not there to reach `COUNT_LIMIT`.
MANY = 1 << 20

#: Compound pages beyond so many are left alone.
MOST = 8


def renamed(program: Program, name: str, change: Callable[[int], int]) -> Program | None:
    """*program* with page *i* of mapping *name* turned to page ``change(i)``."""

    def changed(pages: PageList) -> PageList:
        if name not in pages.names():
            return pages
        entries = [(n, change(i) if n == name else i) for n, i in pages.entries()]
        return from_entries(entries) if entries else pages

    steps: list[Step] = []
    for step in program.steps:
        if step.npages_named > PLAIN:
            return None
        steps.append(step if isinstance(step, AllocPages) else with_lists(step, changed))
    return evolve(program, steps=tuple(steps), lines=())


def merge(program: Program) -> Pass:
    """Let one compound page stand for another, which goes."""
    for mapping in program.mappings:
        most = min(mapping.ncompound, MOST)
        for x in range(most - 1, -1, -1):
            for y in range(most):
                for smaller in _merged(program, mapping, x, y) if x != y else ():
                    if (yield smaller):
                        return


def _merged(program: Program, mapping: Mapping, x: int, y: int) -> Iterator[Program]:
    lo, hi = _bounds(mapping, x)
    first, stop = _bounds(mapping, y)
    last = stop - first - 1
    named = renamed(
        program, mapping.name, lambda i: first + min(i - lo, last) if lo <= i < hi else i
    )
    if named is not None:
        yield from without_compound(named, mapping.name, x, x + 1)


def clamp(program: Program) -> Pass:
    """Lower an order, and let the pages that stay stand for those that go."""
    for mapping in program.mappings:
        for index in range(min(mapping.ncompound, MOST)):
            (page,) = compound(mapping.extents, index, index + 1)
            for lower in range(min(page.order, 3)):
                for smaller in _clamped(program, mapping, index, lower):
                    if (yield smaller):
                        return


def _clamped(program: Program, mapping: Mapping, index: int, lower: int) -> Iterator[Program]:
    lo, hi = _bounds(mapping, index)
    stop = lo + (1 << lower)
    named = renamed(program, mapping.name, lambda i: min(i, stop - 1) if lo <= i < hi else i)
    if named is None:
        return
    (page,) = compound(mapping.extents, index, index + 1)
    kind = mapping.kind if lower in program.semantics.orders[mapping.kind] else "driver"
    front = compound(mapping.extents, 0, index)
    back = compound(mapping.extents, index + 1, mapping.ncompound)
    less = evolve(mapping, kind=kind, extents=(*front, Extent(page.pfn, lower, 1), *back))
    whole = span(mapping.name, lo, hi)
    for orders in dict.fromkeys(((0,) * (1 << lower), (lower,))):
        again = tuple(
            evolve(step, pages=span(mapping.name, lo, stop), orders=orders)
            if isinstance(step, AllocPages) and step.pages == whole
            else step
            for step in named.steps
        )
        shorter = cut(
            evolve(named, steps=again), {mapping.name: [(stop, hi)]}, with_mapping(program, less)
        )
        yield from placements(shorter)


def _bounds(mapping: Mapping, index: int) -> tuple[int, int]:
    """The first page of compound page *index* of *mapping*, and the one after its last."""
    lo = npages(compound(mapping.extents, 0, index))
    return lo, lo + npages(compound(mapping.extents, index, index + 1))


def closer(program: Program) -> Pass:
    """Leave references out and take as many plain ones, where a count nears 2^31."""
    for index, step in enumerate(program.steps):
        if not isinstance(step, GetPage) or step.n < MANY:
            continue
        total = _total(program, step)
        for smaller in _fewer(program, index):
            fewer = _total(smaller, step)
            near = step.n + total - fewer
            if total and fewer and 0 < near < COUNT_LIMIT:
                steps = [evolve(s, n=near) if s == step else s for s in smaller.steps]
                if (yield evolve(smaller, steps=tuple(steps))):
                    return


def _fewer(program: Program, index: int) -> Iterator[Program]:
    """*program* with a step less, or with fewer pages in one, but for step *index*."""
    last = len(program.steps) - 1
    for other in range(last + 1):
        if other == index:
            continue
        if other < last:
            yield without_steps(program, other, other + 1)
        step = program.steps[other]
        if isinstance(step, (*HANDLES, IbUmemGet)):
            length = len(step.pages)
            for fewer in dict.fromkeys((1, 2, 3, length // 2, length - 1)):
                if 0 < fewer < length:
                    try:
                        yield without_entries(program, other, fewer, length)
                    except CannotCut:
                        continue


def _total(program: Program, step: GetPage) -> int:
    """What its head's count would be after *program*, if its last step took all that it asks for.

    0 if it has no sense.
    """
    try:
        ledger = Ledger.after(program, program.steps[:-1])
        head = ledger.head(step.pages.resolve(ledger.table)[0])
        total = ledger.held(head).total
        last = program.steps[-1]
        if isinstance(last, (*HANDLES, IbUmemGet)):
            each = 1 if isinstance(last, GetUserPages) else ledger.each(head)
            runs = ledger.runs(last.pages.resolve(ledger.table))
            total += sum(each * entries for of, entries in runs if of == head)
    except BadInput:
        return 0
    return total
