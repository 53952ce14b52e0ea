# SPDX-License-Identifier: MIT

"""The searches of ``headcount verify`` tell bugs that were public from ways that are right."""

from __future__ import annotations

import pytest

from properties.searches.registry import TURNS
from tests.helpers import MANY_SEEDS, searched
from tests.public_bugs import EXPECTED

#: As many rounds as ``headcount verify`` does in a few seconds.
ROUNDS = 5 * len(TURNS)


def told(cls, seed):
    """The verdict on the sketch *cls* in one word."""
    tally = searched(cls, seed, ROUNDS)
    if tally.failure:
        return "diverges"
    return "dearer" if tally.dearer else "agrees"


@pytest.mark.parametrize("cls", EXPECTED, ids=lambda cls: cls.__name__)
def test_verdict(cls):
    """Each sketch is told as what it is."""
    assert EXPECTED[cls] == told(cls, 1)


@MANY_SEEDS
@pytest.mark.slow("repeats with nine more seeds")
@pytest.mark.parametrize("seed", range(2, 11))
@pytest.mark.parametrize("cls", EXPECTED, ids=lambda cls: cls.__name__)
def test_verdict_on_more_seeds(cls, seed):
    """The verdict does not depend on the seed."""
    assert EXPECTED[cls] == told(cls, seed)
