# SPDX-License-Identifier: MIT

"""Misuse, judged by its harm: which call goes beyond what is held, and what that leads to.

Code that goes page by page and code in batches may lawfully differ after such a call, so they are
not compared. But a call that releases what others hold can be repeated, until a page is freed that
is still mapped or pinned: CVE-2026-43494 takes 1,025 calls.
"""

from collections.abc import Iterable

from attrs import evolve

from model.candidate import Candidate, Snapshot
from model.errors import BadInput
from model.program import Program
from model.step import Step
from properties.judging.applicable import MAX_PAGE_VISITS
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.holdings import Held
from properties.judging.ledger import Ledger

#: Maximum number of times that the first call beyond the contract is carried out; fewer if it names
#: so many pages that MAX_PAGE_VISITS would be exceeded.
MAX_REPEATS = 4096


def harm(program: Program, candidate: Candidate) -> tuple[int, str]:
    """Carry out *program* up to its first step beyond the contract, then that step repeatedly.

    Returns the number of steps carried out and, in words, what happened. A program that keeps the
    contract is carried out to its end.
    """
    ledger = Ledger(program.semantics, program.mappings)
    steps: list[Step] = []
    run = Guarded(candidate, evolve(program, steps=steps))
    for number, step in enumerate(program.steps, start=1):
        beyond = _beyond(ledger, step)
        steps.append(step)
        shown = run.step(step, step.npages_visited)
        if isinstance(shown, NoSnapshot):
            said = f"step {number} {beyond}; " if beyond else ""
            return number, f"{said}at step {number} {shown.summary}"
        if beyond:
            return _repeated(ledger, run, steps, shown, f"step {number} {beyond}")
    return len(steps), f"no step goes beyond what is held, in {len(steps)} steps"


def _beyond(ledger: Ledger, step: Step) -> str:
    """Why *step* goes beyond the contract; empty if it does not, and then it is entered."""
    try:
        ledger.take(step)
    except BadInput as err:
        return err.reason
    return ""


def _repeated(
    ledger: Ledger, run: Guarded, steps: list[Step], shown: Snapshot, said: str
) -> tuple[int, str]:
    """Repeat the last of *steps* until a page is freed that is held; the result as for `harm`."""
    step = steps[-1]
    most = max(1, min(MAX_REPEATS, MAX_PAGE_VISITS // max(1, step.npages_visited)))
    for times in range(1, most + 1):
        calls = f"{times:,} such calls" if times > 1 else "1 such call"
        for head, state in shown.heads.items():
            held = ledger.held(head)
            if not state.allocated and held.total:
                freed = f"{'free' if times > 1 else 'frees'} {ledger.name(head)}"
                return len(steps), f"{said}; {calls} {freed}, {_holders(held)}"
        if times < most:
            steps.append(step)
            after = run.step(step, step.npages_visited)
            if isinstance(after, NoSnapshot):
                return len(steps), f"{said}; after {calls} {after.summary}"
            shown = after
    return len(steps), f"{said}; {calls} free no page that is held"


def _holders(held: Held) -> str:
    """What is held of a page that was freed, in words."""
    kinds: Iterable[tuple[int, str]] = (
        (held.pins, "pin"),
        (held.gets, "plain reference"),
        (held.maps, "mapping"),
    )
    parts = [f"{count:,} {what}{'s' * (count > 1)}" for count, what in kinds if count]
    return f"of which {' and '.join(parts)} are held"
