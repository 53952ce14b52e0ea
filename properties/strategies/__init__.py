# SPDX-License-Identifier: MIT

"""How programs are drawn: layouts, lists of pages, and steps that keep the contract.

Everything is drawn from ``randrange`` of some `random.Random` and nothing
else. Hypothesis hands in one of its own, whose numbers it can shrink; 0 is
always the plainest choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar


if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

T = TypeVar("T")


def among(random: Random, choices: Sequence[T]) -> T:
    """One of *choices*, the first being the plainest."""
    return choices[random.randrange(len(choices))]


def one_in(random: Random, n: int) -> bool:
    """True once in *n* times."""
    return random.randrange(n) == n - 1
