# SPDX-License-Identifier: MIT

"""What the ledger says of the calls of folios."""

from __future__ import annotations

import pytest

from properties.judging.holdings import ContractBroken
from properties.judging.ledger import Ledger
from tests.helpers import program

A = 'a = mapping("driver", orders=[2, 0], pfn=0x10)'
FOUR, ONE = 0x10, 0x14
PINS = "h1 = pin_user_pages(a[0:5])"


def books(*lines):
    """The ledger after all statements of *lines* but the last, and that last step."""
    made = program(*lines, semantics="7.3")
    return Ledger.after(made, made.steps[:-1]), made.steps[-1]


@pytest.mark.parametrize(
    ("statement", "four", "one", "statistics", "runs"),
    [
        ("unpin_folio(a[3:4])", (4, 3), (1025, 0), (5, 1), [(FOUR, 1)]),
        ("unpin_user_folio(a[3:4], n=3)", (2, 1), (1025, 0), (5, 3), [(FOUR, 3)]),
        ("unpin_user_folio(a[3:4], n=0)", (5, 4), (1025, 0), (5, 0), []),
        (
            "unpin_folios(a[0:2] + NULL + a[2:3] + a[4:5])",
            (2, 1),
            (1, 0),
            (5, 4),
            [(FOUR, 2), (FOUR, 1), (ONE, 1)],
        ),
        ("unpin_folios(a[0:2], npages=-14)", (5, 4), (1025, 0), (5, 0), []),
        ("folio_add_pin(a[3:4])", (6, 5), (1025, 0), (6, 0), []),
        ("folio_add_pins(a[4:5], n=3)", (5, 4), (4 * 1024 + 1, 0), (8, 0), []),
    ],
)
def test_entered(statement, four, one, statistics, runs):
    """Pins and statistics after the call, and the runs for which puts are needed."""
    ledger, step = books(A, PINS, statement)
    returned = ledger.take(step)

    assert (0 if "add_pins" in statement else None) == returned
    assert [four, one] == [ledger.looks(head)[0][:2] for head in (FOUR, ONE)]
    assert statistics == (ledger.acquired, ledger.released)
    assert runs == ledger.unpinned_runs
    assert ("npages=-14" in statement) == ledger.warned


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["unpin_folio(a[0:1])"], r"unpins 1 of a\+0, where 0 are held"),
        ([PINS, "unpin_user_folio(a[1:2], n=5)"], r"unpins 5 of a\+0, where 4 are held"),
        ([PINS, "unpin_user_folio(a[1:2], n=-14)"], "takes n=-14 as a number of pins"),
        ([PINS, "unpin_folios(a[4:5]*2)"], r"unpins 2 of a\+4, where 1 are held"),
        (["unmap(a[4:5])", "unpin_user_folio(a[4:5], n=0)"], r"of a\+4, which is free"),
        (["folio_add_pin(a[4:5])"], r"adds pins to a\+4, which is not pinned"),
        (["folio_add_pins(a[0:1])"], r"adds pins to a\+0, which is not pinned"),
        ([PINS, "folio_add_pins(a[0:1], n=2147483644)"], "whose counts have no room"),
        ([PINS, "folio_add_pins(a[4:5], n=4194303)"], "whose counts have no room"),
    ],
)
def test_refused(lines, complaint):
    """What breaks the contract is refused, and not entered."""
    ledger, step = books(A, *lines)
    before = (ledger.looks(FOUR), ledger.looks(ONE), ledger.acquired, ledger.released)

    with pytest.raises(ContractBroken, match=complaint):
        ledger.take(step)

    assert before == (ledger.looks(FOUR), ledger.looks(ONE), ledger.acquired, ledger.released)


@pytest.mark.parametrize(
    ("statement", "returned", "pins"),
    [("folio_add_pins(a[4:5], n=3)", -12, 1), ("folio_add_pin(a[4:5])", None, 2)],
)
def test_past_the_limit(statement, returned, pins):
    """folio_add_pins() refuses and warns where the refcount is negative, folio_add_pin() adds."""
    ledger, step = books(
        A, "get_page(a[4:5], n=2147483646)", "h1 = pin_user_pages(a[4:5])", statement
    )

    assert returned == ledger.take(step)
    assert pins == ledger.held(ONE).pins == ledger.acquired
    assert (returned is not None) == ledger.warned


def test_most_pins():
    """As many pins as counts have room for."""
    for statement in ("folio_add_pins(a[0:1], n=2147483643)", "folio_add_pins(a[4:5], n=4194302)"):
        ledger, step = books(A, PINS, statement)

        assert 0 == ledger.take(step)
