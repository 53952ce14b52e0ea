# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from model.pagelist import Group, PageList, Slice
from properties.reduce.lists import ALL, CannotRewrite
from properties.reduce.mappings import with_order, without_compound
from properties.reduce.remove import without_entries, without_pages, without_steps
from tests.helpers import program, text_of

PAGES = 'a = mapping("driver", orders=[2, 2])\n'
BODY = (
    PAGES + "h1 = pin_user_pages(a[0:8])\n"
    "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\n"
    "unpin_user_pages(h1[6:1:-1] + h2[0:1])\n"
)
ALLOC = PAGES + "alloc_pages(a[0:8], orders=[0, 0, 1, 2])\n"
REGION = (
    PAGES + "h1 = pin_user_pages(a[0:8])\n"
    "m1 = ib_umem(sg(h1[0:4], 16000) + sg(h1[6:7], 100), nmap=2)\n"
    "ib_umem_release(m1)\n"
)


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        pytest.param(
            BODY,
            {"a": [(2, 5)]},
            "h1 = pin_user_pages(a[0:5])\n"
            "h2 = pin_user_pages_fast_only(a[2:3], changed=0)\n"
            "unpin_user_pages(h1[3:1:-1])\n",
            id="slices, handles and positions move",
        ),
        pytest.param(BODY, {"a": ALL}, "", id="all"),
        pytest.param(
            REGION,
            {"a": [(1, 3), (6, 7)]},
            "h1 = pin_user_pages(a[0:5])\n"
            "m1 = ib_umem(sg(h1[0:2], 7808), nmap=1)\nib_umem_release(m1)\n",
            id="scatterlist entries shrink, keep their partial page, and go when empty",
        ),
        pytest.param(
            REGION, {"h1": ALL}, "h1 = pin_user_pages(a[0:8])\n", id="a region goes with its pins"
        ),
        (ALLOC, {"a": [(0, 4)]}, "alloc_pages(a[0:4], orders=[2])\n"),
        (ALLOC, {"a": [(4, 8)]}, "alloc_pages(a[0:4], orders=[0, 0, 1])\n"),
        (ALLOC, {"a": [(2, 6)]}, "alloc_pages(a[0:4], orders=[0, 0, 1])\n"),
        pytest.param(ALLOC, {"a": [(4, 5)]}, "", id="three pages are no compound page"),
        (ALLOC, {"a": [(0, 8)]}, ""),
    ],
)
def test_pages(before, gone, after):
    """What names pages that are removed follows."""
    assert PAGES + after == text_of(without_pages(program(before), gone))


def test_steps_go_with_what_uses_them():
    """If a pin is removed, its handle is removed from every list, and empty steps with it."""
    assert (
        PAGES + "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\nunpin_user_pages(h2[0:1])\n"
    ) == text_of(without_steps(program(BODY), 0, 1))


def test_entries():
    """Entries of a pin go with the positions that used them."""
    assert (
        PAGES + "h1 = pin_user_pages(a[4:8])\n"
        "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\n"
        "unpin_user_pages(h1[2::-1] + h2[0:1])\n"
    ) == text_of(without_entries(program(BODY), 0, 0, 4))


def test_all_entries():
    """A list that has lost all entries is an empty one of what it named, and can be read."""
    changed = text_of(without_entries(program(BODY), 2, 0, 6))

    assert "unpin_user_pages(h1[0:0])\n" in changed
    assert changed == text_of(program(changed))


def test_empty_lists_stay():
    """A list of no pages stays as long as what it names."""
    empty = program(PAGES, 'b = mapping("base", orders=[0])', "unpin_user_pages(a[0:0])")

    assert "unpin_user_pages(a[0:0])\n" in text_of(next(without_compound(empty, "a", 0, 1)))
    assert "unpin" not in text_of(next(without_compound(empty, "a", 0, 2)))


def test_compound_pages():
    """A compound page goes with all its pages; frames move up, or stay."""
    moved, stayed = map(text_of, without_compound(program(BODY), "a", 0, 1))

    assert 'a = mapping("driver", orders=[2])\n' in moved
    assert 'a = mapping("driver", orders=[2], pfn=0x1004)\n' in stayed
    assert "h1 = pin_user_pages(a[0:4])\n" in moved


def test_orders():
    """A compound page keeps its first pages, or its last."""
    texts = [text_of(p) for p in with_order(program(BODY), "a", 0, 1)]

    assert any("orders=[1, 2])\nh1 = pin_user_pages(a[0:6])" in text for text in texts)


def test_too_long():
    """What repeats too often is not expanded, however much memory there is."""
    many = program('a = mapping("driver", orders=[1])', "h1 = pin_user_pages(a[0:2]*1000000)")

    with pytest.raises(CannotRewrite):
        without_pages(many, {"a": [(0, 1)]})


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.integers(0, 20),
            st.sampled_from([1, -1, 2, -3]),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.tuples(st.integers(0, 19), st.integers(1, 5)), max_size=3),
    st.booleans(),
)
def test_removing_is_filtering(slices, intervals, grouped):
    """Exactly the entries outside the intervals are left, renumbered, in their order."""
    terms = tuple(Slice("a", range(a, b, s), n) for a, b, s, n in slices if range(a, b, s))
    if not terms:
        return
    pages = PageList((Group(terms, 2),) if grouped else terms)
    gone = sorted({i for start, n in intervals for i in range(start, start + n)})
    pin = program('a = mapping("base", orders=[0]*32)', "h1 = pin_user_pages(a[0:1])")
    whole = evolve(pin, steps=(evolve(pin.steps[0], pages=pages),))
    changed = without_pages(whole, {"a": [(i, i + 1) for i in gone]} if gone else {})

    expected = [i - sum(g < i for g in gone) for _, i in pages.entries() if i not in gone]
    assert expected == [i for s in changed.steps for _, i in s.pages.entries()]
