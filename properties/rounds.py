# SPDX-License-Identifier: MIT

"""One round of a search, and what it gave: plain data, so that any process can run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from attrs import evolve, field, frozen

from model.program import Program
from properties.coverage.covered import Part
from properties.coverage.matrices import combinations
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.search import SEED_STRIDE, Search, Searcher, Tally

#: Code is rare until RARE steps have run it.
RARE = 64

#: Seconds between two reports of a round on how far it is.
REPORT_EVERY = 0.25


@frozen
class Guidance:
    """What earlier rounds found out about the candidate's code: new code is drawn more often.

    :param met: As in `Part`, of all earlier rounds that count.
    :param wanted: Functions that were changed, and of which not all changed lines have run.
    """

    met: Mapping[str, int] = field(factory=dict)
    wanted: AbstractSet[str] = frozenset()


class Collector(Tally):
    """Counts what a round reaches.

    :param keep: Called with each program that fails or is dearer, as soon as it is found.
    :param report: Called now and then with the `Part` so far. It may raise, to end the round.
    """

    def __init__(
        self,
        guidance: Guidance,
        keep: Callable[[Program, Finding], object],
        report: Callable[[Part], object],
    ) -> None:
        super().__init__(keep)
        self._guidance = guidance
        self._part = Part()
        self._report = report
        self._next = time.monotonic() + REPORT_EVERY

    def step(self, run: Run, reached: set[str]) -> None:
        self.steps += 1
        part = self._part
        if reached:
            part.reached.update(reached)
        if run.corrected:
            part.corrected[run.corrected.name] += 1
        if run.record and run.record.ledger.unpinned:
            part.reached.update(combinations(run.record))
        if time.monotonic() > self._next:
            self._report(self.part())
            self._next = time.monotonic() + REPORT_EVERY

    def rejected(self, call: str) -> None:
        self._part.rejected[call] += 1

    def avoided(self, oddity: str) -> None:
        self._part.avoided[oddity] += 1

    def ran(self, counters: Iterable[str]) -> bool:
        rare = False
        met, (before, wanted) = self._part.met, (self._guidance.met, self._guidance.wanted)
        for name in counters:
            count = met[name]
            met[name] = count + 1
            count += before.get(name, 0)
            if count < RARE or (wanted and name.partition("#")[0] in wanted):
                rare = True
        return rare

    def part(self) -> Part:
        """What the round gave so far."""
        return evolve(
            self._part,
            programs=self.programs,
            steps=self.steps,
        )


def carried_out(
    searcher: Searcher,
    search: Search,
    seed: int,
    number: int,
    guidance: Guidance,
    keep: Callable[[Program, Finding], object],
    report: Callable[[Part], object],
) -> Part:
    """The round *number* of *searcher* with *seed*; the other parameters are `Collector`'s."""
    collector = Collector(guidance, keep, report)
    searcher(evolve(search, watcher=collector), seed * SEED_STRIDE + number)
    return collector.part()
