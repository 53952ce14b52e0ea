# SPDX-License-Identifier: MIT

"""The main job: search; store, reduce and report the failing program; count the coverage."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve, field, frozen

from model.program import Program
from properties.candidates import Spec
from properties.coverage.matrices import combinations
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT, shrunk
from properties.reports.failure import Failure
from properties.reports.store import Store
from properties.search import SEED_STRIDE, Search, Searcher, Tally, forget


@frozen
class Coverage:
    """What a search covered.

    :param rounds: Number of rounds; with the seed it repeats the search.
    :param reached: Number of steps that reached each coverage point: the situations and
        the combinations, by name.
    :param rejected: For each call, number of draws without a usable step.
    :param avoided: For each known oddity, number of steps skipped because of it.
    """

    rounds: int = 0
    programs: int = 0
    steps: int = 0
    seconds: float = 0.0
    reached: Counter[str] = field(factory=Counter)
    rejected: Counter[str] = field(factory=Counter)
    avoided: Counter[str] = field(factory=Counter)

    def missed(self, points: Iterable[str]) -> list[str]:
        """Those of *points* that no step reached."""
        return [point for point in points if point not in self.reached]


class _Collector(Tally):
    """A Tally that also counts coverage, and reports it to *progress* every 200 steps."""

    def __init__(self, store: Store, progress: Callable[[Coverage], None]) -> None:
        super().__init__(store.keep)
        self.rounds = 0
        self._coverage = Coverage()
        self._progress = progress
        self._started = time.monotonic()

    def step(self, run: Run, reached: set[str]) -> None:
        super().step(run, reached)
        if reached:
            self._coverage.reached.update(reached)
        if run.record and run.record.ledger.unpinned:
            self._coverage.reached.update(combinations(run.record))
        if self.steps % 200 == 0:
            self._progress(self.coverage())

    def rejected(self, call: str) -> None:
        self._coverage.rejected[call] += 1

    def avoided(self, oddity: str) -> None:
        self._coverage.avoided[oddity] += 1

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def coverage(self) -> Coverage:
        return evolve(
            self._coverage,
            rounds=self.rounds,
            programs=self.programs,
            steps=self.steps,
            seconds=self.seconds(),
        )


def verify(
    searchers: Sequence[Searcher],
    search: Search,
    store: Store,
    seed: int,
    *,
    rounds: int | None = None,
    seconds: float = 10.0,
    progress: Callable[[Coverage], None] = lambda _coverage: None,
) -> tuple[Coverage, tuple[Program, Finding] | None]:
    """Search until a program fails, or for *rounds* or *seconds*.

    Returns the coverage, and the first program that failed, or else the first dearer one.

    :param searchers: Each round calls the next of them in turn, to draw and judge programs.
    :param store: Keeps the programs that fail.
    :param rounds: Number of rounds; if None, as many as *seconds* allow.
        The same seed and number of rounds draw the same programs.
    """
    collector = _Collector(store, progress)
    search = evolve(search, watcher=collector)
    while collector.failure is None:
        # The comparison is negated so that NaN seconds end the search too, after one round.
        if rounds is None and collector.rounds and not collector.seconds() < seconds:
            break
        if collector.rounds == rounds:
            break
        searchers[collector.rounds % len(searchers)](search, seed * SEED_STRIDE + collector.rounds)
        collector.rounds += 1
    return collector.coverage(), collector.worst


def failure_of(
    program: Program,
    finding: Finding,
    spec: Spec,
    store: Store | None = None,
    *,
    prove: int = MAX_TRIES_FOR_REPORT,
    progress: Callable[[int], None] = lambda _tried: None,
) -> Failure:
    """Reduce *program*, which fails with *finding*; return the report on the reduced program.

    :param store: Keeps the reduced program; if None, the report names no file.
    :param prove: Maximum number of smaller programs to try, to prove the result smallest.
    :param progress: Called now and then with the number of programs tried.
    """
    keep = store.keep if store else forget
    reduced = shrunk(program, finding, spec.make, keep, prove, progress)
    failure = Failure(reduced.program, reduced.finding, reduced.text())
    if store is None:
        return failure
    path = store.keep(reduced.program, reduced.finding)
    return failure.kept(path, spec.text, store.trouble)
