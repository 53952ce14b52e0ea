# SPDX-License-Identifier: MIT

"""What trials of one search on one fault come to, and how they are run."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from signal import SIG_IGN, SIGINT, signal
from statistics import median, quantiles
from typing import TYPE_CHECKING

from attrs import frozen

from properties.grading.trial import Found, Result, Trial, run


if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

#: A search whose steps cost so many times as much gets so much less of them.
SHARES = {"wide": 100, "machine": 2}


def budget(search: str, steps: int) -> int:
    """The budget of *search*, where soak's is *steps*."""
    return max(1, steps // SHARES.get(search, 1))


def results(trials: Sequence[Trial], jobs: int) -> Generator[Result, None, None]:
    """Run *trials* on *jobs* processes; each result as it comes.

    Whoever stops listening waits for those that are under way, and no others begin.
    """
    if jobs == 1:
        yield from map(run, trials)
        return
    # An interrupt reaches all processes of the terminal, and is for this one.
    with ProcessPoolExecutor(jobs, initializer=signal, initargs=(SIGINT, SIG_IGN)) as pool:
        try:
            for future in as_completed([pool.submit(run, trial) for trial in trials]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@frozen
class Grade:
    """How a search does on a fault, over some seeds.

    :param smallest: The smallest size known for each signature.
    """

    results: Sequence[Result]
    smallest: dict[str, tuple[int, ...]]

    @property
    def solved(self) -> list[Result]:
        """The trials that found it."""
        return [r for r in self.results if r.found]

    @property
    def whole(self) -> bool:
        """Whether every trial found it, and there was one."""
        return bool(self.results) and len(self.solved) == len(self.results)

    def spread(self, value: Callable[[Result], float]) -> tuple[float, float, float] | None:
        """First quartile, median and third quartile of *value* over what was solved."""
        values = [value(r) for r in self.solved]
        if not values:
            return None
        if len(values) == 1:
            return values[0], values[0], values[0]
        low, _, high = quantiles(values, n=4, method="inclusive")
        return low, median(values), high

    @property
    def reduced(self) -> list[Found]:
        """What was found and then reduced."""
        return [r.found for r in self.results if r.found and r.trial.reduce]

    @property
    def at_smallest(self) -> int:
        """How many reductions ended at the smallest size known for what they found."""
        return sum(map(self.is_smallest, self.reduced))

    def is_smallest(self, found: Found) -> bool:
        """Whether none is known to be smaller that fails as *found* does."""
        return found.size <= self.smallest.get(found.signature, found.size)

    @property
    def proved(self) -> int:
        """How many of them are proved to be the smallest of their scope."""
        return sum(f.proved for f in self.reduced)
