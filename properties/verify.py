# SPDX-License-Identifier: MIT

"""The main job: search; store, reduce and report the failing program; count the coverage."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext

from attrs import evolve

from model.program import Program
from model.under_test import Fate
from properties.candidates import Spec, Tested
from properties.coverage.covered import Coverage
from properties.coverage.matrices import combinations
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT, shrunk
from properties.reports.failure import Failure
from properties.reports.store import Store
from properties.search import SEED_STRIDE, Search, Searcher, Tally, forget

#: Code is rare until RARE steps have run it.
RARE = 64

#: Number of rounds after which it is looked again which changed lines have not run.
LOOK_EVERY = 8


class _Collector(Tally):
    """A Tally that also counts coverage, and reports it to *progress* every 200 steps."""

    def __init__(self, store: Store, progress: Callable[[Coverage], None]) -> None:
        super().__init__(store.keep)
        self.rounds = 0
        self.by_turn: Counter[int] = Counter()
        self._coverage = Coverage()
        self._progress = progress
        self._started = time.monotonic()
        self._wanted: AbstractSet[str] = frozenset()
        self._met: Counter[str] = Counter()

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

    def ran(self, counters: Iterable[str]) -> bool:
        rare = False
        for name in counters:
            met = self._met[name]
            self._met[name] = met + 1
            if met < RARE or (self._wanted and name.partition("#")[0] in self._wanted):
                rare = True
        return rare

    def look(self, tested: Tested | None) -> None:
        """Find the functions whose changed lines have not all run, unless all have."""
        if tested is None or self.rounds % LOOK_EVERY or (self.rounds and not self._wanted):
            return
        changed = tested.changes(tested.under_test()) or ()
        self._wanted = {one.function for one in changed if one.fate is Fate.NEVER}

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def coverage(self) -> Coverage:
        return evolve(
            self._coverage,
            rounds=self.rounds,
            by_turn=self.by_turn,
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
    tested: Tested | None = None,
    progress: Callable[[Coverage], None] = lambda _coverage: None,
) -> tuple[Coverage, tuple[Program, Finding] | None]:
    """Search until a program fails, or for *rounds* or *seconds*.

    Returns the coverage, and the first program that failed, or else the first dearer one.

    :param searchers: Each round calls the next of them in turn, to draw and judge programs.
    :param store: Keeps the programs that fail.
    :param rounds: Number of rounds; if None, as many as *seconds* allow.
        The same seed and number of rounds draw the same programs.
    :param tested: Knows what of the candidate ran; searches first do what reaches changed code.
    """
    collector = _Collector(store, progress)
    search = evolve(search, watcher=collector)
    while collector.failure is None:
        # The comparison is negated so that NaN seconds end the search too, after one round.
        if rounds is None and collector.rounds and not collector.seconds() < seconds:
            break
        if collector.rounds == rounds:
            break
        collector.look(tested)
        number = seed * SEED_STRIDE + collector.rounds
        turn = collector.rounds % len(searchers)
        before = collector.steps
        with tested.listening(collector.rounds) if tested else nullcontext():
            searchers[turn](search, number)
        collector.by_turn[turn] += collector.steps - before
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
