# SPDX-License-Identifier: MIT

"""What a search covered: programs, steps, situations, and what it could not draw."""

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import field, frozen


@frozen
class Coverage:
    """What a search covered.

    :param rounds: Number of rounds; with the seed it repeats the search.
    :param reached: Number of steps that reached each coverage point: the situations and
        the combinations, by name.
    :param rejected: For each call, number of draws without a usable step.
    :param avoided: For each known oddity, number of steps skipped because of it.
    :param by_turn: Number of steps of each search, by its place among the searches.
    """

    rounds: int = 0
    programs: int = 0
    steps: int = 0
    seconds: float = 0.0
    reached: Counter[str] = field(factory=Counter)
    rejected: Counter[str] = field(factory=Counter)
    avoided: Counter[str] = field(factory=Counter)
    by_turn: Counter[int] = field(factory=Counter)

    def missed(self, points: Iterable[str]) -> list[str]:
        """Those of *points* that no step reached."""
        return [point for point in points if point not in self.reached]

    def steps_by(self, names: Sequence[str]) -> Counter[str]:
        """The number of steps of each search, if the searches are called *names*."""
        steps: Counter[str] = Counter()
        for turn, count in self.by_turn.items():
            steps[names[turn]] += count
        return steps
