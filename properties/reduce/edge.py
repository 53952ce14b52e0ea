# SPDX-License-Identifier: MIT

"""The pass that keeps what is next to an edge, whatever compound pages meet there.

Much goes wrong where one compound page ends and another begins. Neither can be
lowered alone if one of them must be of some order and the other can be of any:
then the lower one has to come after the edge and not before it, or the other
way about.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from attrs import evolve

from model.mapping import Extent, placed
from model.steps import AllocPages, SplitHugePage
from properties.reduce.fold import MOST, renamed
from properties.reduce.rewrite import compound, npages, replaced, with_mapping


if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.mapping import Mapping
    from model.program import Program
    from properties.reduce.rewrite import Pass

#: Compound pages of higher orders are lowered by other passes first.
HIGHEST = 4


def edges(program: Program) -> Pass:
    """Put others in the place of two neighbours, that have lower orders together."""
    if any(isinstance(step, (AllocPages, SplitHugePage)) for step in program.steps):
        return
    for mapping in program.mappings:
        for index in range(min(mapping.ncompound, MOST) - 1):
            for smaller in _lower(program, mapping, index):
                if (yield smaller):
                    return


def _lower(program: Program, mapping: Mapping, index: int) -> Iterator[Program]:
    (left,) = compound(mapping.extents, index, index + 1)
    (right,) = compound(mapping.extents, index + 1, index + 2)
    top = max(left.order, right.order)
    if top > HIGHEST:
        return
    front = compound(mapping.extents, 0, index)
    before = [(e.order, e.count) for e in front]
    back = compound(mapping.extents, index + 2, mapping.ncompound)
    after = [(e.order, e.count) for e in back]
    lo = npages(front)
    edge = lo + (1 << left.order)
    hi = edge + (1 << right.order)
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

        named = renamed(program, mapping.name, change)
        if named is None:
            return
        orders = [*before, (p, 1), (q, 1), *after]
        other = evolve(mapping, extents=placed(orders, mapping.extents[0].pfn))
        yield replaced(evolve(named, mappings=tuple(with_mapping(named, other))))
        if left.stop == right.pfn and p <= left.order and q <= right.order:
            # They still meet, where a higher order after a lower one would leave a gap.
            pair = (Extent(right.pfn - (1 << p), p, 1), Extent(right.pfn, q, 1))
            other = evolve(mapping, extents=(*front, *pair, *back))
            yield evolve(named, mappings=tuple(with_mapping(named, other)))
