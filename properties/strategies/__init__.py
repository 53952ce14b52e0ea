# SPDX-License-Identifier: MIT

"""Strategies: random layouts, lists of pages and steps.

The only source of randomness is ``randrange`` of a `random.Random`. Hypothesis
passes its own, whose numbers it can replay and shrink; 0 is always the plainest
choice.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def among(random: Random, choices: Sequence[T]) -> T:
    """One of *choices*; the first one is the plainest."""
    return choices[random.randrange(len(choices))]


def one_in(random: Random, n: int) -> bool:
    """True with probability 1/*n*."""
    return random.randrange(n) == n - 1
