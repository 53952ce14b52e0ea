# SPDX-License-Identifier: MIT

"""One trial: a search on a candidate, with a seed and a budget of steps.

A trial and its result are plain data, so that any executor can run it, and so that a file of
results can be graded later.
"""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_type_hints

from attrs import asdict, fields, frozen

from model.candidate import Candidate
from model.contents import contents
from model.errors import BadInput, about
from model.program import Program
from model.semantics import semantics
from properties import candidates, layouts
from properties.grading.canary import Canary
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.reduce import reduce
from properties.reduce.smallest import smallest
from properties.search import SEED_STRIDE, Search, Tally
from properties.searches import registry

#: A trial ends after this many rounds without a step: the search has nothing left to draw.
MOST_IDLE_ROUNDS = 3

#: Maximum size of a file of results in bytes. 4,000 trials have some 5 MiB.
MAX_BYTES = 1 << 28


@frozen
class Trial:
    """A search on a candidate with one seed.

    :param budget: Number of steps after which the search ends.
    :param levels: Whether the search is repeated to record *reached* and *diverged* of `Result`.
    :param reduce: Whether to reduce the program that fails.
    :param prove: Maximum number of programs to try, to prove that none smaller fails.
    """

    search: str
    candidate: str
    version: str
    seed: int
    budget: int
    levels: bool = True
    reduce: bool = True
    prove: int = 2_000


@frozen
class Found:
    """A program that fails, reduced if the trial says so.

    :param size: Steps, compound pages, sum of orders, pages named.
    :param first: Number of steps of the program before it was reduced.
    :param executions: Number of programs that the reducer ran.
    :param seconds: Time that the reducer took.
    """

    signature: str
    size: tuple[int, int, int, int]
    trace: str
    first: int
    executions: int
    seconds: float
    proved: bool


@frozen
class Result:
    """The result of a trial.

    :param programs: Number of programs up to the first failure, or of all programs.
    :param steps: Number of steps up to the first failure, or of all steps.
    :param reached: The step in which the fault's own code first ran, counted from 1.
    :param diverged: The step in which the fault's snapshot first differed from the optimised
        model's, counted from 1.
    """

    trial: Trial
    programs: int
    steps: int
    seconds: float
    found: Found | None = None
    reached: int | None = None
    diverged: int | None = None


class _Watcher(Tally):
    """Counts steps up to the first failure, or up to the budget."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self.seconds = 0.0
        self._budget = budget
        self._started = time.perf_counter()

    def step(self, run: Run, reached: set[str]) -> None:
        if self.failure is None:
            super().step(run, reached)

    def ended(self, run: Run) -> None:
        if run.dearer:
            # In a trial a dearer step is a failure, but not every search reports it as one.
            self.found(run.so_far, run.dearer)
        elif self.failure is None:
            super().ended(run)

    def found(self, program: Program, finding: Finding) -> None:
        if self.failure is None:
            super().found(program, finding)
            if finding.oracle == "cost":
                # Judging does not stop at a dearer step; do not count the steps that follow it.
                self.steps -= len(program.steps) - finding.index - 1
            self.stop()

    def enough(self) -> bool:
        return self.failure is not None or self.steps >= self._budget

    def stop(self) -> None:
        """Stop the clock, unless it has stopped."""
        self.seconds = self.seconds or time.perf_counter() - self._started


def run(trial: Trial) -> Result:
    """The result of *trial*.

    :raises BadInput: if its candidate, search or semantics are unknown.
    """
    make = candidates.load(trial.candidate).make
    watcher = _searched(trial, make)
    found = None
    if watcher.failure and watcher.steps <= trial.budget:
        found = _found(trial, make, *watcher.failure)
    canary = Canary(make)
    if trial.levels:
        _searched(trial, canary.make, watcher.steps)
    return Result(
        trial,
        watcher.programs,
        watcher.steps,
        watcher.seconds,
        found,
        canary.reached,
        canary.diverged,
    )


def _searched(trial: Trial, make: Callable[[], Candidate], budget: int = 0) -> _Watcher:
    watcher = _Watcher(budget or trial.budget)
    search = Search(make, semantics(trial.version), layouts.shipped(), strict=True, watcher=watcher)
    searcher = registry.load(trial.search)
    made = idle = 0
    while not watcher.enough() and idle < MOST_IDLE_ROUNDS:
        before = watcher.steps
        searcher(search, trial.seed * SEED_STRIDE + made)
        made += 1
        idle = idle + 1 if watcher.steps == before else 0
    watcher.stop()
    return watcher


def _found(
    trial: Trial, make: Callable[[], Candidate], program: Program, finding: Finding
) -> Found:
    first = len(program.steps)
    executions, seconds, proved = 0, 0.0, False
    if trial.reduce:
        started = time.perf_counter()
        reduced = reduce(program, finding, make)
        seconds = time.perf_counter() - started
        executions = reduced.executions
        least = smallest(reduced, make, most=trial.prove)
        program, finding, proved = least.program, least.finding, least.proved
    return Found(
        signature=finding.signature,
        size=program.size().counts,
        trace=program.text(),
        first=first,
        executions=executions,
        seconds=seconds,
        proved=proved,
    )


def text(results: Iterable[Result]) -> str:
    """*results* as a JSON list."""
    return json.dumps([asdict(result) for result in results], indent=1) + "\n"


def line(result: Result) -> str:
    """*result* as a line of JSON, for a file that is written as results come."""
    return json.dumps(asdict(result)) + "\n"


def read(path: Path) -> list[Result]:
    """The results in the file at *path*.

    :raises BadInput: if it cannot be read or is not a list of results.
    """
    data = contents(path, MAX_BYTES, "a file of results")
    with about(path):
        try:
            if data.startswith(b"{"):  # as `line` writes them; the last may not be complete
                lines = data.split(b"\n")
                kept = [json.loads(one) for one in lines[:-1] or lines]
            else:
                kept = json.loads(data)
            return [_result(one) for one in kept]
        except (TypeError, KeyError, ValueError, RecursionError):
            msg = "holds no results; headcount faults --json FILE writes them"
            raise BadInput(msg) from None


def _result(kept: dict[str, Any]) -> Result:
    found = kept["found"]
    if found is not None:
        found = _made(Found, {**found, "size": tuple(map(int, found["size"]))})
    trial = _made(Trial, kept["trial"])
    result: Result = _made(Result, {**kept, "trial": trial, "found": found})
    return result


def _made(cls: type[Any], kept: dict[str, Any]) -> Any:
    """An object of *cls*, whose fields are the items of *kept*.

    :raises KeyError: if fields are missing or unknown.
    :raises TypeError: if a value has the wrong type.
    """
    if {field.name for field in fields(cls)} != kept.keys():
        raise KeyError
    for name, hint in get_type_hints(cls).items():
        kinds: Any = {float: (float, int), tuple[int, int, int, int]: tuple}.get(hint, hint)
        if not isinstance(kept[name], kinds):
            raise TypeError
    return cls(**kept)
