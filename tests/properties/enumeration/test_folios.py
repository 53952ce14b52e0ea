# SPDX-License-Identifier: MIT

"""The calls of folios in enumerations: which steps there are, and that they find what is wrong."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.optimised import Optimised
from model.semantics import SEMANTICS
from model.steps import Pin
from properties.enumeration.exhaustive import judge_scope
from properties.enumeration.next_steps import NextSteps
from properties.enumeration.scope import DEFAULT_VALUES, Scope
from properties.faults import FAULTS
from properties.judging.finding import Finding
from properties.judging.ledger import Ledger
from properties.search import Search, Tally, Watcher
from tests.helpers import program

CALLS = ("unpin_folio", "unpin_folios", "unpin_user_folio", "folio_add_pin", "folio_add_pins")
SCOPE = Scope(
    steps=2,
    compound=2,
    order=1,
    listed=2,
    calls=(Pin.call, *CALLS),
    values={**DEFAULT_VALUES, "n": (1, 2), "npages": (None, -14)},
    semantics=SEMANTICS["7.3"],
)


def steps(call, most=2):
    """The steps of *call* after three pins of two folios, which name up to *most* pages."""
    made = program('a = mapping("driver", orders=[1, 0])', "h1 = pin_user_pages(a[1:3] + a[1:2])")
    made = evolve(made, semantics=SCOPE.semantics)
    ledger = Ledger.after(made, made.steps)
    after = NextSteps(SCOPE, made.mappings[0], ledger, 2, most)
    return [step.text() for step in after.steps(call) if "npages" not in step.text()]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("unpin_folio", ["a[0:1]", "a[2:3]"]),
        ("folio_add_pin", ["a[0:1]", "a[2:3]"]),
        ("unpin_user_folio", ["a[0:1]", "a[0:1], n=2", "a[2:3]"]),
        ("folio_add_pins", ["a[0:1]", "a[0:1], n=2", "a[2:3]", "a[2:3], n=2"]),
        (
            "unpin_folios",
            [
                *("a[0:0]", "a[0:1]", "a[0:1]*2", "a[0:1] + a[2:3]"),
                *("a[2:3]", "a[2:3] + a[0:1]"),
            ],
        ),
    ],
)
def test_steps(call, expected):
    """Each folio is named by its head alone, as often as it has pins."""
    assert [f"{call}({arguments})" for arguments in expected] == steps(call)


@pytest.mark.parametrize("call", CALLS)
def test_no_more_pages(call):
    """A step names no more pages than the program may still name."""
    assert set(steps(call, most=0)) <= {"unpin_folios(a[0:0])"}


def told(candidate, scope):
    """The finding of an enumeration of *scope*, or the number of programs."""
    tally = Tally()
    judge_scope(Search(candidate, scope.semantics, watcher=tally), scope)
    return tally.worst[1] if tally.worst else tally.programs


def test_what_is_right():
    """The optimised model agrees in every program of a scope."""
    assert told(Optimised, SCOPE) > 100


@pytest.mark.parametrize(
    "name", ["LastOfRunStays", "OnePinOfFolio", "AddsOneReference", "AddsToPincountOnce"]
)
def test_what_is_wrong(name):
    """A planted bug shows in one of them."""
    assert isinstance(told(FAULTS[name].candidate, SCOPE), Finding)


def test_many_pins():
    """Numbers of pins that the reference would take too long for are left to the ledger."""
    alone = set()

    class Listening(Watcher):
        def step(self, run, reached):
            alone.update((step.n, run.alone) for step in run.steps if step.call != Pin.call)

    few = {"compound": 1, "order": 0, "listed": 1, "calls": (Pin.call, "folio_add_pins")}
    scope = evolve(SCOPE, **few, values={**SCOPE.values, "n": (1, (1 << 21) - 2)})

    assert judge_scope(Search(Optimised, SCOPE.semantics, watcher=Listening()), scope)
    assert {(1, False), ((1 << 21) - 2, True)} == alone
