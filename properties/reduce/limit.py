# SPDX-License-Identifier: MIT

"""The pass that drops references while a count stays near 2^31."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.errors import BadInput
from model.program import Program
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT
from properties.reduce.lists import CannotRewrite
from properties.reduce.remove import with_step, without_entries, without_steps


if TYPE_CHECKING:
    from properties.reduce.passes import Proposals

#: A step that takes at least this many plain references brings a count near `COUNT_LIMIT`.
MIN_REFERENCES_NEAR_LIMIT = 1 << 20


def keep_near_limit(program: Program) -> Proposals:
    """Drop references, and add their number to the step that brings a count near 2^31."""
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
    """*program* without one step, or with fewer pages in one; step *index* is not changed."""
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
                    try:
                        yield without_entries(program, other, kept, length)
                    except CannotRewrite:
                        continue


def _total(program: Program, filling: Any) -> int:
    """The refcount of the first head of *filling* if the last step gets all that it asks for.

    0 if *program* breaks the contract.
    """
    try:
        ledger = Ledger.after(program, program.steps[:-1])
        head = ledger.head(filling.pages.resolve(ledger.table)[0])
        total = ledger.held(head).total
        last: Any = program.steps[-1]
        if last.binds_handle or last.pins:
            each = 1 if last.gets else ledger.each(head)
            runs = ledger.runs(last.pages.resolve(ledger.table))
            total += sum(each * entries for of, entries in runs if of == head)
    except BadInput:
        return 0
    return total
