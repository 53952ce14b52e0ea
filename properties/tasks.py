# SPDX-License-Identifier: MIT

"""What a search has processes do: rounds, and the reduction of what they find."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from attrs import evolve, frozen

from model.program import Program
from properties.candidates import Tested
from properties.judging.contained import Container
from properties.judging.finding import Finding
from properties.judging.watchdog import Watchdog
from properties.processes.crew import Tell
from properties.processes.forked import Stopped
from properties.reduce import MAX_WAITS_FOR_REPORT, reduce
from properties.rounds import Guidance, carried_out
from properties.search import Search, Searcher


@frozen
class Round:
    """A round of the search.

    :param contained: Whether each candidate runs in a process of its own.
    :param hangs: Whether it is known not to end some step.
    """

    number: int
    guidance: Guidance
    contained: bool = False
    hangs: bool = False


@frozen
class Reduction:
    """The reduction of a program, found in the round *number*.

    :param fails: Whether the program ends the search, and is not only dearer.
    """

    number: int
    program: Program
    finding: Finding
    fails: bool
    contained: bool = False

    @property
    def hangs(self) -> bool:
        """Whether the candidate does not end some step."""
        return self.finding.waited

    @property
    def rank(self) -> tuple[bool, int]:
        """What fails goes before what is dearer; then the first round goes first."""
        return not self.fails, self.number


@frozen
class Lines:
    """What a process has heard of the candidate's lines (`Tested.heard`)."""

    heard: Any


class Tasks:
    """Carries out the tasks of one search, in whatever process calls it.

    :param safe: Makes the candidates of tasks that are contained.
    """

    def __init__(
        self,
        searchers: Sequence[Searcher],
        search: Search,
        seed: int,
        tested: Tested | None,
        safe: Container | None,
    ) -> None:
        self._searchers = searchers
        self._search = search
        self._seed = seed
        self._tested = tested
        self._safe = safe
        self._pid = os.getpid()

    def __call__(self, task: Round | Reduction, tell: Tell) -> object:
        """Carry out *task*; the result is a `Part` or a `Reduced`.

        :param tell: Is told of a round each `Part` so far, each program that fails with its
            finding, and `Lines`; of a reduction each smaller program with its finding.
        """
        search = self._search
        if task.contained:
            assert self._safe is not None
            search = evolve(search, candidate=self._safe)
        if task.hangs:
            self._hurry()
        if isinstance(task, Reduction):
            return reduce(
                task.program,
                task.finding,
                search.candidate,
                lambda *found: tell(found),
                waits=MAX_WAITS_FOR_REPORT,
            )
        tested = self._tested
        if tested and self._pid != os.getpid():
            # What the process inherited was heard elsewhere.
            self._pid = os.getpid()
            tested.heard()
        searcher = self._searchers[task.number % len(self._searchers)]
        try:
            with tested.listening(task.number) if tested else nullcontext():
                part = carried_out(
                    searcher,
                    search,
                    self._seed,
                    task.number,
                    task.guidance,
                    lambda *found: tell(found),
                    tell,
                )
        except Stopped:
            if tested:
                tell(Lines(tested.heard()))
            raise
        if tested:
            tell(Lines(tested.heard()))
        return part

    def _hurry(self) -> None:
        """Wait less long for the end of a step: the candidate is known not to end some."""
        Watchdog.hurry()
        if self._safe:
            self._safe.hurry()
