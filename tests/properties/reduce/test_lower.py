# SPDX-License-Identifier: MIT

from __future__ import annotations

import re
from itertools import permutations

import pytest

from model.program import check
from properties.reduce.lower import (
    MAX_ORDER_OF_NEIGHBOURS,
    clamp,
    lower_neighbours,
    lower_orders,
    merge,
    unite,
)
from tests.helpers import program
from tests.properties.reduce import programs


def offers(propose, *lines):
    """The texts of what *propose* offers for *lines*, without pfns; asserts that they are valid."""
    texts = programs.offers(propose, *lines)
    for text in texts:
        check(program(text))
    return [re.sub(r", pfn=(\w+|\[.*?\])", "", text) for text in texts]


def written(orders, pages):
    """A program that pins *pages* of a mapping with *orders*."""
    return f'a = mapping("driver", orders={orders})\nh1 = pin_user_pages({pages})\n'


@pytest.mark.parametrize(
    ("orders", "pages", "expected"),
    [
        pytest.param([0, 0], "a[0:2]", {("[0]", "a[0:1]*2")}, id="either stands for the other"),
        pytest.param(
            [2, 1],
            "a[1:6]",
            # Page 1 of the first, and 1, 2, 3 of it become the second's.
            {("[1]", "a[1:2]*3 + a[0:2]"), ("[2]", "a[1:4] + a[0:2]")},
            id="the last page stands for pages that the other does not have",
        ),
        pytest.param([0], "a[0:1]", set(), id="one has no other"),
        pytest.param([0, 0], "a[0:2]*100000", set(), id="too long"),
    ],
)
def test_merge(orders, pages, expected):
    assert {written(*text) for text in expected} == set(offers(merge, written(orders, pages)))


def test_merge_of_three():
    """Every pair in both directions, and pages behind move up."""
    found = list(merge(program(written([0, 0, 0], "a[0:3]"))))

    naive = set()
    for gone, stays in permutations(range(3), 2):
        named = [stays if i == gone else i for i in range(3)]
        naive.add(tuple(i - (i > gone) for i in named))
    assert naive == {tuple(i for _, i in p.steps[0].pages.entries()) for p in found}
    assert {2} == {p.mappings[0].ncompound for p in found}


@pytest.mark.parametrize(
    ("orders", "one"), [("[0, 0]", 1), ("[0, 1, 0]", 2), ("[0]*29 + [2]", 6), ("[9, 2]", 10)]
)
def test_unite(orders, one):
    """All compound pages of a mapping become one of the lowest order that has all their pages."""
    assert [written([one], "a[0:2]")] == offers(unite, written(orders, "a[0:2]"))
    assert [] == offers(unite, written([one], "a[0:2]"))


def test_lowered_pages_keep_their_frames():
    """If the last pages of a compound page stay, they stay next to the compound page behind it."""
    text = 'a = mapping("driver", orders=[7, 0], pfn=0x3ff80)\nh1 = pin_user_pages(a[127:129])\n'

    assert (
        'a = mapping("driver", orders=[0, 0], pfn=0x3ffff)\nh1 = pin_user_pages(a[0:2])\n'
    ) in programs.offers(lower_orders, text)


def test_clamp():
    """The pages that stay stand for those that go, at each lower order."""
    assert {written("[0]", "a[0:1]*4"), written("[1]", "a[0:2] + a[1:2]*2")} == set(
        offers(clamp, written([2], "a[0:4]"))
    )
    assert [] == offers(clamp, written([0, 0], "a[0:2]"))


def test_clamp_moves_the_others():
    """Only the pages of that compound page are named anew, and those behind it move up."""
    assert written("[0, 0, 0]", "a[0:2] + a[1:3]") in offers(clamp, written([0, 1, 0], "a[0:4]"))


def test_clamp_changes_the_kind():
    """If pages of that kind have no such order, they become a driver's."""
    huge = 'a = mapping("thp", orders=[9])\nh1 = pin_user_pages(a[5:6])\n'

    assert written("[1]", "a[1:2]") in offers(clamp, huge)


def test_clamp_of_what_is_allocated_again():
    """An allocation of the page is made at its new size, whole or in single pages."""
    found = offers(
        clamp,
        'a = mapping("driver", orders=[2])',
        "unmap(a[0:1])\nalloc_pages(a[0:4], orders=[1, 1])\nh1 = pin_user_pages(a[3:4])",
    )

    assert {
        "alloc_pages(a[0:2], orders=[0, 0])",
        "alloc_pages(a[0:2], orders=[1])",
        "alloc_pages(a[0:1], orders=[0])",
    } == {line for text in found for line in text.splitlines() if "alloc" in line}


def test_neighbours():
    """Pages stay as far from the boundary as they are, on either side, if there are as many."""
    found = offers(lower_neighbours, written([1, 2], "a[0:5]"))

    assert {
        written("[0, 0]", "a[0:1]*2 + a[1:2]*3"),
        written("[0, 1]", "a[0:1]*2 + a[1:3] + a[2:3]"),
        written("[1, 0]", "a[0:3] + a[2:3]*2"),
        written("[0, 2]", "a[0:1]*2 + a[1:4]"),
        written("[1, 1]", "a[0:4] + a[3:4]"),
        written("[2, 0]", "a[2:5] + a[4:5]*2"),
    } == set(found)


def test_neighbours_still_touch():
    """Compound pages that touch still touch, though a lower order comes first."""
    text = 'a = mapping("driver", orders=[0, 1, 2, 0], pfn=0x1001)\nh1 = pin_user_pages(a[2:4])\n'
    found = programs.offers(lower_neighbours, text)

    touching = 'a = mapping("driver", orders=[0] + [0, 2, 0], pfn=[0x1001, 0x1003])\n'
    assert any(touching in text for text in found)


def test_lowest_neighbours_first():
    """The lowest orders are tried first."""
    sums = [p.size()[2] for p in lower_neighbours(program(written([3, 3], "a[7:9]")))]

    assert sums == sorted(sums)
    assert 5 == max(sums)


def test_others_move():
    """Pages before the two stay, those behind move up, and every two neighbours are tried."""
    found = offers(lower_neighbours, written([0, 1, 0, 1], "a[0:6]"))

    assert written("[0, 0, 0, 1]", "a[0:2] + a[1:5]") in found
    assert written("[0, 1, 0, 0]", "a[0:5] + a[4:5]") in found


def test_neighbours_left_alone():
    """Single pages, high orders, long lists, and programs that allocate pages are left alone."""
    high = written([MAX_ORDER_OF_NEIGHBOURS + 1, 0], "a[0:1]")
    again = 'a = mapping("driver", orders=[1, 1])\nunmap(a[0:1])\nalloc_pages(a[0:2], orders=[1])\n'

    for text in (written([0] * 3, "a[0:2]"), high, again, written([1, 1], "a[0:1]*100000")):
        assert [] == offers(lower_neighbours, text)
    assert [] != offers(lower_neighbours, written([MAX_ORDER_OF_NEIGHBOURS, 0], "a[0:1]"))
