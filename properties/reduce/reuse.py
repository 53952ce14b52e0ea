# SPDX-License-Identifier: MIT

"""Passes for programs in which frames change their compound pages: freed and allocated, or split.

The steps that free, allocate and use frames depend on each other, so that dropping one of them
leaves a program that breaks the contract.
"""

from collections.abc import Iterator
from contextlib import suppress

from model.errors import BadInput
from model.pagelist import from_entries
from model.program import Program
from properties.judging.ledger import Ledger
from properties.reduce.condense import condensed
from properties.reduce.lists import MAX_PAGES_REWRITTEN, CannotRewrite, with_pages
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import with_step, without_steps
from properties.reduce.standing import unmaps

#: The passes skip programs with more steps than this.
MAX_STEPS_REUSED = 64


def begin_later(program: Program) -> Proposals:
    """Begin with the compound pages that a step makes, and with what is held of all pages then."""
    if len(program.steps) <= MAX_STEPS_REUSED:
        yield from first_accepted(_later(program))


def _later(program: Program) -> Iterator[Program]:
    """*program* without the steps up to one that regroups pages; the last of these first."""
    for at in reversed(range(len(program.steps) - 1)):
        if program.steps[at].regroups:
            with suppress(BadInput, CannotRewrite):
                yield from condensed(program, len(program.steps) - at - 1)


def keep_allocated(program: Program) -> Proposals:
    """Drop a step that allocates frames, and what an earlier step unmaps of these."""
    if len(program.steps) <= MAX_STEPS_REUSED:
        at = len(program.steps) - 2
        while at > 0:
            program = (yield from first_accepted(_never_freed(program, at))) or program
            at = min(at, len(program.steps) - 1) - 1


def _never_freed(program: Program, at: int) -> Iterator[Program]:
    """*program* without step *at*, which allocates, and without its frames in an earlier unmap."""
    steps = program.steps
    if not steps[at].regroups or steps[at].takes_one_page:
        return
    ledger = Ledger(program.semantics, program.mappings)
    frames = []
    for step in steps[: at + 1]:
        pages = next(step.lists()) if unmaps(step) or step.regroups else None
        few = pages is not None and len(pages) <= MAX_PAGES_REWRITTEN
        frames.append(pages.resolve(ledger.table) if pages is not None and few else ())
        ledger.take(step)
    allocated = set(frames[at])
    fewer = without_steps(program, at, at + 1)
    for i in reversed(range(at)):
        if not unmaps(steps[i]) or allocated.isdisjoint(frames[i]):
            continue
        entries = next(steps[i].lists()).entries()
        kept = [e for e, frame in zip(entries, frames[i], strict=True) if frame not in allocated]
        yield with_step(fewer, i, *([with_pages(steps[i], from_entries(kept))] if kept else []))
