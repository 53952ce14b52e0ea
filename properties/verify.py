# SPDX-License-Identifier: MIT

"""The main job: rounds of searches, side by side; keep and reduce what fails; count the coverage.

Which processes run the rounds has no effect on the result. Rounds are numbered; the failure is that
of the lowest number; and what guides a round is what earlier rounds met, up to a number that does
not depend on how many of them have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from model.candidate import Unavailable
from model.program import Program
from model.under_test import Fate
from properties.candidates import Tested
from properties.coverage.covered import Coverage, Part
from properties.frontier import Frontier
from properties.judging.contained import Container
from properties.judging.finding import Finding
from properties.processes.crew import HANGS, Crew, Heard, Here
from properties.reduce import Reduced
from properties.reports.store import Store
from properties.rounds import Guidance
from properties.search import Search, Searcher
from properties.tasks import Lines, Reduction, Round, Tasks

#: Number of rounds after which it is looked again which changed lines have not run.
LOOK_EVERY = 8

#: Seconds that reducing may take in any case, if the time to search is over.
LEAST_REDUCING = 3.0

#: Seconds that processes have to tell what they did last, at the end and after an interrupt.
LAST_WORDS, LAST_WORDS_INTERRUPTED = 1.0, 0.3

#: This many processes may end for no reason that is found again when their round is repeated.
MOST_LOST = 3


@frozen
class Ended:
    """The end of a search.

    :param reduced: The first program that failed, or else the first dearer one, reduced.
    :param whole: Whether it was reduced to the end, and not until the time was over.
    :param also: Files with programs of other signatures, which were found before it.
    :param cut: Number of steps of rounds that the end cut short. The coverage has them only if no
        round has ended, so that it is that of the number of rounds which repeats it.
    :param begun: Whether no round has ended.
    :param lost: How processes ended, for no reason that was found again.
    """

    coverage: Coverage
    reduced: Reduced | None = None
    whole: bool = True
    also: Sequence[Path] = ()
    lost: Sequence[str] = ()
    cut: int = 0
    begun: bool = False
    interrupted: bool = False


@frozen
class Means:
    """How a search runs.

    :param jobs: Number of processes; 0: none but this one.
    :param safe: Makes candidates that a process of their own contains; None if this is not needed,
        as the candidate does nothing that ends a process.
    :param memory: Limit of memory of a process beside what this one has, in bytes; None: no limit.
    :param interrupted: Whether the search is to end now.
    :param progress: Called now and then with the coverage, and with what is being done.
    """

    jobs: int = 0
    safe: Container | None = None
    memory: int | None = None
    interrupted: Callable[[], bool] = bool
    progress: Callable[[Coverage, str], None] = lambda _coverage, _what: None


def verify(
    searchers: Sequence[Searcher],
    search: Search,
    store: Store,
    seed: int,
    *,
    rounds: int | None = None,
    seconds: float = 10.0,
    tested: Tested | None = None,
    means: Means = Means(),
) -> Ended:
    """Search until a program fails, or for *rounds* or *seconds*.

    :param searchers: Each round calls the next of them in turn, to draw and judge programs.
    :param store: Keeps the programs that fail.
    :param rounds: Number of rounds; if None, as many as *seconds* allow, but at least one.
        The same seed and number of rounds give the same result.
    :param tested: Knows what of the candidate ran; searches first do what reaches changed code.
    """
    hunt = _Hunt(searchers, search, store, seed, rounds, seconds, tested, means)
    return hunt.run()


class _Hunt:
    """A search: which task is next, and what was heard of the others."""

    def __init__(
        self,
        searchers: Sequence[Searcher],
        search: Search,
        store: Store,
        seed: int,
        rounds: int | None,
        seconds: float,
        tested: Tested | None,
        means: Means,
    ) -> None:
        self._strict = search.strict
        self._store = store
        self._rounds = rounds
        # The comparison is such that NaN seconds end the search too.
        self._seconds = seconds if seconds > 0 else 0.0
        self._tested = tested
        self._means = means
        self._crew = self._made(Tasks(searchers, search, seed, tested, means.safe))
        self._frontier = Frontier(len(searchers))
        self._stopping = False
        self._given = 0
        self._again: list[Round] = []
        self._looking = tested is not None
        self._wanted: frozenset[str] = frozenset()
        self._target: Reduction | None = None
        self._reducing: Reduction | None = None
        self._reduced: Reduced | None = None
        self._best: tuple[Program, Finding] | None = None
        self._found_at = 0.0
        self._others: dict[str, Path] = {}
        self._died: dict[int, str] = {}
        self._lost: list[str] = []

    def run(self) -> Ended:
        """Search, and reduce what is found."""
        with self._crew as crew:
            while not self._over():
                while crew.room and not self._over() and (task := self._next()) is not None:
                    # A candidate may keep something from program to program: reduce as if replayed.
                    crew.give(task, fresh=isinstance(task, Reduction) or task.contained)
                crew.hear()
                self._show()
            interrupted = self._means.interrupted()
            self._stopping = True
            crew.stop(LAST_WORDS_INTERRUPTED if interrupted else LAST_WORDS)
        return self._ended(interrupted)

    def _made(self, work: Tasks) -> Crew | Here:
        means = self._means
        if not means.jobs:
            return Here(work, self._hears, lambda: self._late or means.interrupted())
        watched = means.safe is not None
        return Crew(work, self._hears, means.jobs, watched=watched, memory=means.memory)

    # Which task is next.

    @property
    def _late(self) -> bool:
        """Whether the time to search is over."""
        if self._rounds is not None or not (self._seconds or self._frontier.number):
            return False
        if not (self._frontier.number or self._frontier.rest or self._target):
            # On a busy machine the first step may come after that time.
            return False
        return not self._frontier.seconds < self._seconds

    @property
    def _last(self) -> int | None:
        """The first round that failed, which ends the search; None if none has."""
        return self._target.number if self._target and self._target.fails else None

    def _over(self) -> bool:
        """Whether all that was to be done is done, or is to end now."""
        if self._means.interrupted():
            return True
        target, last, late = self._target, self._last, self._late
        if self._died and last is None:
            # Nothing agreed that ended its process, so its repetition has to end.
            return False
        if not late:
            end = self._rounds if last is None else last
            if end is None or self._frontier.number < end:
                return False
        if target is None and self._crew.waits:
            # A step that takes long may never end: what is not known to end has not agreed.
            return False
        if target is None or self._reduced is not None:
            return True
        return late and time.monotonic() - self._found_at > LEAST_REDUCING

    def _next(self) -> Round | Reduction | None:
        """The next task; None if there is none now."""
        if self._again:
            return self._again.pop()
        if self._target is not self._reducing:
            self._reducing = self._target
            return self._target
        if self._late or self._given == self._rounds or self._last is not None:
            return None
        number = self._given
        if self._looking and number % LOOK_EVERY == 0:
            if self._frontier.number < number:
                return None
            self._look()
        met = self._frontier.guide(number)
        if met is None:
            return None
        self._given += 1
        return Round(number, Guidance(met, self._wanted))

    def _look(self) -> None:
        """Find the functions whose changed lines have not all run."""
        assert self._tested is not None
        changed = self._tested.changes(self._tested.under_test()) or ()
        self._wanted = frozenset(one.function for one in changed if one.fate is Fate.NEVER)
        self._looking = bool(self._wanted)

    # What is heard of a task.

    def _hears(self, heard: Heard) -> None:
        task, news = heard.task, heard.news
        if heard.died:
            if not self._stopping:
                self._lose(task, heard.died)
        elif isinstance(news, Lines):
            if self._tested:
                self._tested.hear(news.heard)
        elif isinstance(task, Reduction):
            self._hear_reduction(task, news, done=heard.done)
        elif not isinstance(news, Part):
            self._find(task, *news)
        elif heard.done:
            self._end(task, news)
        else:
            self._frontier.begun(task.number, news)

    def _hear_reduction(self, task: Reduction, news: Any, *, done: bool) -> None:
        if task is not self._target:
            return
        if done:
            self._reduced = news
        else:
            self._best = news
            self._store.keep(*news, "--rounds", str(task.number + 1))

    def _find(self, task: Round, program: Program, finding: Finding) -> None:
        """Keep what was found in the round *task*; reduce it if no earlier round found anything.

        What a round finds after the first that failed is passed over: time would decide about it.
        """
        if self._last is not None and task.number > self._last:
            return
        fails = self._strict or finding.oracle != "cost"
        if fails:
            self._died.pop(task.number, None)
        found = Reduction(task.number, program, finding, fails, task.contained)
        if found.hangs and self._means.safe:
            # The store may run what it kept before.
            self._means.safe.hurry()
        path = self._store.keep(program, finding, "--rounds", str(task.number + 1))
        self._others[finding.signature] = path
        target = self._target
        if target is None or found.rank < target.rank:
            self._crew.drop(target)
            self._target, self._reduced, self._best = found, None, None
            self._found_at = time.monotonic()
            if fails:
                self._end_after(task.number)

    def _end_after(self, last: int) -> None:
        """End the rounds after *last*: nothing of them counts, and they may not end by themselves.

        The reduction has to wait for none of them.
        """
        for task in self._crew.tasks:
            if isinstance(task, Round) and task.number > last:
                self._crew.drop(task)
                self._frontier.begun(task.number, None)
        self._again = [task for task in self._again if task.number <= last]

    def _end(self, task: Round, part: Part) -> None:
        """Count the round *task*, which has ended."""
        self._frontier.end(task.number, part, self._last)
        died = self._died.pop(task.number, "")
        if died:
            self._lost.append(f"round {task.number} ended its process, which {died}")
            if len(self._lost) > MOST_LOST:
                raise Unavailable(f"{'; '.join(self._lost)}: but not when they were repeated")

    def _lose(self, task: Round | Reduction, died: str) -> None:
        """Do again what *task* did when its process ended, with candidates that are contained."""
        if self._means.safe is None or (task.contained and isinstance(task, Round)):
            raise Unavailable(f"a process of the search {died}, and not by a step of the candidate")
        if isinstance(task, Round):
            self._frontier.begun(task.number, None)
            self._died[task.number] = died
            self._again.append(evolve(task, contained=True, hangs=died == HANGS))
        elif task is self._target:
            program, finding = self._best or (task.program, task.finding)
            if task.contained:
                self._reduced = Reduced(program, finding, 0)
            else:
                self._target = evolve(task, program=program, finding=finding, contained=True)

    # The end, and what is shown on the way.

    def _show(self) -> None:
        coverage = self._frontier.coverage(self._frontier.rest)
        self._means.progress(coverage, self._target.finding.summary if self._target else "")

    def _ended(self, interrupted: bool) -> Ended:
        frontier = self._frontier
        cut = sum(part.steps for part in frontier.rest)
        if not frontier.number:
            # Not one round has ended: better than nothing is what has run of it.
            frontier.count_rest()
        reduced, target, last = self._reduced, self._target, self._last
        if target and not reduced:
            program, finding = self._best or (target.program, target.finding)
            reduced = Reduced(program, finding, 0)
        mine = reduced.finding.signature if reduced else ""
        coverage = frontier.coverage()
        if last is not None:
            coverage = evolve(coverage, rounds=last + 1)
        return Ended(
            coverage,
            reduced,
            whole=self._reduced is not None,
            also=tuple(path for name, path in sorted(self._others.items()) if name != mine),
            lost=tuple(self._lost),
            cut=cut if last is None else 0,
            begun=not frontier.number,
            interrupted=interrupted,
        )
