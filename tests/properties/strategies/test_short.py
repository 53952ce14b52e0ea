# SPDX-License-Identifier: MIT

from __future__ import annotations

from collections import Counter

import pytest

from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, placed
from model.pagelist import span
from model.semantics import DEFAULT
from model.steps import STEPS, PinUserPages, UnpinUserPages
from properties.judging.ledger import Ledger
from properties.searches.soak import SHORT_WEIGHTS
from properties.strategies.dice import Dice
from properties.strategies.short import MAX_HELD, NEAR_ENDS, UNPINNING, ShortSteps, _spots
from properties.strategies.steps import RandomSteps


@pytest.mark.parametrize(
    "n", [1, 2, 3, 10, 1_000, (1 << 20) - 1, 1 << 20, (1 << 32) + 1, 1 << 64, (1 << 100) - 3]
)
def test_dice_in_range(n):
    """A number is at least 0 and below what was asked for, and both halves are met."""
    dice = Dice(5)
    drawn = [dice.randrange(n) for _ in range(200)]

    assert 0 <= min(drawn)
    assert max(drawn) < n
    assert n == 1 or (min(drawn) < n / 2 <= max(drawn))


def test_dice_are_known():
    """A seed gives the same numbers on every Python: a saved round depends on it."""
    dice = Dice(7)

    assert [3, 9, 1, 3, 6, 0, 0, 8, 5, 0, 3, 5] == [dice.randrange(10) for _ in range(12)]
    assert 253470876386056191354 == dice.randrange(1 << 70)
    assert 493690544852139890309 == dice.randrange(1 << 70)
    assert 73248 == dice.randrange((1 << 20) - 1)
    assert 445140 == dice.randrange(1 << 20)


@pytest.mark.parametrize("n", [2, 7, 24, (1 << 19) + 1, 3 << 40, 7 << 100])
def test_dice_are_uniform(n):
    """Each part of the range is met about as often as any other."""
    dice = Dice(11)
    parts = min(n, 24)
    drawn = Counter(dice.randrange(n) * parts // n for _ in range(24_000))
    expected = 24_000 / parts

    assert set(range(parts)) == set(drawn)
    # The sum of squares has a mean of parts - 1, and rarely is twice that and more.
    assert sum((times - expected) ** 2 / expected for times in drawn.values()) < 2 * parts + 10


def test_dice_of_neighbouring_seeds():
    """Rounds are numbered one by one, so numbers that follow each other must not look alike."""
    first = Counter(Dice(number).randrange(8) for number in range(800))

    assert set(range(8)) == set(first)
    assert max(first.values()) < 160


@pytest.fixture
def books():
    """The books of a few small pages, what draws rich steps, and what draws short ones."""
    extents = placed([(2, 1), (1, 1), (0, 2), (3, 1)], FIRST_PFN)
    ledger = Ledger(DEFAULT, (Mapping("a", "driver", extents),))
    steps = RandomSteps(ledger)
    return ledger, steps, ShortSteps(ledger, steps)


def carry_out(books, step):
    """Enter *step* in the books."""
    ledger, steps, short = books
    ledger.take(step)
    steps.taken(step)
    short.taken(step)


UNPIN_LISTS = {
    "unpin_user_pages",
    "unpin_user_pages_dirty_lock",
    "unpin_user_page_range_dirty_lock",
}

CALLS = {
    "pin": {"pin_user_pages"},
    "pin_across": {"pin_user_pages"},
    "pin_again": {"pin_user_pages"},
    "pin_two": {"pin_user_pages"},
    "pin_strided": {"pin_user_pages"},
    "pin_fast": {"pin_user_pages_fast_only"},
    "register": {"ib_umem_get"},
    "region": {"ib_umem"},
    "unpin": {"unpin_user_pages"},
    "unpin_part": {"unpin_user_pages"},
    "unpin_dirty": {"unpin_user_pages_dirty_lock"},
    "unpin_range": {"unpin_user_page_range_dirty_lock"},
    "unpin_one": {"unpin_user_page"},
    "unpin_backwards": {"unpin_user_pages"},
    "unpin_between": {"unpin_user_pages", "unpin_user_pages_dirty_lock"},
    "no_pages": UNPIN_LISTS | {"pin_user_pages", "get_user_pages", "ib_umem_get"},
    "release": {"ib_umem_release"},
    "map": {"map"},
    "unmap": {"unmap"},
    "write": {"set_page_dirty"},
    "clean": {"clean"},
    "get": {"get_page"},
    "put": {"put_page"},
}

GIVING_BACK = ["release", "put", *(form for form in SHORT_WEIGHTS if form in UNPINNING)]


def test_forms_are_known():
    """What is expected here is expected of every form."""
    assert set(SHORT_WEIGHTS) == set(CALLS)


@pytest.mark.parametrize("form", SHORT_WEIGHTS)
def test_form(books, form):
    """Each form gives steps of its calls, of few pages, and keeps the contract mostly."""
    ledger, _, short = books
    dice = Dice(1)
    seen = set()
    refused = 0
    for _ in range(200):
        for before in ("pin", "pin_two", "register", "get", "map"):
            if not (short.crowded and before.startswith("pin")):
                carry_out(books, getattr(short, before)(dice))
        step = getattr(short, form)(dice)
        if step is None:
            continue
        seen.add(step.call)
        assert step.npages_named <= 16
        try:
            carry_out(books, step)
        except BadInput:
            refused += 1

    assert CALLS[form] == seen
    # Two places are no range, and a pinned page may be unmapped already.
    assert refused <= (100 if form in {"unpin_range", "unmap", "region"} else 0)
    assert not any(held.pins < 0 for _, held in ledger.known())


@pytest.mark.parametrize("form", GIVING_BACK)
def test_nothing_to_give_back(books, form):
    """Where nothing is held no form gives any of it back."""
    assert books[2].empty
    assert getattr(books[2], form)(Dice(0)) is None


def test_pins_are_given_back_once(books):
    """Short forms by themselves give each pin back once: none is refused, none is left."""
    ledger, _, short = books
    dice = Dice(3)
    taking = ["pin", "pin_again", "pin_two", "pin_fast"]
    giving = [form for form in SHORT_WEIGHTS if form.startswith("unpin") and form != "unpin_range"]
    for turn in range(1_500):
        forms = giving if turn % 2 or short.crowded else taking
        step = getattr(short, forms[dice.randrange(len(forms))])(dice)
        if step is not None:
            carry_out(books, step)
    while not short.empty:
        carry_out(books, short.unpin(dice))

    assert ledger.acquired == ledger.released > 1_000
    assert {} == ledger.pinned


def test_crowded(books):
    """So many lists may be held, and then pins should be given back."""
    short = books[2]
    dice = Dice(0)
    for _ in range(MAX_HELD):
        assert not short.crowded
        carry_out(books, short.pin(dice))

    assert short.crowded
    carry_out(books, short.unpin(dice))
    assert not short.crowded


def test_unmap_frees_nothing_at_once(books):
    """The last mapping of a page goes only while the page is pinned, so that a put frees it."""
    ledger, _, short = books
    dice = Dice(2)
    for _ in range(300):
        for form in ("map", "unmap", "unmap", "pin"):
            step = getattr(short, form)(dice) if form != "pin" or short.empty else None
            if step is not None and (form != "map" or dice.randrange(2)):
                try:
                    carry_out(books, step)
                except BadInput:
                    continue

    assert {} == ledger.freed
    assert any(not held.maps for _, held in ledger.known())


def test_short_forms_beside_rich_ones(books):
    """Names go on where the others left off, whoever drew the step."""
    _, steps, short = books
    dice = Dice(0)
    made = []
    for i in range(40):
        step = short.pin(dice) if i % 2 else steps.pin_user_pages(dice)
        carry_out(books, step)
        made.append(step.makes)

    assert [f"h{i + 1}" for i in range(40)] == made


@pytest.mark.parametrize(
    ("orders", "offsets"),
    [
        ([(0, 3)], {0, 1, 2}),
        ([(1, 2)], {0, 1, 2, 3}),
        ([(3, 1)], {0, 1, 4, 6, 7}),
        ([(9, 2)], {0, 1, 256, 510, 511, 512, 513, 768, 1022, 1023}),
    ],
    ids=["order-0", "order-1", "order-3", "order-9"],
)
def test_spots(orders, offsets):
    """Pages are named from the edges of compound pages, and from their middle."""
    mapping = Mapping("a", "driver", placed(orders, FIRST_PFN))
    spots = _spots(mapping)

    assert offsets == {at for _, at, _ in spots}
    assert {("a", mapping.npages)} == {(name, npages) for name, _, npages in spots}


def test_spots_of_many():
    """Of a thousand compound pages those at either end are enough."""
    mapping = Mapping("a", "hugetlb", placed([(18, 1024)], 0))
    heads = {at >> 18 for _, at, _ in _spots(mapping)}

    assert {*range(NEAR_ENDS), *range(1024 - NEAR_ENDS, 1024)} == heads


def test_needs():
    """Before anything is held, the calls that need nothing can be drawn, and no others."""
    ledger = Ledger(DEFAULT, (Mapping("a", "driver", placed([(2, 1)], FIRST_PFN)),))
    steps = RandomSteps(ledger)

    assert {call: cls.needs is None for call, cls in STEPS.items()} == {
        call: steps.possible(call) for call in STEPS
    }


def test_needs_are_met(books):
    """What can be drawn changes with what is held."""
    _, steps, short = books

    def now():
        needing = [call for call, cls in STEPS.items() if cls.needs]
        return {call for call in needing if steps.possible(call)}

    carry_out(books, PinUserPages(handle="h1", pages=span("a", 0, 2)))
    pinned = now()
    carry_out(books, UnpinUserPages(pages=span("h1", 0, 2)))
    carry_out(books, short.register(Dice(0)))
    registered = now()
    carry_out(books, short.get(Dice(0)))

    assert "unpin_user_pages" in pinned
    assert not {"ib_umem_release", "put_page", "alloc_pages", "split_huge_page"} & pinned
    assert "ib_umem_release" in registered
    assert "put_page" in now() - registered


def test_needs_of_a_split():
    """A split needs a transparent huge page, from the beginning."""
    ledger = Ledger(DEFAULT, (Mapping("a", "thp", placed([(9, 1)], FIRST_PFN)),))

    assert RandomSteps(ledger).possible("split_huge_page")
