# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.program import check
from model.world import GetPage
from properties.judging.ledger import Ledger
from properties.reduce.balance import MAX_PAGES_BALANCED, MAX_STEPS_BALANCED, balance
from tests.helpers import plain, soaked
from tests.properties.reduce import programs

PAGES = 'a = mapping("driver", orders=[2, 0])\n'
LAST = "set_page_dirty(a[4:5])\n"
MANY = MAX_PAGES_BALANCED + 1


def offers(*lines, refs=1):
    """What is offered for *lines*: the lines of each, and references of the mapping if not 1."""
    pages = PAGES.replace("]", f"], refs={refs}") if refs > 1 else PAGES
    found = [offer.splitlines() for offer in programs.offers(balance, pages, *lines, LAST)]
    assert all(offer[-1] == LAST.strip() for offer in found)
    return [offer[1:-1] for offer in found]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # Steps that undo each other, whatever is between.
        (["map(a[0:1])", "clean(a[4:5])", "unmap(a[0:1])"], [["clean(a[4:5])"]]),
        (["set_page_dirty(a[0:1])", "map(a[0:1])", "clean(a[0:1])"], [["map(a[0:1])"]]),
        (["unmap(a[0:1])", "map(a[0:1])"], []),
        # The smaller number of both.
        (["get_page(a[0:1], n=5)", "put_page(a[1:2], n=3)"], [["get_page(a[0:1], n=2)"]]),
        (["get_page(a[0:1], n=3)", "put_page(a[1:2], n=5)"], [["put_page(a[1:2], n=2)"]]),
        (["get_page(a[0:1], n=3)", "put_page(a[1:2], n=3)"], [[]]),
        (
            ["get_page(a[3:4], n=9)", "get_page(a[0:1], n=3)", "put_page(a[1:2], n=3)"],
            [
                ["get_page(a[3:4], n=9)"],
                ["get_page(a[3:4], n=6)", "get_page(a[0:1], n=3)"],
            ],
        ),
        # Pins of the same heads that nothing else names; the last entries go first.
        (
            ["h1 = pin_user_pages(a[0:3] + a[4:5])", "unpin_user_pages(a[3:4]*2)"],
            [["h1 = pin_user_pages(a[0:1] + a[4:5])"]],
        ),
        (
            ["h1 = pin_user_pages(a[0:3] + a[4:5])", "unpin_user_pages(h1[0:1])"],
            [["h1 = pin_user_pages(a[0:2] + a[4:5])"]],
        ),
        (
            ["h1 = pin_user_pages(a[3:4] + a[0:1]*604)", "unpin_user_pages(a[1:2]*600)"],
            [["h1 = pin_user_pages(a[3:4] + a[0:1]*4)"]],
        ),
        # A pin of which nothing is left goes, and one before it gives the rest.
        (
            [
                "h1 = pin_user_pages(a[0:2])",
                "h2 = pin_user_pages(a[2:4])",
                "unpin_user_page_range_dirty_lock(a[0:3], make_dirty=True)",
            ],
            [["h1 = pin_user_pages(a[0:1])"]],
        ),
        # All other entries are named; or the lists are long.
        (
            [
                "h1 = pin_user_pages(a[0:3])",
                "unpin_user_pages(a[0:1]*2)",
                "map(h1[1:2])",
                "map(h1[2:3])",
            ],
            [],
        ),
        ([f"h1 = pin_user_pages(a[0:1]*{MANY})", "unpin_user_pages(a[1:2])"], []),
        (["h1 = pin_user_pages(a[0:1])", "unpin_user_pages(a[0:0])"], []),
        # An error value unpins none.
        (["h1 = pin_user_pages(a[0:1])", "unpin_user_pages(a[0:1], npages=-14)"], []),
        # A region that is never released is as good as a pin.
        (["m1 = ib_umem_get(a[0:2])", "unpin_user_pages(a[2:4])"], [[]]),
        (
            [
                "m1 = ib_umem_get(a[0:2])",
                "unpin_user_pages(a[2:4])",
                "h2 = pin_user_pages(a[2:4])",
                "ib_umem_release(m1)",
            ],
            [],
        ),
    ],
)
def test_balance(steps, expected):
    assert expected == offers(*steps)


def test_mapped_from_the_start():
    """A page that is mapped once less from the start is unmapped once less."""
    whole = [PAGES.replace("]", "], refs=3"), "unmap(a[0:5])\n", "clean(a[0:1])\n", LAST]

    assert ["".join([whole[0].replace("3", "2"), *whole[2:]])] == programs.offers(balance, *whole)
    assert [] == offers("unmap(a[0:1])")


def test_long_programs():
    """Equal amounts are not looked for where that would be many tries."""
    pair = ["map(a[0:1])", "unmap(a[0:1])"]

    assert offers(*pair * (MAX_STEPS_BALANCED // 2))
    assert not offers(*pair * (MAX_STEPS_BALANCED // 2 + 1))


def counts(whole):
    """What is held of each head at the end of *whole*."""
    ledger = Ledger.after(whole, whole.steps)
    return {
        head: (h.pins, h.gets, h.maps - ledger.first_refs(head))
        for head, h in ledger.known()
        if h.pins or h.gets
    }


def splits(whole):
    """The compound pages of each mapping at the end of *whole*."""
    ledger = Ledger.after(whole, whole.steps)
    return [ledger.extents(mapping) for mapping in whole.mappings]


def unpins(whole):
    """The number of steps that unpin."""
    return sum(step.unpins for step in whole.steps)


@pytest.mark.parametrize(
    "seeds",
    [range(30), pytest.param(range(30, 120), marks=pytest.mark.slow("the same from more seeds"))],
)
def test_same_state(seeds):
    """Fewer pins and unpins leave what is held in the end, where the rest keeps the contract."""
    made = broken = 0
    for seed in seeds:
        whole = soaked(seed, MAX_STEPS_BALANCED - 4)
        if any(isinstance(s, GetPage) and s.n > 1 << 20 for s in whole.steps):
            # Near 2^31 fewer references mean more pins.
            continue
        if not plain(whole):
            # Long-term pins fail, or move pages, by what is held.
            continue
        before = counts(whole)
        for offer in balance(whole):
            check(offer)
            if unpins(offer) == unpins(whole):
                continue
            made += 1
            try:
                after = counts(offer)
            except BadInput:
                # A pin that was refused, or a page that is now freed before.
                broken += 1
                continue
            if splits(whole) != splits(offer):
                # A split that was refused, because of the pins that are gone.
                broken += 1
                continue
            assert before == after

    assert made > 20
    assert broken < made / 2
