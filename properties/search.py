# SPDX-License-Identifier: MIT

"""What every search is given, and whom it tells what it does.

A search produces programs and nothing else: `properties.judge` runs them, a
`Watcher` hears of them. It goes in *rounds*. A round is drawn from one number
alone, so that a search repeats by its seed and its number of rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from model.errors import BadInput
from model.semantics import DEFAULT, Semantics
from properties.situations import situations


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.candidate import Candidate
    from model.mapping import Mapping
    from model.program import Program
    from model.step import Step
    from properties.finding import Finding
    from properties.judge import Run

#: Rounds of one seed lie this close together, those of different seeds far apart.
SPREAD = 1_000_003


class Watcher:
    """Is told what a search does. This one does not care."""

    def step(self, run: Run, reached: set[str]) -> None:
        """*run* has carried out one more step, which was in the situations *reached*."""

    def rejected(self, call: str) -> None:
        """No step of *call* made sense."""

    def ended(self, run: Run) -> None:
        """A program came to its end, and nothing was found in it."""

    def found(self, program: Program, finding: Finding) -> None:
        """*program* fails. It may be found again, smaller, while it is shrunk."""

    def enough(self) -> bool:
        """Whether a round may end before its time. Asked between programs."""
        return False


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
    except BadInput:
        search.watcher.rejected(step.call)
        return None
    reached = situations(run.record) if run.record else set()
    search.watcher.step(run, reached)
    return finding, reached
