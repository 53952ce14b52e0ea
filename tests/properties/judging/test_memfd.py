# SPDX-License-Identifier: MIT

"""What the ledger says of `memfd_pin_folios`: what it may be called for, and what it must do."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.judging.holdings import ContractBroken
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from tests.helpers import program

FILE = 'a = mapping("page-cache", orders=[3, 2, 0, 0]{})'
SMALL, LARGE = (
    f'{name} = mapping("hugetlb", orders=[{order}], pfn={pfn})'
    for name, order, pfn in (("b", 2, 0x14), ("c", 3, 0x18))
)
PAGE = 'd = mapping("page-cache", orders=[0], pfn=0x13)'
BASE = 'e = mapping("base", orders=[0, 0])'
ABSENT = ", present=False"
MOVABLE = ", movable=True"
FULL = "get_page(a[8:9], n=2147483646)"


def books(*lines):
    """The program of *lines*, and the ledger after all of its steps but the last."""
    made = program(*lines, semantics="7.3")
    return made, Ledger.after(made, made.steps[:-1])


@pytest.mark.parametrize(
    ("attributes", "before", "returned", "counts"),
    [
        ("", [], 3, (3, 0)),
        (ABSENT, [], 3, (3, 0)),
        (ABSENT + ', fault="retry"', [], 3, (3, 0)),
        (ABSENT + ', fault="oom"', [], -12, (0, 0)),
        ("", [FULL], -22, (1, 1)),
        (MOVABLE, [], 3, (6, 3)),
        (MOVABLE + ', isolates="later"', [], 3, (9, 6)),
        (MOVABLE + ABSENT, [], 3, (3, 0)),
        (MOVABLE, ["get_page(a[0:1])"], -12, (3, 3)),
    ],
)
def test_entered(attributes, before, returned, counts):
    """What the call returns, and what it counts on the way; the models agree."""
    made, ledger = books(FILE.format(attributes), *before, "h1 = memfd_pin_folios(a[1:13])")
    base = ledger.acquired

    assert returned == ledger.take(made.steps[-1])
    assert counts == (ledger.acquired - base, ledger.released)
    assert max(returned, 0) == len(ledger.table.get("h1", ())) == len(ledger.pinned)
    assert judge(made, Optimised()).finding is None


def test_no_room():
    """Without room for a folio the call fails, whatever is there."""
    made, ledger = books(FILE.format(""), "h1 = memfd_pin_folios(a[0:1], max_folios=0)")

    assert -22 == ledger.take(made.steps[-1])
    assert judge(made, Optimised()).finding is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([BASE, "h1 = memfd_pin_folios(e[0:2])"], "which is base memory, not page-cache or"),
        (
            [SMALL, LARGE, "h1 = memfd_pin_folios(b[0:4] + c[0:8])"],
            "whose order is not 2: two files",
        ),
        (
            [SMALL, PAGE, "h1 = memfd_pin_folios(d[0:1] + b[0:4])"],
            "which is hugetlb memory and not page-cache",
        ),
        (
            [FILE.format(""), "unmap(a[8:9])", "h1 = memfd_pin_folios(a[0:13])"],
            "which is not mapped: not in the file",
        ),
    ],
)
def test_refused(lines, message):
    """What is not in one file breaks the contract; nothing is entered then."""
    made, ledger = books(*lines)

    with pytest.raises(ContractBroken, match=message):
        ledger.take(made.steps[-1])
    assert (0, 0) == (ledger.acquired, ledger.released)
