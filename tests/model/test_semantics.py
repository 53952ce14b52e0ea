# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.errors import BadInput
from model.semantics import BIAS, DEFAULT, KINDS, MAX_ORDER, PAGE_SIZE, SEMANTICS, semantics
from model.steps import STEPS


def test_constants():
    """A pin of a page without a counter is 1 << 10 references; 1 GiB is the largest page."""
    assert 1 << 10 == BIAS
    assert 1 << 30 == PAGE_SIZE << MAX_ORDER


@pytest.mark.parametrize("version", ["5.11", "5.13"])
def test_exact_from_order_two(version):
    """Before 5.18 the counter sits in the third struct page, which order 1 does not have."""
    row = semantics(version)

    assert [False, False, True, True] == [row.exact(order) for order in (0, 1, 2, MAX_ORDER)]


@pytest.mark.parametrize("version", ["5.18", "6.1", "6.12", "6.18", "7.1", "7.3"])
def test_exact_from_order_one(version):
    """Folios keep the counter in the second struct page (5232c63f46fd)."""
    row = semantics(version)

    assert [False, True, True, True] == [row.exact(order) for order in (0, 1, 2, MAX_ORDER)]


def test_exact_on_32_bits():
    """From 6.15 on the second struct page has no room for the counter on 32 bits."""
    row = semantics("6.15-32")

    assert [False, False, True, True] == [row.exact(order) for order in (0, 1, 2, MAX_ORDER)]
    assert evolve(row, version="6.18", exact_order=1) == semantics("6.18")


def test_what_is_skipped():
    """Zero pages are skipped from 6.1-stable on, NULL entries from 6.12-stable on."""
    newest = ["6.12", "6.15-32", "6.18", "7.1", "7.3"]

    assert ["6.1", *newest] == [v for v, row in SEMANTICS.items() if row.zero_skipped]
    assert newest == [v for v, row in SEMANTICS.items() if row.null_skipped]


def test_what_the_newest_changed():
    """Contiguous struct pages from 6.18 on, masks in tails from 7.1 on, a faster path in 7.3."""
    rows = SEMANTICS.items()

    assert ["6.15-32", "6.18", "7.1", "7.3"] == [v for v, row in rows if row.in_section]
    assert ["7.1", "7.3"] == [v for v, row in rows if row.tail_mask]
    left = ["6.12", "6.15-32", "6.18", "7.1"]
    assert left == [v for v, row in rows if row.left_to_slow_path]


def test_default_is_the_series():
    """What the series was merged for is followed where nothing else is said."""
    assert "5.13" == DEFAULT.version
    assert DEFAULT is semantics("5.13")


@pytest.mark.parametrize(("version", "has"), [("5.11", False), ("5.13", True)])
def test_what_the_series_brought(version, has):
    """The series put pages by run, and added the call for ranges."""
    row = semantics(version)

    assert has == row.batched
    assert has == (not STEPS["unpin_user_page_range_dirty_lock"].lacked_by(row))
    assert not STEPS["unpin_user_pages_dirty_lock"].lacked_by(row)


EVER = {*SEMANTICS}
BEFORE_FOLIOS = {"5.11", "5.13"}
LARGE_FOLIOS = EVER - BEFORE_FOLIOS - {"5.18", "6.1"}


@pytest.mark.parametrize(
    ("kind", "has", "lacks", "versions"),
    [
        ("base", {0}, {1, 9}, EVER),
        ("thp", {9}, {0, 2, 18}, EVER - LARGE_FOLIOS),  # one PMD
        ("thp", {2, 4, 9}, {0, 1, 18}, LARGE_FOLIOS),  # of anonymous memory: 6.8
        ("hugetlb", {4, 9, 13, 18}, {0}, EVER),  # arm64 and x86-64
        ("page-cache", {0, 9}, {1, 2, 4}, BEFORE_FOLIOS),
        ("page-cache", {0, 2, 9}, {10}, EVER - BEFORE_FOLIOS),  # large folios
        ("page-cache", set(), {1}, EVER - LARGE_FOLIOS),
        ("page-cache", {1}, set(), LARGE_FOLIOS),  # order 1: 6.9
        ("device-dax", {0}, {9, 18}, BEFORE_FOLIOS),
        ("device-dax", {0, 9, 18}, {1}, EVER - BEFORE_FOLIOS),  # compound ones: 5.17
        ("driver", {0, 1, 10}, {11}, EVER),  # the buddy allocator ends below order 11
        ("zero", {0}, {1, 9}, EVER),
    ],
)
def test_orders(kind, has, lacks, versions):
    """Each kind of mapping has the orders that those kernels know of it."""
    for version in versions:
        orders = semantics(version).orders[kind]

        assert has <= orders
        assert not lacks & orders


@pytest.mark.parametrize("version", SEMANTICS)
def test_orders_of_all_kinds(version):
    """Every kind has an order, and none an order beyond the largest."""
    orders = semantics(version).orders

    assert set(KINDS) == set(orders)
    assert all(orders.values())
    assert set(range(MAX_ORDER + 1)) == frozenset().union(*orders.values())


def test_unknown():
    """A version that has no row is refused, with those that have one."""
    with pytest.raises(
        BadInput,
        match=r"^semantics '6\.66' are not known; known are 5\.11, .*, 6\.15-32, .*, 7\.3$",
    ):
        semantics("6.66")
