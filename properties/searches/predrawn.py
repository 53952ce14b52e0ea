# SPDX-License-Identifier: MIT

"""Programs that another search draws, given to the candidate as a whole.

A candidate in another machine answers a step in a millisecond, and many steps that it
has got at once in much less each. So the programs are drawn on a model with the
candidate's abilities, and judged when they are complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.optimised import Optimised
from properties.judging.judge import Run
from properties.search import Watcher, attempt


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.abilities import Abilities
    from model.candidate import Candidate
    from model.program import Program
    from properties.judging.finding import Finding
    from properties.search import Search, Searcher


class Drawn(Watcher):
    """Keeps the programs that are drawn; what is not drawn, the real watcher hears of."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.programs: list[Program] = []

    def ended(self, run: Run) -> None:
        self.programs.append(run.so_far)

    def found(self, program: Program, finding: Finding) -> None:
        # The models differ, which is worth knowing whatever the candidate does.
        self._watcher.found(program, finding)

    def rejected(self, call: str) -> None:
        self._watcher.rejected(call)

    def around(self, oddity: str) -> None:
        self._watcher.around(oddity)

    def enough(self) -> bool:
        return self._watcher.enough()


def whole(drawn: Searcher) -> Searcher:
    """The search that judges as a whole what the search *drawn* draws."""

    def search(search: Search, number: int, /) -> None:
        kept = Drawn(search.watcher)
        make = able(search.candidate().abilities)
        drawn(evolve(search, candidate=make, watcher=kept), number)
        for program in kept.programs:
            if program.steps and not _right(search, program):
                return

    search.__doc__ = f"{drawn.__doc__} Each is given to the candidate as a whole."
    return search


def able(abilities: Abilities) -> Callable[[], Candidate]:
    """A model that can do no more than *abilities* say."""
    return type("Able", (Optimised,), {"abilities": abilities})


def _right(search: Search, program: Program) -> bool:
    """Judge *program*; whether all is right."""
    run = Run(search.candidate(), program.mappings, program.semantics, whole=program)
    for step in program.steps:
        taken = attempt(search, run, step)
        assert taken is not None  # it was taken when it was drawn
        finding, _ = taken
        if finding:
            search.watcher.found(run.so_far, finding)
            return False
    if search.strict and run.dearer:
        search.watcher.found(run.so_far, run.dearer)
        return False
    search.watcher.ended(run)
    return True
