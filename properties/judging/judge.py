# SPDX-License-Identifier: MIT

"""Judges programs: carries each out on candidate and reference, and runs the oracles.

`judge` judges a complete program. `Run` does the same step by step, for searches that choose
a step after they have seen the result of the last one.
"""

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from model.candidate import Candidate, Snapshot
from model.errors import BadInput
from model.mapping import Mapping
from model.page import HeadState
from model.program import Program
from model.reference import Reference
from model.semantics import Semantics
from model.step import Step
from properties.judging.applicable import for_ledger_alone, inapplicable, scattered
from properties.judging.finding import Finding
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.holdings import ContractBroken
from properties.judging.ledger import Ledger, at_step
from properties.judging.misuse import harm
from properties.judging.oddities import ODDITIES, KnownOddity, Oddity
from properties.judging.oracles import ORACLES_OF
from properties.judging.oracles.cost import cost
from properties.judging.oracles.record import HeadHistory, Record


@frozen
class Verdict:
    """The result of judging a program on a candidate.

    :param steps: Number of steps carried out.
    :param dearer: The cost finding of the first step that was right but dearer, if any.
    :param inapplicable: Why the program cannot be judged on the candidate; empty if it can.
    :param harm: What a program that misuses the calls led to; empty for other programs.
    :param alone: Whether the ledger judged alone, because the program is too large for the
        reference.
    :param oddity: The known oddity that the program triggered, if any.
    """

    steps: int
    finding: Finding | None = None
    dearer: Finding | None = None
    inapplicable: str = ""
    harm: str = ""
    alone: bool = False
    oddity: Oddity | None = None

    @property
    def kind(self) -> str:
        """The verdict in one word: diverges, odd, dearer, agrees, misuse or inapplicable."""
        if self.inapplicable:
            return "inapplicable"
        if self.oddity:
            return "odd"
        if self.finding:
            return "diverges"
        if self.harm:
            return "misuse"
        return "dearer" if self.dearer else "agrees"

    @property
    def worst(self) -> Finding | None:
        """The finding, or else the cost finding, or None."""
        return self.finding or self.dearer


class Run:
    """A program that is judged step by step.

    :param alone: Whether the ledger judges alone, without a reference. The ledger visits each
        compound page, not each page: 1 TiB in pages of 1 GiB takes 1024 visits.
    :param around: Whether steps that would trigger a known oddity are refused.
    :param complete: The complete program, if it is known before the first step: a candidate
        may then carry out all steps before the first is judged. All steps must keep the contract.
    :param reference: What the candidate is compared with; if None, the reference model.
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
        abilities = self._abilities = candidate.abilities
        self._fields = abilities.fields
        self._unheard = frozenset((one.event, one.call) for one in abilities.unheard)
        self._around = around
        self._oddities = [ODDITIES[name] for name in abilities.oddities]
        #: Pins that a known oddity of the candidate has left out of NR_FOLL_PIN_ACQUIRED so far.
        self._uncounted = 0
        #: The known oddity for which the statistic of the last step was corrected, or None.
        self.corrected: Oddity | None = None
        #: The known oddity that the last step triggers, whether carried out or refused, or None.
        self.met: Oddity | None = None
        self._before: dict[int, HeadState] = {}
        self._history = HeadHistory()
        given = complete or self.program
        self._reference = (reference or Reference()).execute(given)
        self._candidate = Guarded(candidate, given)

    @property
    def so_far(self) -> Program:
        """A copy of the program up to the last step; later steps are not added to the copy."""
        return evolve(self.program, steps=tuple(self.steps))

    def step(self, step: Step) -> Finding | None:
        """Carry out *step* on candidate and reference, and run the oracles; the finding, if any.

        :raises BadInput: if the step breaks the contract, names what does not exist or suit its
            call, is not for the candidate (`scattered`), or, with *around*, would trigger a known
            oddity. Nothing is carried out then.
        """
        self._refuse(step)
        ledger = self.ledger
        acquired = ledger.acquired
        returned = ledger.take(step)
        if self.record is not None:
            self._before.update(self.record.reference.heads)
        self.steps.append(step)
        reference = self._legal(returned) if self.alone else next(self._reference)
        npages = step.npages_visited or sum(map(len, ledger.unpinned))
        shown = self._candidate.step(step, npages)
        if isinstance(shown, NoSnapshot):
            candidate = self._candidate.partial()
        else:
            candidate = self._corrected(shown, acquired) if self._oddities else shown
        record = self.record
        if record is None:
            record = self.record = Record(
                index=0,
                step=step,
                reference=reference,
                candidate=candidate,
                ledger=ledger,
                returned=returned,
                before=self._before,
                history=self._history,
                fields=self._fields,
                unheard=self._unheard,
                judge="ledger" if self.alone else "reference",
            )
        else:
            record.index += 1
            record.step = step
            record.reference = reference
            record.candidate = candidate
            record.returned = returned
        if isinstance(shown, NoSnapshot):
            return record.finding("invariants", shown.what, shown.summary, notes=shown.notes)
        try:
            for oracle in ORACLES_OF[step.call]:
                finding = oracle(record)
                if finding:
                    return finding
        except ContractBroken as err:
            # The ledger accepted the step, so it is the snapshot that names frames of no mapping.
            summary = f"the snapshot of {step.call} is impossible: {err.reason}"
            return record.finding("invariants", "no_snapshot", summary)
        if self.dearer is None and ledger.unpinned:
            self.dearer = cost(record)
        return None

    def _corrected(self, shown: Snapshot, before: int) -> Snapshot:
        """*shown* with the pins that a known oddity has left out of NR_FOLL_PIN_ACQUIRED.

        A kernel that counts them, because it was fixed, is right too: the statistic has to rise by
        none of the step's pins, or by all.

        :param before: The statistic before the step.
        """
        pins = self.ledger.acquired - before
        odd = self.met is not None and self.met.uncounted and pins > 0
        self.corrected = self.met if odd and shown.acquired + self._uncounted == before else None
        if self.corrected:
            self._uncounted += pins
        if not self._uncounted:
            return shown
        return evolve(shown, acquired=shown.acquired + self._uncounted)

    def _refuse(self, step: Step) -> None:
        """Raise BadInput if *step* is not for the candidate, or triggers an oddity to go around."""
        if self._oddities:
            self.met = next((o for o in self._oddities if o.meets(self.ledger, step)), None)
            if self.met and self._around and not self.met.uncounted:
                raise KnownOddity(self.met.name)
        if self._abilities.together and self.ledger.movable:
            reason = scattered(step, self._abilities, self.program.mappings)
            if reason:
                raise BadInput(reason)

    def _legal(self, returned: int | None) -> Snapshot:
        """The snapshot that the ledger requires after the last step, which returned *returned*."""
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
    """Carry out *program* on *candidate* and on the reference, and run the oracles.

    :param reference: What the candidate is compared with; if None, the reference model.
    :raises BadInput: with the line, if a step breaks the contract and the program does not
        declare misuse.
    """
    reason = inapplicable(program, candidate.abilities)
    if reason:
        return Verdict(0, inapplicable=reason)
    if program.misuse:
        steps, said = harm(program, candidate)
        return Verdict(steps, harm=said)
    alone = for_ledger_alone(program)
    complete = None
    if candidate.abilities.takes_whole_programs:
        Ledger.after(program, program.steps)  # the contract is kept to the last step
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
    finding = oddity = None
    for found in carry_out(run, program):
        finding, oddity = found, oddity or run.corrected
    steps = len(run.steps)
    if finding and run.met and not run.met.uncounted:
        return Verdict(steps, alone=alone, oddity=run.met)
    if finding or run.dearer:
        oddity = None
    return Verdict(steps, finding, run.dearer, alone=alone, oddity=oddity)


def carry_out(run: Run, program: Program) -> Iterator[Finding | None]:
    """Carry out *program* on *run*; yield each step's finding or None, and stop after a finding.

    :raises BadInput: with the line, at a step that cannot be carried out.
    """
    for index, step in enumerate(program.steps):
        try:
            finding = run.step(step)
        except BadInput as err:
            raise at_step(err, program, index) from None
        yield finding
        if finding:
            return


def first_finding(run: Run, program: Program) -> Finding | None:
    """Carry out *program* on *run* up to the first finding; this finding, or None.

    :raises BadInput: with the line, at a step that cannot be carried out.
    """
    return next(filter(None, carry_out(run, program)), None)
