# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.pagelist import Group, PageList, Slice
from model.parse import parse_program
from properties.reduce.cut import ALL, CannotCut, cut, without_entries, without_steps
from properties.reduce.rewrite import join_pins, lower_order, repoint, without_compound


HEADER = '# headcount 1\nsemantics("5.13")\n'
BODY = (
    'a = mapping("driver", orders=[2, 2])\n'
    "h1 = pin_user_pages(a[0:8])\n"
    "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\n"
    "unpin_user_pages(h1[6:1:-1] + h2[0:1])\n"
)


def program(text=BODY):
    return parse_program(HEADER + text)


def text(changed):
    return changed.text().removeprefix(HEADER)


def test_pages_go_and_positions_close_up():
    """Cutting pages out of a mapping moves every slice, handle and position with them."""
    assert (
        'a = mapping("driver", orders=[2, 2])\n'
        "h1 = pin_user_pages(a[0:5])\n"
        "h2 = pin_user_pages_fast_only(a[2:3], changed=0)\n"
        "unpin_user_pages(h1[3:1:-1])\n"
    ) == text(cut(program(), {"a": [(2, 5)]}))


def test_steps_go_with_what_used_them():
    """Where a pin goes, its handle goes from every list, and empty steps follow."""
    assert (
        'a = mapping("driver", orders=[2, 2])\n'
        "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\n"
        "unpin_user_pages(h2[0:1])\n"
    ) == text(without_steps(program(), 0, 1))
    assert 0 == len(cut(program(), {"a": ALL}).steps)


def test_entries_go():
    """Entries of a pin go with the positions that used them."""
    assert (
        'a = mapping("driver", orders=[2, 2])\n'
        "h1 = pin_user_pages(a[4:8])\n"
        "h2 = pin_user_pages_fast_only(a[2:6], changed=3)\n"
        "unpin_user_pages(h1[2::-1] + h2[0:1])\n"
    ) == text(without_entries(program(), 0, 0, 4))


def test_all_entries_go():
    """A list that has lost all entries is an empty one of what it named, and can be read."""
    changed = without_entries(program(), 2, 0, 6)

    assert "unpin_user_pages(h1[0:0])\n" in text(changed)
    assert text(changed) == text(program(text(changed)))


def test_empty_lists_stay():
    """What named no page still names none, for as long as there is what it named."""
    lines = ('a = mapping("driver", orders=[2, 2])\n', 'b = mapping("base", orders=[0])\n')
    empty = program("".join((*lines, "unpin_user_pages(a[0:0])\n")))

    assert "unpin_user_pages(a[0:0])\n" in text(next(without_compound(empty, "a", 0, 1)))
    assert "unpin" not in text(next(without_compound(empty, "a", 0, 2)))


def test_compound_pages_go():
    """A compound page goes with all its pages; frames move up, or stay."""
    moved, stayed = without_compound(program(), "a", 0, 1)

    assert 'a = mapping("driver", orders=[2])\n' in text(moved)
    assert 'a = mapping("driver", orders=[2], pfn=0x1004)\n' in text(stayed)
    assert "h1 = pin_user_pages(a[0:4])\n" in text(moved)


def test_orders_go_down():
    """A compound page is cut down to its first pages, or its last."""
    texts = [text(p) for p in lower_order(program(), "a", 0, 1)]

    assert any("orders=[1, 2])\nh1 = pin_user_pages(a[0:6])" in t for t in texts)


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ((0, 4), "alloc_pages(a[0:4], orders=[2])\n"),
        ((4, 8), "alloc_pages(a[0:4], orders=[0, 0, 1])\n"),
        ((2, 6), "alloc_pages(a[0:4], orders=[0, 0, 1])\n"),
        ((4, 5), ""),
        ((0, 8), ""),
    ],
)
def test_allocations_follow(gone, left):
    """An allocation is cut down with its pages, but for what is no compound page then."""
    assert left == text(
        cut(program('a = mapping("driver", orders=[2, 2])\n' + ALLOC), {"a": [gone]})
    ).removeprefix('a = mapping("driver", orders=[2, 2])\n')


ALLOC = "alloc_pages(a[0:8], orders=[0, 0, 1, 2])\n"


def test_join_and_repoint():
    """Two pins become one, or one stands in for the other."""
    both = (
        'a = mapping("driver", orders=[2, 2])\n'
        "h1 = pin_user_pages(a[0:2])\nh2 = pin_user_pages(a[2:4])\nunpin_user_pages(h2[0:2])\n"
    )

    assert "h1 = pin_user_pages(a[0:4])\nunpin_user_pages(h1[2:4])\n" in text(
        join_pins(program(both), 0, 1)
    )
    assert "h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n" in text(
        repoint(program(both), 0, 1)
    )
    assert join_pins(program(both), 0, 2) is None
    assert repoint(program(both), 0, 2) is None
    assert join_pins(program(), 0, 1) is None


def test_regions_follow():
    """Entries of a scatterlist shrink, keep their partial page, and go when empty."""
    region = (
        'a = mapping("driver", orders=[2, 2])\n'
        "h1 = pin_user_pages(a[0:8])\n"
        "m1 = ib_umem(sg(h1[0:4], 16000) + sg(h1[6:7], 100), nmap=2)\n"
        "ib_umem_release(m1)\n"
    )

    assert "m1 = ib_umem(sg(h1[0:2], 7808), nmap=1)\nibumem" in text(
        cut(program(region), {"a": [(1, 3), (6, 7)]})
    ).replace("ib_umem_release", "ibumem")
    assert "ib_umem" not in text(cut(program(region), {"h1": ALL}))


def test_too_long_to_take_apart():
    """What repeats too often is not taken apart, however much memory there is."""
    many = program('a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[0:2]*1000000)\n')

    with pytest.raises(CannotCut):
        cut(many, {"a": [(0, 1)]})


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
def test_cutting_is_filtering(slices, intervals, grouped):
    """Cutting intervals leaves just the entries outside them, renumbered, in their order."""
    terms = tuple(Slice("a", range(a, b, s), n) for a, b, s, n in slices if range(a, b, s))
    if not terms:
        return
    pages = PageList((Group(terms, 2),) if grouped else terms)
    gone = sorted({i for start, n in intervals for i in range(start, start + n)})
    merged = [(i, i + 1) for i in gone]
    pin = program('a = mapping("base", orders=[0]*32)\nh1 = pin_user_pages(a[0:1])\n')
    (step,) = pin.steps
    changed = cut(
        type(pin)(pin.mappings, (type(step)(handle="h1", pages=pages),), pin.semantics),
        {"a": merged} if merged else {},
    )

    expected = [i - sum(g < i for g in gone) for _, i in pages.entries() if i not in gone]
    left = [i for s in changed.steps for _, i in s.pages.entries()]
    assert expected == left
