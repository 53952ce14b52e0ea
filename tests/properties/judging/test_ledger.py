# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from properties.judging.holdings import ContractBroken
from properties.judging.ledger import Ledger
from tests.helpers import program


def books(*lines, semantics="5.13"):
    """The ledger after all statements of *lines* but the last, and that last step."""
    made = program(*lines, semantics=semantics)
    return Ledger.after(made, made.steps[:-1]), made.steps[-1]


def taken(*lines):
    """The ledger after all statements, and what the last must return."""
    ledger, last = books(*lines)
    return ledger, ledger.take(last)


def test_bias():
    """A pin of a single page is 1024 references, and no pin count."""
    ledger, returned = taken(
        'a = mapping("base", orders=[0], pfn=0x10)', "h1 = pin_user_pages(a[0:1]*3)"
    )

    assert 3 == returned
    assert (1 + 3 * 1024, 0, False, True) == ledger.looks(0x10)[0]
    assert (3, 0) == (ledger.acquired, ledger.released)


@pytest.mark.parametrize(
    ("order", "legal"), [(1, (1 + 2048, 0, False, True)), (2, (3, 2, False, True))]
)
def test_exact_from_order_two(order, legal):
    """Order 1 is counted by bias, order 2 exactly."""
    ledger, _ = taken(
        f'a = mapping("driver", orders=[{order}], pfn=0x10)', "h1 = pin_user_pages(a[0:2])"
    )

    assert legal == ledger.looks(0x10)[0]


def test_over_unpin_is_refused():
    """A step that unpins more than is held breaks the contract, and enters nothing."""
    ledger, step = books(
        'a = mapping("driver", orders=[2], pfn=0x10)',
        "h1 = pin_user_pages(a[0:2])",
        "unpin_user_pages(h1[0:2] + h1[0:1])",
    )

    with pytest.raises(ContractBroken, match="unpins 3 of a\\+0, where 2 are held"):
        ledger.take(step)

    assert (3, 2, False, True) == ledger.looks(0x10)[0]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["h1 = pin_user_pages(a[0:1])", "put_page(a[0:1])"], "puts 1 of a\\+0, where 0 are held"),
        (["unmap(a[0:1])", "unmap(a[0:1])"], "unmap of a\\+0, which is free"),
        (["get_page(a[0:1])", "unmap(a[0:1])", "unmap(a[0:1])"], "which is not mapped"),
        (["unmap(a[0:1])", "clean(a[0:1])"], "clean of a\\+0, which is free"),
        (["split_huge_page(a[0:1])"], "no transparent huge page"),
        (["alloc_pages(a[0:4], orders=[2])"], "where a\\+0 is not free"),
        (["unmap(a[0:1])", "alloc_pages(a[0:2], orders=[1])"], "of a part of a\\+0"),
        (["get_page(a[0:1], n=2147483647)"], "more than 2\\^31-1 references"),
        (["m1 = ib_umem_get(a[0:1], nmap=0)", "ib_umem_release(m1)"], "m1 is not a memory region"),
        (
            [
                "h1 = pin_user_pages(a[0:1])",
                "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=False, npages=-14)",
            ],
            "takes npages=-14 as a length",
        ),
        (
            [
                "h1 = pin_user_pages(a[0:1])",
                "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True, npages=-14)",
            ],
            "takes npages=-14 as a length",
        ),
    ],
)
def test_contract(lines, reason):
    """Each way to break the contract is refused, with the page by name."""
    ledger, step = books('a = mapping("driver", orders=[2])', *lines)

    with pytest.raises(ContractBroken, match=reason):
        ledger.take(step)


def test_umem_fails_and_unwinds():
    """A registration that fails counts each pin once as acquired and once as released."""
    ledger, returned = taken(
        'a = mapping("thp", orders=[9, 9], pfn=0x400)',
        "m1 = ib_umem_get(a[0:1024], append_fails=1)",
    )

    assert -12 == returned
    assert (1024, 1024) == (ledger.acquired, ledger.released)
    assert (1, 0, False, True) == ledger.looks(0x400)[0]


def test_umem_segments():
    """A region has as few entries as its largest segment allows."""
    _, returned = taken(
        'a = mapping("thp", orders=[9])', "m1 = ib_umem_get(a[0:10], max_segment=12388)"
    )

    assert 4 == returned


def test_refused_grab():
    """A grab takes what a positive count allows, and carries it past 2^31 at most once."""
    ledger, returned = taken(
        'a = mapping("base", orders=[0], pfn=0x10)',
        "get_page(a[0:1], n=2147482000)",
        "h1 = pin_user_pages(a[0:1]*5)",
    )

    assert 2 == returned
    assert (1 + 2147482000 + 2048 - 2**32, 0, False, True) == ledger.looks(0x10)[0]


@pytest.mark.parametrize("step", ["a[1:7]", "a[6:0:-1]", "a[0:8:3]", "a[1:3] + a[1:3]"])
def test_runs_of_ranges_are_runs_of_lists(step):
    """Runs found by arithmetic are those found entry by entry."""
    ledger, last = books(
        'a = mapping("driver", orders=[2, 1, 0, 0])', f"h1 = pin_user_pages({step})"
    )
    pages = last.pages.resolve(ledger.table)

    assert list(ledger.runs(list(pages))) == list(ledger.runs(pages))


ZERO = 'z = mapping("zero", orders=[0], pfn=0x20)'


def test_zero_page_is_not_counted():
    """Pins of the zero page must be held to be given back, but nothing counts them."""
    ledger, last = books(
        ZERO,
        "h1 = pin_user_pages(z[0:1]*3)",
        "unpin_user_pages(h1[0:2])",
        "unpin_user_pages(h1[0:2])",
        semantics="6.1",
    )

    assert (1, 0, False, True) == ledger.looks(0x20)[0]
    assert (0, 0) == (ledger.acquired, ledger.released)
    with pytest.raises(ContractBroken, match=r"unpins 2 of z\+0, where 1 are held"):
        ledger.take(last)


def test_zero_page_region_that_fails():
    """A region that is given up released what it had counted, and no more."""
    ledger, last = books(
        ZERO,
        'a = mapping("base", orders=[0])',
        "m1 = ib_umem_get(z[0:1] + a[0:1], nmap=0)",
        semantics="6.1",
    )
    ledger.take(last)

    assert (1, 1) == (ledger.acquired, ledger.released)


@pytest.mark.parametrize(
    "statement", ["map", "unmap", "set_page_dirty", "clean", "split_huge_page"]
)
def test_zero_page_stays_as_it_is(statement):
    """The world does nothing to the zero page but take references on it."""
    ledger, last = books(ZERO, f"{statement}(z[0:1])", semantics="5.13")

    with pytest.raises(ContractBroken, match=rf"{statement} of z\+0, the zero page, which no step"):
        ledger.take(last)


def test_zero_page_is_allocated_to_nobody():
    """Nor is it free to be allocated."""
    ledger, last = books(ZERO, "alloc_pages(z[0:1], orders=[0])", semantics="6.1")

    with pytest.raises(ContractBroken, match="is not free"):
        ledger.take(last)


def test_null_parts_a_list():
    """What NULL stands between are lists of their own, of which each is as good as one."""
    ledger, last = books(
        'a = mapping("driver", orders=[2], pfn=0x10)',
        "h1 = pin_user_pages(a[0:4])",
        "unpin_user_pages(NULL + h1[0:2] + NULL*2 + h1[2:3])",
        semantics="6.12",
    )
    ledger.take(last)

    assert [[0x10, 0x11], [0x12]] == ledger.unpinned
    assert 1 == ledger.held(0x10).pins


@pytest.mark.parametrize(
    ("semantics", "statement"),
    [
        ("6.1", "unpin_user_pages(NULL + h1[0:1])"),
        ("6.12", "unpin_user_pages_dirty_lock(NULL + h1[0:1], make_dirty=True)"),
    ],
)
def test_null_breaks_the_contract(semantics, statement):
    """Where NULL is not stepped over it must not stand."""
    ledger, last = books(
        'a = mapping("base", orders=[0])',
        "h1 = pin_user_pages(a[0:1])",
        statement,
        semantics=semantics,
    )

    with pytest.raises(ContractBroken, match="NULL is no page"):
        ledger.take(last)
