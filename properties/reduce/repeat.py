# SPDX-License-Identifier: MIT

"""Passes that let a list name one page, or two by turns, over and over, so that others can go."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.pagelist import from_entries
from model.step import MAX_SEGMENT
from model.steps import IbUmemGet
from properties.reduce.cut import HANDLES, PLAIN, with_lists
from properties.reduce.fold import clamp
from properties.reduce.rewrite import plain, without_compound


if TYPE_CHECKING:
    from collections.abc import Generator

    from model.program import Program
    from properties.reduce.rewrite import Pass

#: Mappings of more compound pages are left to other passes.
MOST = 1024

#: Lists of more entries are long; of so many of them each is tried.
LONG, FEW = 32, 4


def repeat_one(program: Program) -> Pass:
    """Let a list that pins name its first page alone."""
    for index, step in enumerate(program.steps):
        if isinstance(step, (*HANDLES, IbUmemGet)) and 1 < len(step.pages) <= PLAIN:
            smaller = _listing(program, index, [next(step.pages.entries())])
            if (yield smaller):
                return
            for mapping in program.mappings:
                for only in _only_first(smaller, mapping.name):
                    answer = yield only
                    if answer:
                        return
            folded = clamp(smaller)
            for less in folded:
                if (yield less):
                    return


def repeat_two(program: Program) -> Pass:
    """Let a list that pins go to and fro between two of its pages, with no others about."""
    for index, step in enumerate(program.steps):
        if isinstance(step, (*HANDLES, IbUmemGet)) and 2 < len(step.pages) <= PLAIN:
            first, *others = dict.fromkeys(step.pages.entries())
            # The next, and the last: pages side by side may be of one compound page.
            for other in dict.fromkeys((others[0], others[-1])) if len(others) > 1 else ():
                for pages in ([first, other], [other, first]):
                    if (yield _only_named(_listing(program, index, pages))):
                        return


def repeat_most(program: Program) -> Pass:
    """Let a long list name one page until near its end, and then those that follow it."""
    for index, step in enumerate(program.steps):
        if not isinstance(step, (*HANDLES, IbUmemGet)) or not LONG < len(step.pages) <= PLAIN:
            continue
        entries = list(step.pages.entries())
        if len(set(entries)) <= FEW:
            continue
        name, page = entries[0]
        # From the first page of its compound page on, so that its order can go down.
        page = max((start for start, _ in _spans(program, name) if start <= page), default=page)
        for left in range(1, FEW + 1):
            for kept in ([(name, page + n) for n in range(left + 1)], entries[-left - 1 :]):
                most = [kept[0]] * (len(entries) - left)
                smaller = _only_named(_with(program, index, [*most, *kept[1:]]))
                for less in chain([smaller], clamp(smaller)):
                    if (yield less):
                        return


def _listing(program: Program, index: int, pages: list[tuple[str, int]]) -> Program:
    """*program* with as many entries in the list of step *index*, *pages* in turn."""
    step: Any = program.steps[index]
    entries = [pages[at % len(pages)] for at in range(len(step.pages))]
    more = {"max_segment": MAX_SEGMENT} if isinstance(step, IbUmemGet) else {}
    return _with(program, index, entries, **more)


def _with(program: Program, index: int, entries: list[tuple[str, int]], **more: Any) -> Program:
    """*program* with *entries* for the list of step *index*, and *more* of its fields."""
    step: Any = program.steps[index]
    changed = evolve(step, pages=from_entries(entries), **more)
    return evolve(program, steps=(*program.steps[:index], changed, *program.steps[index + 1 :]))


def _only_first(program: Program, name: str) -> Generator[Program, None, None]:
    """*program* with one compound page of *name*, the first that a list names."""
    named = _named(program, name)
    if True in named and len(named) > 1:
        nth = named.index(True)
        for after in without_compound(program, name, nth + 1, len(named)):
            yield from without_compound(after, name, 0, nth) if nth else [after]


def _only_named(program: Program) -> Program:
    """*program* without the compound pages that no list names."""
    for name in [mapping.name for mapping in program.mappings]:
        named = _named(program, name)
        for nth in reversed(range(len(named))):
            if not named[nth]:
                program = next(without_compound(program, name, nth, nth + 1), program)
    return evolve(program, steps=tuple(with_lists(step, plain) for step in program.steps))


def _named(program: Program, name: str) -> list[bool]:
    """Whether some list names it, for each compound page of mapping *name*; none if too many."""
    spans = _spans(program, name)
    if not spans:
        return []
    used = {i for s in program.steps for p in s.lists() for n, i in p.entries() if n == name}
    ordered = sorted(used)
    return [bisect_left(ordered, start) < bisect_left(ordered, stop) for start, stop in spans]


def _spans(program: Program, name: str) -> list[tuple[int, int]]:
    """First page and the one after the last of each compound page of mapping *name*, if few."""
    mapping = next((m for m in program.mappings if m.name == name), None)
    if mapping is None or mapping.ncompound > MOST:
        return []
    ends = accumulate(1 << e.order for e in mapping.extents for _ in range(e.count))
    return list(pairwise((0, *ends)))
