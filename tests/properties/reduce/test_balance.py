# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.optimised import Optimised
from model.parse import parse_program
from model.program import check
from model.steps import GetPage
from properties.judging.ledger import Ledger
from properties.reduce.balance import MOST_UNPINNED, put_fewer, unmap_fewer, unpin_fewer
from properties.reduce.drop import MOST_PAIRS, drop_pairs
from properties.reduce.shortcut import MOST_PAIRED
from properties.search import Search, Watcher
from properties.searches.soak import soak


HEADER = '# headcount 1\nsemantics("5.13")\n'
PAGES = 'a = mapping("driver", orders=[2, 0])\n'
LAST = "map(a[4:5])\n"


def proposed(propose, *lines):
    """What *propose* offers for *lines* when nothing is taken, without header and last step."""
    text = HEADER + PAGES + "".join(f"{line}\n" for line in lines) + LAST
    offers = [p.text().removeprefix(HEADER) for p in propose(parse_program(text))]
    assert all(offer.endswith(LAST) for offer in offers)
    return [offer.removeprefix(PAGES).removesuffix(LAST).splitlines() for offer in offers]


@pytest.mark.parametrize(
    ("got", "put", "left"),
    [(5, 3, ["get_page(a[0:1], n=2)"]), (3, 5, ["put_page(a[1:2], n=2)"]), (3, 3, None)],
)
def test_put_fewer(got, put, left):
    """What is got and put of one head goes down by the smaller number; equal ones go whole."""
    before = "get_page(a[3:4], n=9)"
    get, put_ = f"get_page(a[0:1], n={got})", f"put_page(a[1:2], n={put})"
    less = [f"get_page(a[3:4], n={9 - put})", get]

    assert ([[before, *left], less] if left else [less]) == proposed(put_fewer, before, get, put_)


def test_put_of_others():
    """References of other heads, and of several pages, are left alone."""
    for got in ("get_page(a[4:5], n=5)", "get_page(a[0:2], n=5)", "get_page(a[0:1]*2, n=5)"):
        assert [] == proposed(put_fewer, "get_page(a[0:1], n=3)", got, "map(a[0:1])")
        assert [] == proposed(put_fewer, got, "get_page(a[0:1], n=3)", "put_page(a[0:1], n=3)")


def test_unpin_fewer():
    """The last entries that nothing names go, with the step that unpins as many by another name."""
    pin = "h1 = pin_user_pages(a[0:3] + a[4:5])"
    own, other = "unpin_user_pages(h1[0:1])", "unpin_user_pages(a[3:4]*2)"

    assert [
        ["h1 = pin_user_pages(a[0:2] + a[4:5])", other],
        ["h1 = pin_user_pages(a[0:1] + a[4:5])", own],
    ] == proposed(unpin_fewer, pin, other, own)


def test_many():
    """A page that is pinned and unpinned some hundred times goes so often less at once."""
    assert [["h1 = pin_user_pages(a[3:4] + a[0:1]*4)"]] == proposed(
        unpin_fewer, "h1 = pin_user_pages(a[3:4] + a[0:1]*604)", "unpin_user_pages(a[1:2]*600)"
    )
    most = [f"h1 = pin_user_pages(a[0:1]*{MOST_UNPINNED + 1})", "unpin_user_pages(a[1:2])"]
    assert [] == proposed(unpin_fewer, *most)


def test_pins_that_are_named():
    """Where all other entries are named by other steps, no pin can go."""
    assert [] == proposed(
        unpin_fewer,
        "h1 = pin_user_pages(a[0:3])",
        "unpin_user_pages(a[0:1]*2)",
        "map(h1[1:2])",
        "map(h1[2:3])",
    )


def test_pin_goes_whole():
    """A pin of which nothing is left goes, and one before it gives the rest."""
    assert [["h1 = pin_user_pages(a[0:1])"]] == proposed(
        unpin_fewer,
        "h1 = pin_user_pages(a[0:2])",
        "h2 = pin_user_pages(a[2:4])",
        "unpin_user_page_range_dirty_lock(a[0:3], make_dirty=True)",
    )


def test_region_pins_too():
    """A region that is never released is as good as a pin; one that is released stays."""
    region = "m1 = ib_umem_get(a[0:2])"

    assert [[]] == proposed(unpin_fewer, region, "unpin_user_pages(a[2:4])")
    assert [] == proposed(
        unpin_fewer,
        region,
        "h1 = pin_user_pages(a[4:5])",
        "unpin_user_pages(a[2:4])",
        "h2 = pin_user_pages(a[2:4])",
        "ib_umem_release(m1)",
    )


def test_unmap_fewer():
    """A page that is mapped once less from the start is unmapped once less."""
    text = HEADER + PAGES.replace("]", "], refs=3", 1)
    steps = "unmap(a[0:5])\nh1 = pin_user_pages(a[0:1])\nunmap(a[0:5])\n"
    offers = [p.text() for p in unmap_fewer(parse_program(text + steps + LAST))]

    fewer = text.replace("refs=3", "refs=2")
    assert [
        fewer + "unmap(a[0:5])\nh1 = pin_user_pages(a[0:1])\n" + LAST,
        fewer + "h1 = pin_user_pages(a[0:1])\nunmap(a[0:5])\n" + LAST,
    ] == offers
    assert [] == proposed(unmap_fewer, "unmap(a[0:1])")


def test_drop_pairs():
    """Every two steps but the last are tried without, with what used them."""
    pin, other, unpin = "h1 = pin_user_pages(a[0:1])", "map(a[1:2])", "unpin_user_pages(h1[0:1])"

    assert [[pin], [other], []] == proposed(drop_pairs, pin, other, unpin)
    assert proposed(drop_pairs, *["map(a[0:1])"] * MOST_PAIRS)
    assert not proposed(drop_pairs, *["map(a[0:1])"] * (MOST_PAIRS + 1))


class Last(Watcher):
    """Remembers the program that came to its end."""

    program = None

    def ended(self, run):
        self.program = run.so_far


def books(program):
    """What is held of each head at the end of *program*."""
    ledger = Ledger.after(program, program.steps)
    return {head: (h.pins, h.gets, h.maps) for head, h in ledger.known() if h.pins or h.gets}


@pytest.mark.parametrize("propose", [put_fewer, unpin_fewer])
def test_same_state(propose):
    """As much less of both leaves what is held in the end, where it keeps the contract."""
    offers = broken = 0
    for seed in range(120):
        watcher = Last()
        soak(Search(Optimised, watcher=watcher), seed, MOST_PAIRED - 4)
        if any(isinstance(s, GetPage) and s.n > 1 << 20 for s in watcher.program.steps):
            # Near 2^31 fewer references mean more pins.
            continue
        before = books(watcher.program)
        for offer in propose(watcher.program):
            check(offer)
            offers += 1
            try:
                after = books(offer)
            except BadInput:
                # A pin that was refused, or a page that would now be freed before.
                broken += 1
                continue
            assert before == after

    assert offers > 20
    assert broken < offers / 2
