# SPDX-License-Identifier: MIT

"""Passes for programs in which a refcount comes near 2^31."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from attrs import evolve

from model.errors import BadInput
from model.mapping import FIRST_PFN, MAX_REFS, Mapping, placed
from model.pagelist import PageList, Slice, span
from model.program import Program
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT
from properties.reduce.lists import CannotRewrite, with_pages
from properties.reduce.proposals import Proposals
from properties.reduce.remove import with_step, without_entries, without_steps
from properties.reduce.standing import get_step

#: Steps that take at least this many plain references count as bringing a refcount near 2^31.
MIN_REFERENCES_NEAR_LIMIT = 1 << 20


def at_limit(program: Program) -> Proposals:
    """Let the last step name one page twice, after a step that leaves room for one reference to it.

    A call with a slow path pins or references the page once and fails the second time. No other
    pass drops all other steps and adds such a step in a single proposal.
    """
    last = program.steps[-1]
    if not last.slow_path:
        return
    twice = with_pages(last, PageList((Slice("a", range(1), times=2),)))
    exact = program.semantics.exact_order
    # If a compound page of the program has a pincount, also try one of the lowest such order.
    counted = any(e.order >= exact for mapping in program.mappings for e in mapping.extents)
    for order in (0, exact) if counted else (0,):
        page = Mapping("a", "driver" if order else "base", placed([(order, 1)], FIRST_PFN))
        fill = get_step(span("a", 0, 1), MAX_REFS - page.refs)
        if (yield evolve(program, mappings=(page,), steps=(fill, twice), lines=())):
            return


def keep_near_limit(program: Program) -> Proposals:
    """Drop steps or entries; the step that brings a refcount near 2^31 takes as many more."""
    for index, step in enumerate(program.steps):
        filling: Any = step
        if not step.gets or getattr(step, "n", 0) < MIN_REFERENCES_NEAR_LIMIT:
            continue
        total = _total(program, filling)
        for smaller in _smaller(program, index):
            left = _total(smaller, filling)
            n = filling.n + total - left
            if total and left and 0 < n < COUNT_LIMIT:
                at = list(smaller.steps).index(filling)
                if (yield with_step(smaller, at, evolve(filling, n=n))):
                    return


def _smaller(program: Program, index: int) -> Iterator[Program]:
    """For each step but step *index*: *program* without it, or with fewer pages in its list."""
    last = len(program.steps) - 1
    for other, step in enumerate(program.steps):
        if other == index:
            continue
        if other < last:
            yield without_steps(program, other, other + 1)
        if step.binds_handle or step.pins:
            length = step.npages_named
            for kept in dict.fromkeys((1, 2, 3, length // 2, length - 1)):
                if 0 < kept < length:
                    with suppress(CannotRewrite):
                        yield without_entries(program, other, kept, length)
            with suppress(CannotRewrite):
                yield without_entries(program, other, 0, length - 1)


def _total(program: Program, filling: Any) -> int:
    """The final refcount of the head that step *filling* brings near 2^31.

    Assumes that the last step gets all references that it asks for. 0 if *program* breaks the
    contract.
    """
    try:
        ledger = Ledger.after(program, program.steps[:-1])
        head = ledger.head(filling.pages.resolve(ledger.table)[0])
        total = ledger.held(head).total
        last: Any = program.steps[-1]
        if last.binds_handle or last.pins:
            each = 1 if last.gets else ledger.each(head)
            total += each * ledger.counts(next(last.lists()).resolve(ledger.table)).get(head, 0)
    except BadInput:
        return 0
    return total
