# SPDX-License-Identifier: MIT

"""The search predrawn: another search draws complete programs, then the candidate runs them.

A candidate in a guest takes a millisecond for a step that is sent alone, and much less for
each step of a whole program. So the programs are drawn on the optimised model, limited to
the candidate's abilities, and judged on the candidate when they are complete.
"""

from collections.abc import Callable

from attrs import evolve

from model.abilities import Abilities
from model.candidate import Candidate
from model.optimised import Optimised
from model.program import Program
from properties.judging.finding import Finding
from properties.judging.judge import Run, carry_out
from properties.search import Search, Searcher, Watcher, report_end, report_step


class DrawnPrograms(Watcher):
    """Collects the programs that are drawn; *watcher* gets all callbacks but `step` and `ended`."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.programs: list[Program] = []

    def ended(self, run: Run) -> None:
        self.programs.append(run.so_far)

    def found(self, program: Program, finding: Finding) -> None:
        # A finding while drawing is a difference between optimised model and reference: report it.
        self._watcher.found(program, finding)

    def rejected(self, call: str) -> None:
        self._watcher.rejected(call)

    def avoided(self, oddity: str) -> None:
        self._watcher.avoided(oddity)

    def enough(self) -> bool:
        return self._watcher.enough()


def predrawn(searcher: Searcher) -> Searcher:
    """A search that draws programs by *searcher*, and passes each to the candidate as a whole."""

    def search(search: Search, number: int) -> None:
        drawn = DrawnPrograms(search.watcher)
        make = model_within(search.candidate().abilities)
        searcher(evolve(search, candidate=make, watcher=drawn), number)
        for program in drawn.programs:
            if program.steps and not _judge(search, program):
                return

    search.__doc__ = f"{searcher.__doc__} The candidate gets each program as a whole."
    return search


def model_within(abilities: Abilities) -> Callable[[], Candidate]:
    """A subclass of the optimised model that has only *abilities*."""
    return type("Limited", (Optimised,), {"abilities": abilities})


def _judge(search: Search, program: Program) -> bool:
    """Judge *program*; False if something was found."""
    run = Run(search.candidate(), program.mappings, program.semantics, complete=program)
    for finding in carry_out(run, program):
        report_step(search, run)
        if finding:
            search.watcher.found(run.so_far, finding)
            return False
    return report_end(search, run)
