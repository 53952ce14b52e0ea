# SPDX-License-Identifier: MIT

"""Long-term pins in the ledger: it counts the tries of the models without making them."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from tests.helpers import program

MOVABLE = 'a = mapping("hugetlb", orders=[9, 9], movable=True{})'
LATER = ', isolates="later"'
ENOMEM = -12


@pytest.mark.parametrize(
    ("attributes", "pages", "returned", "counts"),
    [
        ("", "a[0:1] + a[512:513]", 2, (4, 2)),
        (LATER, "a[0:1] + a[512:513]", 2, (6, 4)),
        (LATER, "a[0:1] + a[512:513] + a[1:2]", 3, (9, 6)),
        (LATER, "a[0:1] + a[512:513] + a[1:2] + a[513:514]", 4, (12, 8)),
        (LATER + ", migrates=False", "a[0:1]", -12, (2, 2)),
        (", migrates=False", "a[0:1]*2 + b[0:1]", -12, (3, 3)),
        ("", "b[0:1] + a[0:1]", 2, (4, 2)),
        ("", "b[0:1]", 1, (1, 0)),
    ],
)
def test_tries(attributes, pages, returned, counts):
    """Each try pins and unpins the whole list; what is isolated later needs one more."""
    made = program(
        MOVABLE.format(attributes),
        'b = mapping("base", orders=[0])',
        f"h1 = pin_user_pages({pages}, FOLL_LONGTERM)",
    )
    ledger = Ledger(made.semantics, made.mappings)

    assert returned == ledger.take(made.steps[0])
    assert counts == (ledger.acquired, ledger.released)
    assert judge(made, Optimised()).finding is None


def test_tries_of_a_region():
    """What one batch of a region has tried to isolate the next isolates at once.

    The first batch pins one page, and the other twice in vain; the second begins with that.
    """
    made = program(
        MOVABLE.format(LATER + ", migrates=False"),
        'b = mapping("base", orders=[0])',
        "m1 = ib_umem_get(b[0:1] + a[0:1])",
    )
    ledger = Ledger(made.semantics, made.mappings)

    assert ENOMEM == ledger.take(made.steps[0])
    assert (4, 4) == (ledger.acquired, ledger.released)
    assert judge(made, Optimised()).finding is None


@pytest.mark.parametrize("later", ["", LATER])
def test_others_move(later):
    """If a page cannot move, the others of that try have moved, as booted kernels showed."""
    made = program(
        MOVABLE.format(later),
        'b = mapping("base", orders=[0], movable=True, migrates=False)',
        "h1 = pin_user_pages(a[0:1] + b[0:1] + a[512:513], FOLL_LONGTERM)",
        "h2 = pin_user_pages(a[0:1] + a[512:513], FOLL_LONGTERM)",
    )
    ledger = Ledger(made.semantics, made.mappings)

    assert ENOMEM == ledger.take(made.steps[0])
    assert 2 == ledger.take(made.steps[1])
    moved = not later  # else they are not isolated in that try
    assert (5, 3) == (ledger.acquired, ledger.released) if moved else (9, 7)
    assert judge(made, Optimised()).finding is None


@pytest.mark.parametrize("held", ["get_page(a[0:1])", "h2 = pin_user_pages(a[0:1])"])
def test_held(held):
    """Of a page that others hold no pin stays, and afterwards it may be moved."""
    made = program(
        MOVABLE.format(""),
        held,
        "h1 = pin_user_pages(a[512:513] + a[0:1], FOLL_LONGTERM)",
        "m1 = ib_umem_get(a[512:513] + a[0:1])",
        "m2 = ib_umem_get(a[512:513])",
    )
    ledger = Ledger(made.semantics, made.mappings)

    assert [-12, -12, 1] == [ledger.take(step) for step in made.steps][1:]
    assert judge(made, Optimised()).finding is None


def test_large_region():
    """A region of 2^21 pages that have to move, which the ledger judges alone."""
    made = program(
        'a = mapping("hugetlb", orders=[18]*8, movable=True, isolates="later")',
        "m1 = ib_umem_get(a[0:2097152])",
        "ib_umem_release(m1)",
    )

    verdict = judge(made, Optimised())
    assert verdict.alone
    assert verdict.finding is None
