# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.parse import parse_program
from properties.reduce.limit import at_limit
from properties.reduce.repeat import MOST, repeat_most, repeat_one, repeat_two


HEADER = '# headcount 1\nsemantics("5.13")\n'


def offered(propose, *lines):
    """What *propose* offers for *lines* when nothing is taken, without header."""
    program = parse_program(HEADER + "".join(f"{line}\n" for line in lines))
    return [p.text().removeprefix(HEADER).splitlines() for p in propose(program)]


def test_one_page():
    """The first page is named alone, and other compound pages go."""
    pages = 'a = mapping("base", orders=[0, 0])'
    offers = offered(repeat_one, pages, "h1 = pin_user_pages(a[1::-1])", "clean(h1[0:1])")

    assert [pages, "h1 = pin_user_pages(a[1:2]*2)", "clean(h1[0:1])"] == offers[0]
    assert [
        'a = mapping("base", orders=[0])',
        "h1 = pin_user_pages(a[0:1]*2)",
        "clean(h1[0:1])",
    ] in offers


def test_two_pages_by_turns():
    """The first page and its next, or the last, by turns; no other compound page stays."""
    offers = offered(
        repeat_two, 'a = mapping("driver", orders=[0, 1, 0, 2])', "h1 = pin_user_pages(a[0:5])"
    )

    assert [
        ['a = mapping("driver", orders=[0, 1])', "h1 = pin_user_pages(a[0:2]*2 + a[0:1])"],
        ['a = mapping("driver", orders=[0, 1])', "h1 = pin_user_pages(a[1::-1]*2 + a[1:2])"],
        ['a = mapping("driver", orders=[0, 2])', "h1 = pin_user_pages(a[0:2]*2 + a[0:1])"],
        ['a = mapping("driver", orders=[0, 2])', "h1 = pin_user_pages(a[1::-1]*2 + a[1:2])"],
    ] == offers


def test_two_pages_stay():
    """A list of one page, or of two, names few enough."""
    for pages in ("a[0:1]*9", "a[0:2]*9", "a[0:2]"):
        lines = ('a = mapping("base", orders=[0, 0])', f"h1 = pin_user_pages({pages})")
        assert [] == offered(repeat_two, *lines)


def test_other_mappings_go_where_no_list_names_them():
    """A mapping whose pages no list names any longer goes as a whole."""
    offers = offered(
        repeat_two,
        'a = mapping("base", orders=[0, 0])',
        'b = mapping("base", orders=[0])',
        "h1 = pin_user_pages(a[0:2] + b[0:1])",
    )

    assert ['a = mapping("base", orders=[0, 0])', "h1 = pin_user_pages(a[0:2] + a[0:1])"] in offers


def test_most_of_a_long_list():
    """A long list names one page but for its end, from the start of a compound page or as it was.

    What a region says of its entries stays.
    """
    offers = offered(
        repeat_most,
        'a = mapping("driver", orders=[2, 9])',
        "m1 = ib_umem_get(a[7:107], max_segment=8192)",
    )

    assert [
        'a = mapping("driver", orders=[9])',
        "m1 = ib_umem_get(a[0:1]*99 + a[1:2], max_segment=8192)",
    ] == offers[0]
    assert [
        'a = mapping("driver", orders=[1])',
        "m1 = ib_umem_get(a[0:1]*99 + a[1:2], max_segment=8192)",
    ] in offers
    assert [
        'a = mapping("driver", orders=[9])',
        "m1 = ib_umem_get(a[100:101]*98 + a[101:103], max_segment=8192)",
    ] in offers


@pytest.mark.parametrize("pages", ["a[0:32]", "a[0:4]*20"])
def test_short_or_plain_enough(pages):
    """A list that is short, or names few pages, is left to other passes."""
    lines = ('a = mapping("driver", orders=[9])', f"h1 = pin_user_pages({pages})")

    assert [] == offered(repeat_most, *lines)


def test_many_compound_pages_are_left_alone():
    """Where there are very many compound pages, which of them are named is not looked at."""
    mapping = f'a = mapping("base", orders=[0]*{MOST + 1})'
    offers = offered(repeat_two, mapping, "h1 = pin_user_pages(a[0:3])")

    assert [mapping, "h1 = pin_user_pages(a[0:2] + a[0:1])"] == offers[0]


@pytest.mark.parametrize(
    "grab", ["h1 = pin_user_pages(", "h1 = get_user_pages(", "m1 = ib_umem_get("]
)
def test_at_limit(grab):
    """One page, whose counter can take a reference and not two, in the place of all else."""
    lines = ('a = mapping("base", orders=[0, 0])', "unmap(a[1:2])", f"{grab}a[0:2])")

    assert [
        [
            'a = mapping("base", orders=[0])',
            "get_page(a[0:1], n=2147483646)",
            f"{grab}a[0:1]*2)",
        ]
    ] == offered(at_limit, *lines)


def test_what_grabs_nothing_has_no_limit():
    """A step that takes no references is not refused any."""
    lines = ('a = mapping("base", orders=[0])', "unmap(a[0:1])")

    assert [] == offered(at_limit, *lines)
