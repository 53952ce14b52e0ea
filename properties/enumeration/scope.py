# SPDX-License-Identifier: MIT

"""A scope is all programs within bounds; this makes "none of them fails" a precise statement."""

from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Any

from attrs import evolve, field, frozen

from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.memfd import FILE_KINDS
from model.program import Program
from model.semantics import DEFAULT, Semantics
from model.step import MAX_SEGMENT, Need, shown
from model.steps import STEPS, Pin

#: The calls of a scope, unless the scope is given others.
CALLS = tuple(call for call, cls in STEPS.items() if cls.enumerated)

#: The values of arguments that are neither pages nor booleans, unless the scope is given others.
DEFAULT_VALUES: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "max_segment": (MAX_SEGMENT,),
    "nmap": (None,),
    "append_fails": (None,),
    "npages": (None,),
    "race": ("entry",),
    "max_folios": (None,),
}

#: `one_step_less` allows lists of up to this many pages even if its *scope* does not.
MIN_LISTED = 3

#: The value for "no bound": larger than any list or layout of a scope.
UNBOUNDED = 1 << 20


@frozen
class Scope:
    """All programs within these bounds.

    :param steps: Maximum number of steps.
    :param compound: Maximum number of compound pages; they are side by side in one mapping.
    :param order: Highest order.
    :param listed: Maximum number of pages in one list, repeats included.
    :param frames: Maximum number of pages of the mapping.
    :param named: Maximum number of pages in all lists together.
    :param calls: The calls that steps may have.
    :param values: For each argument that is neither pages nor boolean, the values it may have.
    :param refs: The values that *refs* of the mapping may have.
    :param kind: The kind of the mapping.
    :param mappings: If given, the only layouts, one mapping each; other layouts do not count.
    :param merged: Layouts of at most this many pages may also have orders above *order*.
    :param plain: Those of *calls* in whose steps every argument has its default value, if any.
    """

    steps: int
    compound: int
    order: int
    listed: int
    frames: int = UNBOUNDED
    named: int = UNBOUNDED
    calls: tuple[str, ...] = CALLS
    values: dict[str, tuple[Any, ...]] = field(factory=DEFAULT_VALUES.copy)
    refs: tuple[int, ...] = (1,)
    kind: str = "driver"
    semantics: Semantics = DEFAULT
    mappings: tuple[Mapping, ...] = ()
    merged: int = 0
    plain: frozenset[str] = frozenset()

    def text(self) -> str:
        """The bounds, in words for a report."""
        frames = f" and {self.frames} pages in all" if self.frames < UNBOUNDED else ""
        named = f", {self.named} in all lists" if self.named < UNBOUNDED else ""
        return (
            f"at most {_count(self.steps, 'step')}, {_count(self.compound, 'compound page')} of "
            f"order {self.order} or less{frames}, {_count(self.listed, 'page')} in a list{named}"
        )

    @property
    def highest(self) -> int:
        """The highest order that a layout of the scope may have."""
        return max(self.order, self.merged.bit_length() - 1)

    def layouts(self) -> Iterator[Mapping]:
        """The layouts, one mapping each: fewest compound pages first, then lowest sum of orders."""
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


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _placements(orders: tuple[int, ...], kind: str, refs: int) -> Iterator[Mapping]:
    """Mappings of *orders*, one for each way that alignment leaves gaps between compound pages."""
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


def scope_of(program: Program) -> Scope:
    """The scope of the programs within the size of *program*, with its calls and argument values.

    The bounds are *program*'s numbers of steps, compound pages and named pages, its highest order
    and its longest list. Steps may also call pin_user_pages, and arguments may have their default
    values. One compound page of a higher order may replace several compound pages. The mapping is
    of a file if a step needs one.
    """
    files = any(step.needs is Need.FILE for step in program.steps)
    kinds = [m.kind for m in program.mappings if files and m.kind in FILE_KINDS]
    values = DEFAULT_VALUES.copy()
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
        kind=next(iter(kinds), "driver"),
        semantics=program.semantics,
    )


def with_every_call(scope: Scope, calls: Iterable[str]) -> Scope:
    """*scope* with all of *calls*; those that are new in it have default values of arguments.

    Another call may do the work of one or several of the scope's own, as ``ib_umem_get()`` does
    that of ``pin_user_pages()`` and of making a region.
    """
    new = [call for call in calls if call not in scope.calls]
    return evolve(scope, calls=(*scope.calls, *new), plain=frozenset(new))


def one_step_less(scope: Scope) -> Scope:
    """*scope* with one step less, and no bound on the pages of all lists together.

    Repeats in a list may have the effect of the missing step, and a program with fewer steps is
    smaller however many pages it names.
    """
    return evolve(
        scope,
        steps=scope.steps - 1,
        compound=max(scope.compound, 2),
        listed=max(scope.listed, MIN_LISTED),
        named=UNBOUNDED,
        merged=max(scope.merged, 2),
    )
