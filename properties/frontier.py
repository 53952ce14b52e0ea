# SPDX-License-Identifier: MIT

"""The rounds of a search that have ended: counted in the order of their numbers."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from attrs import evolve

from properties.coverage.covered import Coverage, Part

#: Rounds are guided by all before the last GENERATION, or up to twice as many.
GENERATION = 16


class Frontier:
    """Counts rounds that end in any order.

    :param searches: Number of searches that take turns.
    :ivar number: All rounds before this one have ended, and are counted.
    """

    def __init__(self, searches: int) -> None:
        self.number = 0
        self._searches = searches
        self._started = time.monotonic()
        self._ahead: dict[int, Part] = {}
        self._begun: dict[int, Part] = {}
        self._total = Coverage()
        self._guides: list[dict[str, int]] = [{}]

    @property
    def seconds(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._started

    def begun(self, number: int, part: Part | None) -> None:
        """The round *number* has given *part* so far; None: it begins again."""
        self._begun.pop(number, None)
        if part is not None:
            self._begun[number] = part

    def end(self, number: int, part: Part, last: int | None) -> None:
        """The round *number* has ended with *part*; no round after the *last* counts."""
        self.begun(number, None)
        self._ahead[number] = part
        while self.number in self._ahead and (last is None or self.number <= last):
            self._add(self.number, self._ahead.pop(self.number))
            self.number += 1
            if self.number % GENERATION == 0:
                self._guides.append(dict(self._total.met))

    def guide(self, number: int) -> dict[str, int] | None:
        """What the rounds that guide the round *number* met; None if they have not all ended."""
        generation = max(number // GENERATION - 1, 0)
        return self._guides[generation] if generation < len(self._guides) else None

    @property
    def rest(self) -> Collection[Part]:
        """What rounds gave that are not counted."""
        return (self._begun | self._ahead).values()

    def count_rest(self) -> None:
        """Count them all the same."""
        for number, part in sorted((self._begun | self._ahead).items()):
            self._add(number, part)

    def coverage(self, more: Iterable[Part] = ()) -> Coverage:
        """What is counted; of *more*, only programs and steps."""
        total, more = self._total, tuple(more)
        return evolve(
            total,
            rounds=max(self.number, 1),
            programs=total.programs + sum(part.programs for part in more),
            steps=total.steps + sum(part.steps for part in more),
            seconds=self.seconds,
        )

    def _add(self, number: int, part: Part) -> None:
        self._total = self._total.plus(part, number % self._searches)
