# SPDX-License-Identifier: MIT

"""What later versions count otherwise: exact counts from order 1, the zero page, NULL."""

from __future__ import annotations

import pytest

from model.memory import Oops
from model.optimised import Optimised
from model.reference import Reference

A = 'a = mapping("driver", orders=[1, 0], pfn=0x10)'
Z = 'z = mapping("zero", orders=[0], pfn=0x20)'
PAIR, ONE, ZERO = 0x10, 0x12, 0x20
FULL = f"get_page(z[0:1], n={2**31 - 2})"

each = pytest.mark.parametrize("make", [Reference, Optimised])


@each
@pytest.mark.parametrize(
    ("semantics", "counts"),
    [
        ("5.11", (1 + 2048, 0)),
        ("5.13", (1 + 2048, 0)),
        ("5.18", (3, 2)),
        ("6.1", (3, 2)),
        ("6.12", (3, 2)),
    ],
)
def test_order_one(carry_out, make, semantics, counts):
    """Order 1 is counted by bias before folios, exactly since."""
    world = carry_out(make, A, "h1 = pin_user_pages(a[0:2])", semantics=semantics)

    assert counts == world.counts(PAIR)


@each
@pytest.mark.parametrize(
    ("semantics", "counts", "stats"),
    [("5.13", 1025, (4, 2)), ("6.1", 1, (1, 1)), ("6.12", 1, (1, 1))],
)
def test_zero_page(carry_out, make, semantics, counts, stats):
    """Pins of the zero page count as any page's did, and are taken for nothing since."""
    pin = "h1 = pin_user_pages(z[0:1]*2 + a[2:3] + z[0:1])"
    world = carry_out(make, A, Z, pin, semantics=semantics)
    assert 4 == world.last.returned
    world = carry_out(
        make,
        A,
        Z,
        pin,
        "unpin_user_pages(h1[1:3])",
        "unpin_user_page(h1[3:4])" if semantics != "5.13" else "clean(a[0:1])",
        semantics=semantics,
    )

    assert (stats, (1, 0)) == (world.stats(), world.counts(ONE))
    assert (counts + (1024 if semantics == "5.13" else 0), 0) == world.counts(ZERO)


@each
@pytest.mark.parametrize(
    "unpin",
    [
        "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)",
        "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=True)",
    ],
)
def test_zero_page_is_dirtied(carry_out, make, unpin):
    """Who asks for it dirties the zero page too; nobody pins it to write."""
    world = carry_out(make, Z, "h1 = pin_user_pages(z[0:1])", unpin, semantics="6.1")

    assert world.last.heads[ZERO].dirty
    assert (1, 0) == world.counts(ZERO)


@each
def test_zero_page_past_its_limit(carry_out, make):
    """Plain references wrap the zero page's count, which the slow path looks at first."""
    lines = (A, Z, FULL, "h1 = get_user_pages(z[0:1])")
    slow = carry_out(make, *lines, "h2 = pin_user_pages(z[0:1])", semantics="6.1")

    assert -12 == slow.last.returned
    assert slow.last.warnings
    assert (-(2**31), 0) == slow.counts(ZERO)


@each
@pytest.mark.parametrize("changed", ["", ", changed=1", ", changed=2"])
@pytest.mark.parametrize("semantics", ["5.13", "6.1", "6.12"])
def test_zero_page_is_not_for_the_fast_path(carry_out, make, semantics, changed):
    """Its entry in the page table is special, so the walk ends there (seen in 6.1.192, booted)."""
    pin = f"h1 = pin_user_pages_fast_only(a[2:3] + z[0:1]*2{changed})"
    world = carry_out(make, A, Z, pin, semantics=semantics)

    assert 1 == world.last.returned
    assert not world.last.warnings
    assert ((1, 0), (1025, 0)) == (world.counts(ZERO), world.counts(ONE))
    assert (1, 0) == world.stats()


@each
def test_null_is_skipped(carry_out, make):
    """unpin_user_pages() of 6.12 steps over NULL, wherever it stands."""
    world = carry_out(
        make,
        A,
        "h1 = pin_user_pages(a[0:1]*3 + a[2:3])",
        "unpin_user_pages(NULL + h1[0:2] + NULL*2 + h1[2:4] + NULL)",
        semantics="6.12",
    )

    assert ((1, 0), (1, 0)) == (world.counts(PAIR), world.counts(ONE))
    assert (4, 4) == world.stats()


@each
@pytest.mark.parametrize(
    ("semantics", "statement"),
    [
        ("6.1", "unpin_user_pages(NULL + h1[0:1])"),
        ("6.12", "unpin_user_pages_dirty_lock(NULL + h1[0:1], make_dirty=True)"),
    ],
)
def test_null_is_no_page(carry_out, make, semantics, statement):
    """Where it is not stepped over, NULL has no struct page."""
    with pytest.raises(Oops, match="NULL has no struct page"):
        carry_out(make, A, "h1 = pin_user_pages(a[0:1])", statement, semantics=semantics)
