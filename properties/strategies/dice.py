# SPDX-License-Identifier: MIT

"""Seeded random numbers for searches without Hypothesis, the same on every Python version."""

from random import Random


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
