# SPDX-License-Identifier: MIT

"""The pass that lets a list repeat few pages, so that all others can be removed."""

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import Any

from attrs import evolve

from model.pagelist import Entry, from_entries
from model.program import Program
from model.step import MAX_SEGMENT
from properties.reduce.lists import MAX_PAGES_REWRITTEN, plain, with_lists, with_pages
from properties.reduce.mappings import without_compound
from properties.reduce.proposals import Proposals
from properties.reduce.remove import with_step


#: Mappings of more compound pages than this are left to other passes.
MAX_COMPOUND_SCANNED = 1024


def repeat(program: Program) -> Proposals:
    """Let a list that is pinned repeat one page or two, and remove unnamed compound pages.

    The list keeps its length, because some calls fail only on a long list.
    """
    for index, step in enumerate(program.steps):
        if (step.binds_handle or step.pins) and 1 < step.npages_named <= MAX_PAGES_REWRITTEN:
            pages = list(dict.fromkeys(next(step.lists()).entries()))
            # The first two pages are often in one compound page, the last one in another.
            first, last = pages[0], pages[-1]
            for turn in ([first], pages[:2], pages[1::-1], [first, last], [last, first]):
                if (yield _only_named(_repeating(program, index, turn))):
                    return


def _repeating(program: Program, index: int, pages: list[Entry]) -> Program:
    """*program* with the list of step *index* filled with *pages*, one after the other."""
    step: Any = program.steps[index]
    entries = [pages[at % len(pages)] for at in range(step.npages_named)]
    changed: Any = with_pages(step, from_entries(entries))
    if step.binds_umem:
        changed = evolve(changed, max_segment=MAX_SEGMENT)
    return with_step(program, index, changed)


def _only_named(program: Program) -> Program:
    """*program* without the compound pages that no list names."""
    for name in [mapping.name for mapping in program.mappings]:
        named = _named(program, name)
        for nth in reversed(range(len(named))):
            if not named[nth]:
                program = next(without_compound(program, name, nth, nth + 1), program)
    return evolve(program, steps=tuple(with_lists(step, plain) for step in program.steps))


def _named(program: Program, name: str) -> list[bool]:
    """For each compound page of mapping *name*, whether a list names it; empty if too many."""
    spans = _spans(program, name)
    if not spans:
        return []
    used = {i for s in program.steps for p in s.lists() for n, i in p.entries() if n == name}
    ordered = sorted(used)
    return [bisect_left(ordered, start) < bisect_left(ordered, stop) for start, stop in spans]


def _spans(program: Program, name: str) -> list[tuple[int, int]]:
    """The pages (from, to) of each compound page of mapping *name*; empty if too many."""
    mapping = next((m for m in program.mappings if m.name == name), None)
    if mapping is None or mapping.ncompound > MAX_COMPOUND_SCANNED:
        return []
    ends = accumulate(1 << e.order for e in mapping.extents for _ in range(e.count))
    return list(pairwise((0, *ends)))
