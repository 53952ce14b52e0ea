# SPDX-License-Identifier: MIT

"""What a search covered: programs, steps, situations, and what it could not draw."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

from attrs import evolve, field, frozen


@frozen
class Part:
    """What one round of a search covered, or the beginning of a round.

    :param reached: Number of steps that reached each coverage point: the situations and
        the combinations, by name.
    :param rejected: For each call, number of draws without a usable step.
    :param avoided: For each known oddity, number of steps skipped because of it.
    :param corrected: For each known oddity, number of steps after which a statistic was corrected.
    :param met: For each counter of the candidate's code, number of steps that changed it.
    """

    programs: int = 0
    steps: int = 0
    reached: Counter[str] = field(factory=Counter)
    rejected: Counter[str] = field(factory=Counter)
    avoided: Counter[str] = field(factory=Counter)
    corrected: Counter[str] = field(factory=Counter)
    met: Counter[str] = field(factory=Counter)


@frozen
class Coverage(Part):
    """What a search covered.

    :param rounds: Number of rounds; with the seed it repeats the search.
    :param by_turn: Number of steps of each search, by its place among the searches.
    """

    rounds: int = 0
    seconds: float = 0.0
    by_turn: Counter[int] = field(factory=Counter)

    def plus(self, part: Part, turn: int) -> Self:
        """Add *part*, of the search at the place *turn*; the sum takes over this one's counters."""
        for name in ("reached", "rejected", "avoided", "corrected", "met"):
            getattr(self, name).update(getattr(part, name))
        self.by_turn[turn] += part.steps
        return evolve(self, programs=self.programs + part.programs, steps=self.steps + part.steps)

    def missed(self, points: Iterable[str]) -> list[str]:
        """Those of *points* that no step reached."""
        return [point for point in points if point not in self.reached]

    def steps_by(self, names: Sequence[str]) -> Counter[str]:
        """The number of steps of each search, if the searches are called *names*."""
        steps: Counter[str] = Counter()
        for turn, count in self.by_turn.items():
            steps[names[turn]] += count
        return steps
