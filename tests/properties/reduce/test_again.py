# SPDX-License-Identifier: MIT

"""What is said of a program that failed and does not fail again."""

from __future__ import annotations

from itertools import count
from typing import ClassVar

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.optimised import Optimised
from properties.judging.judge import judge
from properties.reduce import Reduced, reduce
from properties.reduce.again import RUNS
from properties.reduce.smallest import smallest
from tests.helpers import program

WHOLE = program(
    'a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\nunpin_user_page(a[0:1])\n'
)
#: The number of calls of `Global`.
calls = count()


class Wrong(Optimised):
    """Never unpins, whatever happened before."""

    def unpin_user_page(self, page):
        pass


FINDING = judge(WHOLE, Wrong()).finding


class Leaks(Optimised):
    """Keeps the pages that it unpinned in its class, and fails from the tenth on."""

    seen: ClassVar = []

    def unpin_user_page(self, page):
        self.seen.append(page)
        if len(self.seen) < 10:
            super().unpin_user_page(page)


class Global(Optimised):
    """Counts in its module."""

    def unpin_user_page(self, page):
        if next(calls) < 1_000:
            super().unpin_user_page(page)


def moody(*turns):
    """A candidate that fails at the calls that *turns* says, with nothing in class or module."""
    left = iter(turns)

    class Moody(Optimised):
        def unpin_user_page(self, page):
            if not next(left, False):
                super().unpin_user_page(page)

    return Moody


class Few(Optimised):
    """Cannot unpin single pages."""

    abilities = Abilities("few", calls=frozenset({"pin_user_pages"}))


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        pytest.param(
            Leaks,
            "it did not fail by itself: the candidate keeps Leaks.seen from program to program",
            id="class",
        ),
        pytest.param(
            Global,
            "it did not fail by itself: the candidate keeps calls from program to program",
            id="module",
        ),
        pytest.param(
            moody(False, True, False, True),
            f"it failed in 2 of {RUNS} runs: the candidate does not do the same thing twice",
            id="moody",
        ),
        pytest.param(
            Optimised,
            f"it did not fail in {RUNS} runs by itself: "
            "by chance, or by what earlier programs left",
            id="never",
        ),
        pytest.param(
            Few, "it was not reduced: few has no unpin_user_page()", id="cannot be judged"
        ),
    ],
)
def test_why(candidate, said):
    """Why a program does not fail again is told as far as it is known, and no further."""
    Leaks.seen.clear()
    result = reduce(WHOLE, FINDING, candidate)

    assert said == result.text()
    assert (WHOLE, False) == (result.program, result.repeats)
    assert result == smallest(result, candidate)


def test_fails_only_after_others():
    """A reduced program that fails only after those before it is told as that, not as proved."""
    Leaks.seen.clear()
    result = smallest(Reduced(WHOLE, FINDING, 1), Leaks)

    assert "it did not fail by itself: the candidate keeps Leaks.seen" in result.text()
    assert not result.proved


def test_contract_broken():
    """A program that breaks the contract is not said to be of a candidate that changes."""
    steps = (*WHOLE.steps[1:], *WHOLE.steps)
    result = reduce(evolve(WHOLE, steps=steps), evolve(FINDING, index=2), Wrong)

    assert result.text().startswith("it was not reduced: ")


def test_wrong_is_reduced():
    """What fails each time is reduced and proved."""
    assert smallest(reduce(WHOLE, FINDING, Wrong), Wrong).proved
