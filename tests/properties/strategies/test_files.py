# SPDX-License-Identifier: MIT

"""Programs about files in memory: what they draw, and that it keeps the contract."""

from __future__ import annotations

from model.errors import BadInput
from model.memfd import FILE_KINDS
from model.program import Program, check
from model.semantics import SEMANTICS
from properties.judging.ledger import Ledger
from properties.strategies.dice import Dice
from properties.strategies.files import IN_FILE, draw_file

NEWEST = SEMANTICS["7.3"]
ROWS = [(kind, order) for kind, orders in NEWEST.orders.items() for order in sorted(orders)]


def drawn(rows=ROWS, programs=300):
    """Programs with a ledger that each of their steps was entered in, or refused by."""
    for number in range(programs):
        mapping, steps = draw_file(Dice(number), rows)
        ledger = Ledger(NEWEST, [mapping])
        taken = []
        for step in steps:
            try:
                taken.append((step, ledger.take(step)))
            except BadInput:
                # Where nothing was pinned there is nothing to unpin.
                assert step.unpins or rows is not ROWS, step
        check(Program((mapping,), tuple(step for step, _ in taken), NEWEST))
        yield mapping, taken, ledger


def test_drawn():
    """Files of each kind, with all that pages may be, whose folios are pinned and unpinned."""
    programs = [*drawn()]
    returned = {number for _, taken, _ in programs for _, number in taken}
    calls = {step.call for _, taken, _ in programs for step, _ in taken}

    assert set(FILE_KINDS) == {mapping.kind for mapping, _, _ in programs}
    assert set(IN_FILE) == {mapping.attributes for mapping, _, _ in programs}
    assert {"memfd_pin_folios", "unpin_folios", "unpin_user_pages", "get_page"} <= calls
    assert {-22, -12, 1} <= returned
    assert max(number or 0 for number in returned) > 31


def test_all_are_unpinned():
    """What was pinned is unpinned again, where all of it was: the number of folios is right."""
    both = [
        (taken, ledger)
        for _, taken, ledger in drawn()
        if [step.call for step, _ in taken].count("memfd_pin_folios") == 1 and taken[-1][0].unpins
    ]

    assert len(both) > 20
    assert all(not ledger.pinned for _, ledger in both)


def test_without_files():
    """Where there are none, the steps are drawn all the same, and refused."""
    for _, taken, _ in drawn([("driver", 0), ("driver", 3)], 20):
        assert "memfd_pin_folios" not in {step.call for step, _ in taken}
