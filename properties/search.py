# SPDX-License-Identifier: MIT

"""The interface of searches: their input (`Search`) and their callbacks (`Watcher`).

A search only produces programs: `properties.judging.judge` runs them, and a `Watcher` hears
of them. A search works in *rounds*. A round is drawn from the seed and the round's number alone, so
the same seed and the same number of rounds repeat a search.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from attrs import field, frozen

from model.abilities import Abilities
from model.candidate import Candidate
from model.errors import BadInput
from model.mapping import Mapping
from model.program import Program
from model.semantics import DEFAULT, Semantics
from model.step import Step
from properties.coverage.situations import situations
from properties.judging.applicable import beyond
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.judging.oddities import KnownOddity

#: Round *n* of seed *s* is drawn from one number, ``s * SEED_STRIDE + n``.
SEED_STRIDE = 1_000_003


def forget(_program: Program, _finding: Finding) -> None:
    """Ignore a finding: the default callback."""


class Watcher:
    """Callbacks for search progress; the base class ignores them."""

    def step(self, run: Run, reached: set[str]) -> None:
        """Called when *run* has carried out a step that reached the situations *reached*."""

    def rejected(self, call: str) -> None:
        """Called when no step of *call* could be drawn, or the drawn step was refused."""

    def avoided(self, oddity: str) -> None:
        """Called when a step is skipped because it would trigger the known *oddity*."""

    def ended(self, run: Run) -> None:
        """Called when a program has ended without a finding."""

    def found(self, program: Program, finding: Finding) -> None:
        """Called when *program* fails with *finding*."""

    def ran(self, counters: Iterable[str]) -> bool:
        """Called with counters of the candidate's code that a step changed (``Snapshot.ran``).

        Returns whether the step did what few steps did: code that was met rarely, or a function
        that was changed and of which not all changed lines have run. Searches then draw more of
        the same kind.
        """
        return False

    def enough(self) -> bool:
        """Whether the round should stop early; searches ask between programs."""
        return False


class Tally(Watcher):
    """Counts programs and steps; keeps the first failing and the first dearer program.

    :param keep: Called with each of the two as soon as it is found.
    """

    def __init__(self, keep: Callable[[Program, Finding], object] = forget) -> None:
        self.programs = 0
        self.steps = 0
        self.failure: tuple[Program, Finding] | None = None
        self.dearer: tuple[Program, Finding] | None = None
        self._keep = keep

    @property
    def worst(self) -> tuple[Program, Finding] | None:
        """The first failing program, or else the first dearer one, with its finding."""
        return self.failure or self.dearer

    def step(self, run: Run, reached: set[str]) -> None:
        """Count a step."""
        self.steps += 1

    def ended(self, run: Run) -> None:
        """Count a program, and keep it if it is the first dearer one."""
        self.programs += 1
        if run.dearer and self.dearer is None:
            self.dearer = (run.so_far, run.dearer)
            self._keep(*self.dearer)

    def found(self, program: Program, finding: Finding) -> None:
        """Count and keep the first *program* that fails; ignore later ones."""
        if self.failure is None:
            self.programs += 1
            self.failure = (program, finding)
            self._keep(program, finding)


@frozen
class Search:
    """The input of a search.

    :param candidate: Makes a new candidate for each program.
    :param captured: Mappings of captured layouts to cut windows from.
    :param captured_only: Whether every layout consists of such windows.
    :param strict: Whether a dearer step fails the program.
    :param watcher: Receives the callbacks.
    """

    candidate: Callable[[], Candidate]
    semantics: Semantics = DEFAULT
    captured: Sequence[Mapping] = ()
    captured_only: bool = False
    strict: bool = False
    watcher: Watcher = field(factory=Watcher)


#: A search: draws the programs of one round from a number, and judges them.
Searcher: TypeAlias = Callable[[Search, int], None]


class Taken(NamedTuple):
    """The result of a step.

    :param finding: The finding, if any.
    :param reached: The situations that the step reached.
    :param rare: Whether it led to code that the watcher wants more of (`Watcher.ran`).
    """

    finding: Finding | None
    reached: set[str]
    rare: bool = False


def attempt(search: Search, run: Run, step: Step) -> Taken | None:
    """Run and judge *step*, and notify the watcher.

    Returns None if the step was not carried out, because it breaks the contract or would
    trigger a known oddity.
    """
    watcher = search.watcher
    try:
        finding = run.step(step)
    except KnownOddity as known:
        watcher.avoided(known.reason)
        return None
    except BadInput:
        watcher.rejected(step.call)
        return None
    reached = report_step(search, run)
    code = run.record.candidate.ran if run.record else ()
    return Taken(finding, reached, bool(code) and watcher.ran(code))


def attempts(
    search: Search, run: Run, steps: Iterable[Step], abilities: Abilities
) -> Iterator[Taken]:
    """Attempt each of *steps* that the semantics and *abilities* allow; what was carried out."""
    for step in steps:
        if not step.lacked_by(search.semantics) and not beyond(step, abilities):
            taken = attempt(search, run, step)
            if taken is not None:
                yield taken


def report_step(search: Search, run: Run) -> set[str]:
    """Report the last step of *run* to the watcher; return the situations that step reached."""
    reached = situations(run.record) if run.record else set()
    search.watcher.step(run, reached)
    return reached


def report_end(search: Search, run: Run) -> bool:
    """Report the end of *run* to the watcher; False if *run* is dearer and *search* is strict.

    Call it only for programs without a finding.
    """
    if search.strict and run.dearer:
        search.watcher.found(run.so_far, run.dearer)
        return False
    search.watcher.ended(run)
    return True
