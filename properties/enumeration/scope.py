# SPDX-License-Identifier: MIT

"""A scope: all programs up to a bound, so that "none of them fails" means something."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.semantics import DEFAULT, Semantics
from model.step import MAX_SEGMENT, shown
from model.steps import STEPS, Pin


if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.program import Program

#: Calls whose programs are enumerated unless others are asked for.
CALLS = tuple(call for call, cls in STEPS.items() if cls.enumerated)

#: Values of the arguments that are neither pages nor yes or no, the plainest first.
PLAINEST: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "max_segment": (MAX_SEGMENT,),
    "nmap": (None,),
    "append_fails": (None,),
    "npages": (None,),
}

#: Pages that a list may name at least, to do what a step more would.
MORE = 3

#: No bound but the others.
UNBOUNDED = 1 << 20


@frozen
class Scope:
    """Every program with no more than this.

    :param steps: Steps.
    :param compound: Compound pages, side by side in one mapping.
    :param order: The highest order.
    :param listed: Pages that one list names, repeats included.
    :param frames: Pages of all compound pages together.
    :param named: Pages that all lists together name.
    :param calls: The calls.
    :param values: The values of other arguments than pages, yes and no.
    :param refs: How often each page is mapped at first.
    :param mappings: The only layouts, if given.
    :param merged: Compound pages of any order count as well, where all of them
        together have no more pages than this.
    """

    steps: int
    compound: int
    order: int
    listed: int
    frames: int = UNBOUNDED
    named: int = UNBOUNDED
    calls: tuple[str, ...] = CALLS
    values: dict[str, tuple[Any, ...]] = field(factory=PLAINEST.copy)
    refs: tuple[int, ...] = (1,)
    kind: str = "driver"
    semantics: Semantics = DEFAULT
    mappings: tuple[Mapping, ...] = ()
    merged: int = 0

    def text(self) -> str:
        """What is bounded, in words."""
        frames = f" and {self.frames} pages in all" if self.frames < UNBOUNDED else ""
        named = f", {self.named} in all lists" if self.named < UNBOUNDED else ""
        return (
            f"at most {_some(self.steps, 'step')}, {_some(self.compound, 'compound page')} of "
            f"order {self.order} or less{frames}, {_some(self.listed, 'page')} in a list{named}"
        )

    @property
    def highest(self) -> int:
        """The highest order there is at all."""
        return max(self.order, self.merged.bit_length() - 1)

    def layouts(self) -> Iterator[Mapping]:
        """The mappings: fewest compound pages first, then lowest orders."""
        if self.mappings:
            yield from self.mappings
            return
        allowed = self.semantics.orders[self.kind]
        orders = [order for order in range(self.highest + 1) if order in allowed]
        for count in range(1, self.compound + 1):
            for layout in sorted(product(orders, repeat=count), key=sum):
                pages = sum(1 << order for order in layout)
                if pages <= (self.frames if max(layout) <= self.order else self.merged):
                    for refs in self.refs:
                        yield from _placements(layout, self.kind, refs)


def _some(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _placements(orders: tuple[int, ...], kind: str, refs: int) -> Iterator[Mapping]:
    """Where *orders* may lie: with the gaps that alignment makes, or fewer of them."""
    runs = [(order, 1) for order in orders]
    top = 1 << max(orders)
    seen = set()
    for start in range(top):
        pfn = align_up(FIRST_PFN, max(orders)) + start
        if pfn % (1 << orders[0]):
            continue
        extents = placed(runs, pfn)
        gaps = tuple(b.pfn > a.stop for a, b in pairwise(extents))
        if gaps not in seen:
            seen.add(gaps)
            yield Mapping("a", kind, extents, refs)


def around(program: Program) -> Scope:
    """The scope that *program* itself is at the edge of.

    Its calls and its values, and the plainest beside them: no more steps,
    compound pages, pages in a list and pages in all lists than it has. Several
    compound pages may also be one of a higher order.
    """
    values = PLAINEST.copy()
    for step in program.steps:
        for a in shown(step):
            value = getattr(step, a.name)
            if a.name in values and value not in values[a.name]:
                values[a.name] = (*values[a.name], value)
    calls = dict.fromkeys((Pin.call, *(step.call for step in program.steps)))
    lists = [len(pages) for step in program.steps for pages in step.lists()]
    return Scope(
        steps=len(program.steps),
        compound=sum(m.ncompound for m in program.mappings),
        order=max(e.order for m in program.mappings for e in m.extents),
        listed=max(lists, default=0),
        merged=1 << (sum(m.npages for m in program.mappings) - 1).bit_length(),
        named=sum(lists),
        calls=tuple(calls),
        values=values,
        refs=tuple(dict.fromkeys((1, *(m.refs for m in program.mappings)))),
        semantics=program.semantics,
    )


def beside(scope: Scope) -> Scope:
    """The scope of fewer steps than *scope* has, that may name more pages in their lists.

    One step less is worth more than any number of pages: what took a step of its
    own to bring about may be had of a page that is named twice.
    """
    return evolve(
        scope,
        steps=scope.steps - 1,
        compound=max(scope.compound, 2),
        listed=max(scope.listed, MORE),
        named=UNBOUNDED,
        merged=max(scope.merged, 2),
    )
