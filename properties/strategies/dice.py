# SPDX-License-Identifier: MIT

"""Random choices. Their only source is ``randrange`` of a `random.Random`.

Hypothesis passes its own, whose numbers it can replay and shrink; 0 is always the plainest
choice. Other searches pass a `Dice`.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice(Random):
    """A `random.Random` whose ``randrange`` uses only ``getrandbits``.

    ``Random.randrange`` has changed between Python versions; ``getrandbits`` has not.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._bits = self.getrandbits

    def randrange(self, n: int) -> int:  # type: ignore[override]
        """A number from 0 to *n* - 1, biased by less than 1/2^12."""
        if n < 1 << 20:
            return self._bits(32) * n >> 32
        return self._bits(128) * n >> 128


def among(random: Random, choices: Sequence[T]) -> T:
    """One of *choices*; the first one is the plainest."""
    return choices[random.randrange(len(choices))]


def one_in(random: Random, n: int) -> bool:
    """True with probability 1/*n*."""
    return random.randrange(n) == n - 1
