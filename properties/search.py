# SPDX-License-Identifier: MIT

"""What every search is given, and whom it tells what it does.

A search produces programs and nothing else: `properties.judging.judge` runs them, a
`Watcher` hears of them. It goes in *rounds*. A round is drawn from one number
alone, so that a search repeats by its seed and its number of rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from model.errors import BadInput
from model.semantics import DEFAULT, Semantics
from properties.coverage.situations import situations
from properties.judging.oddities import KnownOddity


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.candidate import Candidate
    from model.mapping import Mapping
    from model.program import Program
    from model.step import Step
    from properties.judging.finding import Finding
    from properties.judging.judge import Run

#: Rounds of one seed lie this close together, those of different seeds far apart.
SPREAD = 1_000_003


def forget(_program: Program, _finding: Finding) -> None:
    """Do nothing about what was found."""


class Watcher:
    """Is told what a search does. This one does not care."""

    def step(self, run: Run, reached: set[str]) -> None:
        """*run* has carried out one more step, which was in the situations *reached*."""

    def rejected(self, call: str) -> None:
        """No step of *call* made sense."""

    def around(self, oddity: str) -> None:
        """A step was left out, as it would have met the known *oddity* of the candidate."""

    def ended(self, run: Run) -> None:
        """A program came to its end, and nothing was found in it."""

    def found(self, program: Program, finding: Finding) -> None:
        """*program* fails. It may be found again, smaller, while it is shrunk."""

    def enough(self) -> bool:
        """Whether a round may end before its time. Asked between programs."""
        return False


class Tally(Watcher):
    """Counts programs and steps, and remembers the first failure and the first that was dearer.

    :param keep: Is told of both at once.
    """

    def __init__(self, keep: Callable[[Program, Finding], object] = forget) -> None:
        self.programs = 0
        self.steps = 0
        self.failure: tuple[Program, Finding] | None = None
        self.dearer: tuple[Program, Finding] | None = None
        self._keep = keep

    @property
    def worst(self) -> tuple[Program, Finding] | None:
        """The failure, or else what was dearer."""
        return self.failure or self.dearer

    def step(self, run: Run, reached: set[str]) -> None:
        """One more."""
        self.steps += 1

    def ended(self, run: Run) -> None:
        """One more, and perhaps dearer."""
        self.programs += 1
        if run.dearer and self.dearer is None:
            self.dearer = (run.so_far, run.dearer)
            self._keep(*self.dearer)

    def found(self, program: Program, finding: Finding) -> None:
        """One more, and the first that fails is the one."""
        if self.failure is None:
            self.programs += 1
            self.failure = (program, finding)
            self._keep(program, finding)


@frozen
class Search:
    """What is searched, and where.

    :param candidate: Makes the candidate, anew for each program.
    :param captured: Mappings of captured layouts to cut windows from.
    :param captured_only: Whether every program is on such windows.
    :param strict: Whether a step that is right but dearer fails the program.
    """

    candidate: Callable[[], Candidate]
    semantics: Semantics = DEFAULT
    captured: Sequence[Mapping] = ()
    captured_only: bool = False
    strict: bool = False
    watcher: Watcher = field(factory=Watcher)


class Searcher(Protocol):
    """A way to search: a function that makes one round."""

    def __call__(self, search: Search, number: int, /) -> None:
        """Draw a round of programs from *number*, and judge them."""


def attempt(search: Search, run: Run, step: Step) -> tuple[Finding | None, set[str]] | None:
    """Let *run* take *step*, and the watcher hear of it.

    What does not hold after it, if anything, and the situations it was in; None
    if it made no sense, and was not carried out.
    """
    try:
        finding = run.step(step)
    except KnownOddity as met:
        search.watcher.around(met.reason)
        return None
    except BadInput:
        search.watcher.rejected(step.call)
        return None
    reached = situations(run.record) if run.record else set()
    search.watcher.step(run, reached)
    return finding, reached
