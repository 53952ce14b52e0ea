# SPDX-License-Identifier: MIT

"""The pass that lets a pin step's list repeat one or two pages, so that other pages can go."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, cycle, islice
from typing import Any

from attrs import evolve

from model.pagelist import from_entries
from model.program import Program
from model.step import MAX_SEGMENT, Step
from properties.reduce.lists import MAX_PAGES_REWRITTEN, plain, rising, with_lists, with_pages
from properties.reduce.mappings import without_compound
from properties.reduce.proposals import Proposals
from properties.reduce.remove import with_step

#: From mappings of more than this many compound pages, `repeat` removes none.
MAX_COMPOUND_SCANNED = 1024

#: For lists of more pages than this, `repeat` also tries lists in which only the last page differs.
MAX_SHORT_LIST = 8


def repeat(program: Program) -> Proposals:
    """Let a pin step's list repeat one or two pages; remove compound pages that no list names.

    The list keeps its length, because some calls fail only on a long list. Lists of the pages
    that the step makes a handle of name them in order.
    """
    for index, step in enumerate(program.steps):
        if (step.binds_handle or step.pins) and 1 < step.npages_named <= MAX_PAGES_REWRITTEN:
            for changed in _repeated(step):
                other = with_step(program, index, changed)
                if step.binds_handle:
                    other = _in_order(other, step.makes)
                if (yield _only_named(other)):
                    return


def _repeated(step: Any) -> Iterator[Step]:
    """*step* with a list of the same length that repeats one or two of its pages."""
    pages = list(dict.fromkeys(next(step.lists()).entries()))
    length = step.npages_named
    # The first two pages are often in one compound page, the last one in another.
    first, last = pages[0], pages[-1]
    for turn in ([first], pages[:2], pages[1::-1], [first, last], [last, first]):
        changed: Any = with_pages(step, from_entries(list(islice(cycle(turn), length))))
        yield evolve(changed, max_segment=MAX_SEGMENT) if step.binds_umem else changed
    if length > MAX_SHORT_LIST:
        yield with_pages(step, from_entries([last] * length))
        # A call that takes a batch of pages at a time may fail on the last batch only.
        for tail in dict.fromkeys((pages[:2][-1], last)):
            yield with_pages(step, from_entries([*[first] * (length - 1), tail]))


def _in_order(program: Program, handle: str) -> Program:
    """*program* with each list of pages of *handle* in ascending order."""
    return evolve(
        program,
        steps=tuple(
            with_lists(step, lambda p: rising(p) if p.names() == {handle} else p)
            for step in program.steps
        ),
    )


def _only_named(program: Program) -> Program:
    """*program* without the compound pages that no list names."""
    for mapping in program.mappings:
        if mapping.ncompound > MAX_COMPOUND_SCANNED:
            continue
        ends = list(accumulate(1 << e.order for e in mapping.extents for _ in range(e.count)))
        named = {
            bisect_right(ends, index)
            for step in program.steps
            for pages in step.lists()
            for term in pages.slices()
            if term.name == mapping.name
            for index in term.indices
        }
        for nth in reversed(range(mapping.ncompound)):
            if nth not in named:
                program = next(without_compound(program, mapping.name, nth, nth + 1), program)
    return evolve(program, steps=tuple(with_lists(step, plain) for step in program.steps))
