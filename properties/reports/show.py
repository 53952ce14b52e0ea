# SPDX-License-Identifier: MIT

"""A trace step by step: the page map, and the changes of each step."""

from collections.abc import Iterator

from attrs import evolve

from model.candidate import Candidate
from model.errors import BadInput
from model.page import HeadState
from model.program import Program
from properties.judging.applicable import for_ledger_alone, inapplicable
from properties.judging.judge import Run, carry_out
from properties.judging.oracles.record import Record
from properties.reports.failure import explained, step_maps
from properties.reports.pagemap import runs_in_words

#: Maximum number of heads whose state is listed after a step.
MAX_HEADS_LISTED = 12


def shown_steps(program: Program, candidate: Candidate) -> Iterator[str]:
    """The lines for each step of *program*, up to the first that fails.

    :raises BadInput: if *program* cannot be carried out, or breaks the contract.
    """
    reason = inapplicable(program, candidate.abilities)
    if program.misuse:
        reason = "it misuses the calls, so there is no one state to show"
    if reason:
        raise BadInput(reason)
    alone = for_ledger_alone(program)
    run = Run(candidate, program.mappings, program.semantics, alone=alone)
    yield from evolve(program, steps=()).statements()
    findings = carry_out(run, program)
    for i, step in enumerate(program.steps):
        yield ""
        yield f"{i + 1}  {step.text()}"
        yield from (f"     {line}" for line in step_maps(program, i, run.ledger))
        finding = next(findings)
        record = run.record
        assert record is not None
        if record.ledger.unpinned_runs:
            named = [(run.ledger.name(head), n) for head, n in record.ledger.unpinned_runs[:1000]]
            yield f"     {runs_in_words(named)}"
        yield from _changes(record)
        if finding:
            yield ""
            yield from explained(evolve(program, steps=program.steps[: i + 1]), finding)
            return


def _changes(record: Record) -> Iterator[str]:
    shown = record.candidate
    if shown.returned is not None:
        yield f"     returned {shown.returned}"
    pages = sorted(shown.heads)
    for page in pages[:MAX_HEADS_LISTED]:
        before, after = record.state_before(page), shown.heads[page]
        name = f"{record.ledger.name(page)}  order {record.ledger.order(page)}"
        yield f"     {name:18}  {', '.join(_differences(before, after)) or 'as before'}"
    if len(pages) > MAX_HEADS_LISTED:
        yield f"     and {len(pages) - MAX_HEADS_LISTED} more heads"


def _differences(before: HeadState, after: HeadState) -> Iterator[str]:
    for what, a, b in before.differences(after):
        if what == "allocated":
            yield "allocated" if b else "freed"
        elif what == "dirty":
            yield "dirty" if b else "clean"
        else:
            yield f"{what} {a} -> {b}"
