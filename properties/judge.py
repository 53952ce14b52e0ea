# SPDX-License-Identifier: MIT

"""The only runner: carries a program out on both sides, and asks the oracles.

`judge` takes a whole program. `Run` is the same thing step by step, for a
search that decides on a step when it has seen what came of the last.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from model.candidate import Snapshot
from model.candidate import __file__ as candidate_file
from model.errors import BadInput
from model.memory import Memory, NoProgress, Oops
from model.memory import __file__ as memory_file
from model.program import Program
from model.reference import Reference
from model.steps import IbUmemRelease
from properties.holdings import ContractBroken
from properties.ledger import Ledger
from properties.oracles import ORACLES
from properties.oracles.cost import cost
from properties.oracles.record import UNPINS, Record
from properties.watchdog import Hang, Watchdog


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.candidate import Abilities, Candidate
    from model.mapping import Mapping
    from model.memory import HeadState
    from model.semantics import Semantics
    from model.step import Step
    from properties.finding import Finding

#: One page at a time visits no more pages than this in one step.
MOST_VISITS = 1 << 23


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
    """

    steps: int
    finding: Finding | None = None
    dearer: Finding | None = None
    inapplicable: str = ""
    unjudged: str = ""

    @property
    def kind(self) -> str:
        """One word: ``diverges``, ``dearer``, ``agrees``, ``unjudged`` or ``inapplicable``."""
        if self.inapplicable:
            return "inapplicable"
        if self.finding:
            return "diverges"
        if self.unjudged:
            return "unjudged"
        return "dearer" if self.dearer else "agrees"

    @property
    def worst(self) -> Finding | None:
        """The finding, or else the one about cost."""
        return self.finding or self.dearer


@frozen
class Failure:
    """A candidate that gave no snapshot: why, and where from."""

    what: str
    summary: str
    notes: tuple[str, ...] = ()


class Run:
    """One program being judged, step by step."""

    def __init__(
        self, candidate: Candidate, mappings: Sequence[Mapping], semantics: Semantics
    ) -> None:
        self.steps: list[Step] = []
        self.program = Program(tuple(mappings), self.steps, semantics)
        self.ledger = Ledger(semantics, mappings)
        self.dearer: Finding | None = None
        self.record: Record | None = None
        self._fields = candidate.abilities.fields
        self._before: dict[int, HeadState] = {}
        self._reference = Reference().execute(self.program)
        self._candidate = Contained(candidate, self.program)

    def step(self, step: Step) -> Finding | None:
        """Carry *step* out on both sides; what does not hold after it, if anything.

        :raises BadInput: if the step breaks the contract, or its names do not
            hold what it wants. Nothing was carried out then.
        """
        lists, dirties = self._unpins(step)
        returned = self.ledger.take(step)
        if self.record is not None:
            self._before.update(self.record.reference.heads)
        self.steps.append(step)
        reference = next(self._reference)
        shown = self._candidate.step(step, sum(map(len, lists)) or step.npages_named)
        failure = shown if isinstance(shown, Failure) else None
        record = self.record = Record(
            len(self.steps) - 1,
            step,
            reference,
            self._candidate.partial() if isinstance(shown, Failure) else shown,
            self.ledger,
            returned,
            lists,
            dirties,
            self._before,
            self._fields,
        )
        if failure:
            return record.finding("laws", failure.what, failure.summary, notes=failure.notes)
        try:
            finding = next(filter(None, (oracle(record) for oracle in ORACLES)), None)
        except ContractBroken as err:
            # The step kept the contract, so the snapshot shows what cannot be.
            summary = f"{step.call} shows what cannot be: {err.reason}"
            return record.finding("laws", "no_snapshot", summary)
        if finding:
            return finding
        if self.dearer is None:
            self.dearer = cost(record)
        return None

    def _unpins(self, step: Step) -> tuple[list[Sequence[int]], bool]:
        """The lists of frames that *step* unpins, and whether it is to dirty them."""
        if isinstance(step, IbUmemRelease):
            region = self.ledger.umems.get(step.umem)
            return (region.entries, region.writable and step.dirty) if region else ([], False)
        if step.call not in UNPINS or getattr(step, "npages", None) is not None:
            return [], False
        lists = [pages.resolve(self.ledger.table) for pages in step.lists()]
        return lists, getattr(step, "make_dirty", False)


class Contained:
    """A candidate at work, whatever it does: raise, never return, end early."""

    def __init__(self, candidate: Candidate, program: Program) -> None:
        self._candidate = candidate
        self._snapshots = self._begin(program)
        self._watchdog = Watchdog()

    def _begin(self, program: Program) -> Iterator[Snapshot]:
        # Inside a generator, so that a candidate that fails to begin fails at a step.
        yield from self._candidate.execute(program)

    def step(self, step: Step, npages: int) -> Snapshot | Failure:
        """The snapshot after *step*, or how the candidate failed to give one.

        :param npages: How many pages the step goes through.
        """
        call = step.call
        self._watchdog.watch(npages)
        try:
            shown = next(self._snapshots)
            if isinstance(shown, Snapshot):
                return shown
            return Failure("no_snapshot", f"{call} gave {type(shown).__name__}, not a snapshot")
        except Hang:
            return Failure("hang", f"{call} does not return")
        except NoProgress as err:
            empty = any(e.what == "put" and not e.refs for e in self.partial().events)
            why = "a run of 0 pages makes no progress" if empty else str(err)
            return Failure("no_progress", f"{call}: {why}", _where(err))
        except Oops as err:
            return Failure("oops", f"{call} leaves its pages: {err}", _where(err))
        except StopIteration:
            return Failure("no_snapshot", f"the candidate ended before {call}")
        except KeyboardInterrupt:
            raise
        except BaseException as err:
            name = type(err).__name__
            said = _said(err)
            return Failure(f"raised_{name}", f"{call} raised {name}: {said}", _where(err))
        finally:
            self._watchdog.rest()

    def partial(self) -> Snapshot:
        """What a candidate that failed had put in its journal by then."""
        memory = getattr(self._candidate, "memory", None)
        events = memory.events[:1000] if isinstance(memory, Memory) else ()
        return Snapshot(None, {}, 0, 0, events=events)


def _said(err: BaseException) -> str:
    """The text of *err* in one line, whatever is in it."""
    try:
        text = str(err)
    except Exception:
        text = "something that cannot be shown"
    return " ".join(text.encode(errors="replace").decode().split())[:200]


def _where(err: BaseException) -> tuple[str, ...]:
    """Where in the candidate's own files *err* came from, innermost last."""
    frames = traceback.extract_tb(err.__traceback__)
    ours = {__file__, candidate_file, memory_file}
    return tuple(
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in frames
        if frame.filename not in ours
    )[-4:]


def judge(program: Program, candidate: Candidate) -> Verdict:
    """Carry *program* out on *candidate* and on the reference, and compare.

    :raises BadInput: with the line, if a step breaks the contract though the
        program does not say that it means to.
    """
    reason = inapplicable(program, candidate.abilities)
    if reason:
        return Verdict(0, inapplicable=reason)
    if program.misuse:
        return _unjudged(program, candidate)
    run = Run(candidate, program.mappings, program.semantics)
    for i in range(len(program.steps)):
        finding = take(run, program, i)
        if finding:
            return Verdict(i + 1, finding, run.dearer)
    return Verdict(len(program.steps), dearer=run.dearer)


def take(run: Run, program: Program, index: int) -> Finding | None:
    """Let *run* carry out step *index* of *program*.

    :raises BadInput: with the line, if the step cannot be carried out.
    """
    try:
        return run.step(program.steps[index])
    except BadInput as err:
        line = program.lines[index] if program.lines else 0
        reason = err.reason if line else f"step {index + 1}: {err.reason}"
        raise type(err)(reason, line=line) from None


def inapplicable(program: Program, abilities: Abilities) -> str:
    """Why *program* cannot be judged on a candidate of *abilities*; empty if it can."""
    version = program.semantics.version
    if version not in abilities.semantics:
        return f"{abilities.name} does not count as {version} does"
    for mapping in program.mappings:
        if mapping.kind not in abilities.kinds:
            return f"{abilities.name} has no {mapping.kind} mappings"
        for extent in mapping.extents:
            if extent.order not in abilities.orders:
                return f"{abilities.name} has no compound pages of order {extent.order}"
    for step in program.steps:
        if program.semantics.lacks(step.call):
            return f"{step.call}() does not exist in {version}"
        if step.call not in abilities.calls:
            return f"{abilities.name} has no {step.call}()"
        if step.npages_named > MOST_VISITS:
            return (
                f"{step.call} of {step.npages_named} pages: the reference visits each, "
                f"and no more than {MOST_VISITS} in one step"
            )
    return ""


def _unjudged(program: Program, candidate: Candidate) -> Verdict:
    """Carry out a program that breaks the contract; say only how that ended."""
    contained = Contained(candidate, program)
    for i, step in enumerate(program.steps):
        shown = contained.step(step, step.npages_named)
        if isinstance(shown, Failure):
            return Verdict(i + 1, unjudged=f"at step {i + 1} {shown.summary}")
    return Verdict(len(program.steps), unjudged=f"ran to its end, {len(program.steps)} steps")
