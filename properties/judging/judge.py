# SPDX-License-Identifier: MIT

"""The only runner: carries a program out on both sides, and asks the oracles.

`judge` takes a whole program. `Run` is the same thing step by step, for a
search that decides on a step when it has seen what came of the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from model.candidate import Snapshot
from model.errors import BadInput
from model.pagelist import NULL_NAME
from model.program import Program
from model.reference import Reference
from model.step import Table
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.holdings import ContractBroken
from properties.judging.ledger import Ledger
from properties.judging.oddities import ODDITIES, KnownOddity
from properties.judging.oracles import ORACLES
from properties.judging.oracles.cost import cost
from properties.judging.oracles.record import Record
from properties.judging.past import Past


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.abilities import Abilities
    from model.candidate import Candidate
    from model.mapping import Mapping
    from model.page import HeadState
    from model.semantics import Semantics
    from model.step import Step
    from properties.judging.finding import Finding
    from properties.judging.oddities import Oddity

#: One page at a time visits no more pages than this in one program. Beyond it
#: the ledger judges alone, which visits no more compound pages than `MAX_HEAD_VISITS`.
MAX_PAGE_VISITS = 1 << 20
MAX_HEAD_VISITS = 1 << 23


@frozen
class Verdict:
    """What came of a program on a candidate.

    :param steps: Steps that were carried out.
    :param finding: What does not hold, if anything.
    :param dearer: The first step that was right but dearer, if any.
    :param inapplicable: Why the program cannot be judged on the candidate;
        empty if it can.
    :param unjudged: Why agreement is not promised (the program misuses the
        calls), and how it ended; empty if it is.
    :param alone: Whether the ledger judged alone, the program being too large
        for one page at a time.
    :param oddity: What the candidate is known to do otherwise, and did.
    """

    steps: int
    finding: Finding | None = None
    dearer: Finding | None = None
    inapplicable: str = ""
    unjudged: str = ""
    alone: bool = False
    oddity: Oddity | None = None

    @property
    def kind(self) -> str:
        """``diverges``, ``odd``, ``dearer``, ``agrees``, ``unjudged`` or ``inapplicable``."""
        if self.inapplicable:
            return "inapplicable"
        if self.oddity:
            return "odd"
        if self.finding:
            return "diverges"
        if self.unjudged:
            return "unjudged"
        return "dearer" if self.dearer else "agrees"

    @property
    def worst(self) -> Finding | None:
        """The finding, or else the one about cost."""
        return self.finding or self.dearer


class Run:
    """One program being judged, step by step.

    :param alone: Whether the ledger says what must be, and no reference runs:
        it counts by compound pages, so that 1 TiB in pages of 1 GiB cost 1024.
    :param around: Whether steps are refused that would meet what the candidate is
        known to do otherwise.
    :param complete: The complete program, where it is known before the first step: a
        candidate may then carry out all steps at once. It must keep the contract.
    :param reference: Who says what must be, if it is not the reference model.
    """

    def __init__(
        self,
        candidate: Candidate,
        mappings: Sequence[Mapping],
        semantics: Semantics,
        *,
        alone: bool = False,
        around: bool = True,
        complete: Program | None = None,
        reference: Candidate | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self.program = Program(tuple(mappings), self.steps, semantics)
        self.ledger = Ledger(semantics, mappings)
        self.dearer: Finding | None = None
        self.record: Record | None = None
        self.alone = alone
        abilities = candidate.abilities
        self._fields = abilities.fields
        self._around = around
        self._oddities = [ODDITIES[name] for name in abilities.oddities]
        #: What the last step that was asked for met of that.
        self.met: Oddity | None = None
        self._before: dict[int, HeadState] = {}
        self._past = Past()
        given = complete or self.program
        self._reference = (reference or Reference()).execute(given)
        self._candidate = Guarded(candidate, given)

    @property
    def so_far(self) -> Program:
        """The program up to its last step, to be kept: nothing is added to it any more."""
        return evolve(self.program, steps=tuple(self.steps))

    def step(self, step: Step) -> Finding | None:
        """Carry *step* out on both sides; what does not hold after it, if anything.

        :raises BadInput: if the step breaks the contract, its names do not hold
            what it wants, or it meets what is known. Nothing was carried out then.
        """
        if self._oddities:
            self.met = next((o for o in self._oddities if o.meets(self.ledger, step)), None)
            if self.met and self._around:
                raise KnownOddity(self.met.name)
        ledger = self.ledger
        returned = ledger.take(step)
        lists = ledger.unpinned
        if self.record is not None:
            self._before.update(self.record.reference.heads)
        self.steps.append(step)
        reference = self._legal(returned) if self.alone else next(self._reference)
        npages = step.npages_named or sum(map(len, lists))
        shown = self._candidate.step(step, npages)
        record = self.record = Record(
            index=len(self.steps) - 1,
            step=step,
            reference=reference,
            candidate=shown if isinstance(shown, Snapshot) else self._candidate.partial(),
            ledger=ledger,
            returned=returned,
            lists=lists,
            dirties=ledger.dirties,
            before=self._before,
            past=self._past,
            fields=self._fields,
            judge="ledger" if self.alone else "reference",
        )
        if isinstance(shown, NoSnapshot):
            return record.finding("laws", shown.what, shown.summary, notes=shown.notes)
        try:
            for oracle in ORACLES:
                finding = oracle(record)
                if finding:
                    return finding
        except ContractBroken as err:
            # The step kept the contract, so the snapshot shows what cannot be.
            summary = f"{step.call} shows what cannot be: {err.reason}"
            return record.finding("laws", "no_snapshot", summary)
        if self.dearer is None and lists:
            self.dearer = cost(record)
        return None

    def _legal(self, returned: int | None) -> Snapshot:
        """What the ledger allows, as a snapshot."""
        ledger = self.ledger
        looks = {head: ledger.looks(head) for head in sorted(ledger.touched)}
        return Snapshot(
            returned=returned,
            heads={head: state for head, (state, _) in looks.items()},
            acquired=ledger.acquired,
            released=ledger.released,
            warnings=("as the ledger says",) if ledger.warned else (),
            maybe_pinned=frozenset(head for head, (_, pinned) in looks.items() if pinned),
        )


def judge(program: Program, candidate: Candidate, reference: Candidate | None = None) -> Verdict:
    """Carry *program* out on *candidate* and on the reference, and compare.

    :param reference: Who says what must be, if it is not the reference model.
    :raises BadInput: with the line, if a step breaks the contract though the
        program does not say that it means to.
    """
    reason = inapplicable(program, candidate.abilities)
    if reason:
        return Verdict(0, inapplicable=reason)
    if program.misuse:
        return _unjudged(program, candidate)
    alone = visits(program) > MAX_PAGE_VISITS
    complete = None
    if candidate.abilities.takes_whole_programs:
        check_kept(program)
        complete = evolve(program, steps=tuple(program.steps))
    run = Run(
        candidate,
        program.mappings,
        program.semantics,
        alone=alone,
        around=False,
        complete=complete,
        reference=reference,
    )
    finding = first_finding(run, program)
    steps = len(run.steps)
    if finding and run.met:
        return Verdict(steps, alone=alone, oddity=run.met)
    return Verdict(steps, finding, run.dearer, alone=alone)


def check_kept(program: Program) -> None:
    """See that *program* keeps the contract from its first step to its last.

    :raises BadInput: with the line, if it does not.
    """
    ledger = Ledger(program.semantics, program.mappings)
    for index, step in enumerate(program.steps):
        try:
            ledger.take(step)
        except BadInput as err:
            raise _at(err, program, index) from None


def visits(program: Program) -> int:
    """How many pages one at a time would visit, repeats included."""
    table = Table({})
    table.sizes = {step.makes: step.npages_named for step in program.steps if step.binds_umem}
    return sum(step.npages_touched(table) for step in program.steps)


def effort(program: Program) -> int:
    """How many pages, or compound pages where the ledger judges alone, judging it visits."""
    pages = visits(program)
    return pages if pages <= MAX_PAGE_VISITS else _heads(program)


def _heads(program: Program) -> int:
    least = min((e.order for m in program.mappings for e in m.extents), default=0)
    return visits(program) >> least


def carry_out(run: Run, program: Program) -> Iterator[Finding | None]:
    """Carry the steps of *program* out on *run*: the finding after each, up to the first.

    :raises BadInput: with the line, at a step that cannot be carried out.
    """
    for index, step in enumerate(program.steps):
        try:
            finding = run.step(step)
        except BadInput as err:
            raise _at(err, program, index) from None
        yield finding
        if finding:
            return


def first_finding(run: Run, program: Program) -> Finding | None:
    """Carry *program* out on *run*, up to the first finding.

    :raises BadInput: with the line, at a step that cannot be carried out.
    """
    return next(filter(None, carry_out(run, program)), None)


def _at(err: BadInput, program: Program, index: int) -> BadInput:
    """*err*, with the line of step *index*."""
    line = program.lines[index] if program.lines else 0
    reason = err.reason if line else f"step {index + 1}: {err.reason}"
    return type(err)(reason, line=line)


def inapplicable(program: Program, abilities: Abilities) -> str:
    """Why *program* cannot be judged on a candidate of *abilities*; empty if it can."""
    version = program.semantics.version
    if version not in abilities.semantics:
        return f"{abilities.name} does not count as {version} does"
    reason = abilities.lacks(program.mappings)
    if reason:
        return reason
    for step in program.steps:
        if step.lacked_by(program.semantics):
            return f"{step.call}() does not exist in {version}"
        if not (program.semantics.null_skipped or program.misuse) and NULL_NAME in step.uses():
            return f"{version} does not skip NULL"
        reason = beyond(step, abilities)
        if reason:
            return reason
    extents = [e for m in program.mappings for e in m.extents]
    if extents and max(e.stop for e in extents) - min(e.pfn for e in extents) > abilities.span:
        return f"{abilities.name} has no room for {abilities.span} frames and more"
    heads = _heads(program)
    if heads > MAX_HEAD_VISITS:
        return (
            f"its steps name up to {heads} compound pages: the ledger visits each, "
            f"and no more than {MAX_HEAD_VISITS}"
        )
    return ""


def beyond(step: Step, abilities: Abilities) -> str:
    """Why a candidate of *abilities* cannot carry *step* out; empty if it can."""
    if step.call not in abilities.calls:
        return f"{abilities.name} has no {step.call}()"
    most = min(abilities.named, abilities.listed) if step.takes_array else abilities.named
    if step.npages_named > most:
        return f"{abilities.name} passes no list of more than {most} pages"
    if step.changes_page_table() and not abilities.changes:
        return f"{abilities.name} changes no page table on the way"
    for order in step.orders_made():
        if order not in abilities.orders:
            return f"{abilities.name} has no compound pages of order {order}"
    return ""


def _unjudged(program: Program, candidate: Candidate) -> Verdict:
    """Carry out a program that breaks the contract; say only how that ended."""
    steps = 0
    for shown in Guarded(candidate, program).run():
        steps += 1
        if isinstance(shown, NoSnapshot):
            return Verdict(steps, unjudged=f"at step {steps} {shown.summary}")
    return Verdict(steps, unjudged=f"ran to its end, {steps} steps")
