# SPDX-License-Identifier: MIT

"""Random numbers for searches without Hypothesis: from a seed, the same on every Python."""

from __future__ import annotations

from random import Random


class Dice(Random):
    """As much of `random.Random` as the strategies use, from ``getrandbits`` alone.

    ``Random.randrange`` has changed between Python versions; the bits have not.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._bits = self.getrandbits

    def randrange(self, n: int) -> int:  # type: ignore[override]
        """A number from 0 to *n* - 1; with less than one part in 2^12 of bias."""
        if n < 1 << 20:
            return self._bits(32) * n >> 32
        return self._bits(128) * n >> 128
