# SPDX-License-Identifier: MIT

"""The grade of a search on a fault over several trials, and how trials are run."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from statistics import median, quantiles

from attrs import frozen

from model.candidate import Unavailable
from properties.grading.trial import Found, Result, Trial, run
from properties.processes.alone import Interrupted
from properties.processes.crew import Crew, Heard, Tell

#: The budgets of these searches are divided by these factors, because a step of theirs takes
#: that many times as long as one of soak.
SHARES = {"wide": 100, "machine": 2}


def budget(search: str, steps: int) -> int:
    """The budget of *search* in steps, if that of soak is *steps*."""
    return max(1, steps // SHARES.get(search, 1))


def results(
    trials: Sequence[Trial], jobs: int, interrupted: Callable[[], bool] = bool
) -> Iterator[Result]:
    """Run *trials* in *jobs* processes; yield each result when it is ready.

    :raises Interrupted: if *interrupted* becomes true, which ends the trials that are running.
    """
    heard: list[Heard] = []
    with Crew(_run, heard.append, jobs, watched=False, memory=None) as crew:
        waiting = deque(trials)
        while waiting or crew.tasks:
            while waiting and crew.room:
                crew.give(waiting.popleft())
            crew.hear()
            if interrupted():
                raise Interrupted
            for one in heard:
                if one.died:
                    raise Unavailable(f"a process with a trial of {one.task.candidate} {one.died}")
                yield one.news
            heard.clear()


def _run(trial: Trial, _tell: Tell) -> Result:
    return run(trial)


@frozen
class Grade:
    """The results of a search on a fault, one for each seed.

    :param smallest: The smallest size known for each signature.
    """

    results: Sequence[Result]
    smallest: dict[str, tuple[int, ...]]

    @property
    def solved(self) -> list[Result]:
        """The trials that found the fault."""
        return [r for r in self.results if r.found]

    @property
    def whole(self) -> bool:
        """Whether there are trials and each found the fault."""
        return bool(self.results) and len(self.solved) == len(self.results)

    def spread(self, value: Callable[[Result], float]) -> tuple[float, float, float] | None:
        """Lower quartile, median, upper quartile of *value* over `solved`; None if empty."""
        values = [value(r) for r in self.solved]
        if not values:
            return None
        if len(values) == 1:
            return values[0], values[0], values[0]
        low, _, high = quantiles(values, n=4, method="inclusive")
        return low, median(values), high

    @property
    def reduced(self) -> list[Found]:
        """The findings that were reduced."""
        return [r.found for r in self.results if r.found and r.trial.reduce]

    def is_smallest(self, found: Found) -> bool:
        """Whether no smaller program with the signature of *found* is known."""
        return found.size <= self.smallest.get(found.signature, found.size)
