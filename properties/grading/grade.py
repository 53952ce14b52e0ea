# SPDX-License-Identifier: MIT

"""The grade of a search on a fault over several trials, and how trials are run."""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from statistics import median, quantiles

from attrs import frozen

from properties.grading.trial import Found, Result, Trial, run
from properties.processes.forked import end_with

#: The budgets of these searches are divided by these factors, because a step of theirs takes
#: that many times as long as one of soak.
SHARES = {"wide": 100, "machine": 2}


def budget(search: str, steps: int) -> int:
    """The budget of *search* in steps, if that of soak is *steps*."""
    return max(1, steps // SHARES.get(search, 1))


def results(trials: Sequence[Trial], jobs: int) -> Generator[Result, None, None]:
    """Run *trials* in *jobs* processes; yield each result when it is ready.

    Closing the generator waits for the trials that are running, and starts no others.
    """
    if jobs == 1:
        yield from map(run, trials)
        return
    with ProcessPoolExecutor(jobs, initializer=_follow, initargs=(os.getpid(),)) as pool:
        try:
            for future in as_completed([pool.submit(run, trial) for trial in trials]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _follow(parent: int) -> None:
    """Let this process end with the process *parent*, which handles Ctrl-C for all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


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
