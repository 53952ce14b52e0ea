# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.program import check
from properties.judging.ledger import Ledger
from properties.reduce.limit import MIN_REFERENCES_NEAR_LIMIT, at_limit, keep_near_limit
from tests.helpers import program, text_of
from tests.properties.reduce.programs import offers

PAGE = 'a = mapping("base", orders=[0])\n'


@pytest.mark.parametrize(
    "grab", ["h1 = pin_user_pages(", "h1 = get_user_pages(", "m1 = ib_umem_get("]
)
def test_at_limit(grab):
    """One page, whose count has room for one reference and not two, replaces all else."""
    lines = ('a = mapping("base", orders=[0, 0])', "unmap(a[1:2])", f"{grab}a[0:2])")

    assert [PAGE + f"get_page(a[0:1], n=2147483646)\n{grab}a[0:1]*2)\n"] == offers(at_limit, *lines)


@pytest.mark.parametrize(("version", "order"), [("5.11", 2), ("6.1", 1)])
def test_at_limit_with_a_pincount(version, order):
    """If the program has a page with a pincount, one of the lowest such order is tried too."""
    lines = 'a = mapping("driver", orders=[3])\nm1 = ib_umem_get(a[3:5])'
    found = list(at_limit(program(lines, semantics=version)))

    assert [[(0, 1)], [(order, 1)]] == [
        [(e.order, e.count) for e in one.mappings[0].extents] for one in found
    ]
    assert all(
        text_of(one).endswith("get_page(a[0:1], n=2147483646)\nm1 = ib_umem_get(a[0:1]*2)\n")
        for one in found
    )


def test_last_step_of_one_page():
    """The last step may name one page: it has another argument than a list of pages."""
    lines = (
        'a = mapping("base", orders=[0])',
        "get_page(a[0:1], n=2147483646)",
        "h1 = pin_user_pages(a[0:1])",
        "folio_add_pins(a[0:1])",
    )
    found = list(keep_near_limit(program(*lines, semantics="7.3")))

    assert all(one.steps[-1].call == "folio_add_pins" for one in found)


def test_what_takes_nothing():
    """A step that takes no references is not refused any."""
    assert [] == offers(at_limit, PAGE, "unmap(a[0:1])")


NEAR = (
    'a = mapping("driver", orders=[0])\n'
    "get_page(a[0:1], n=2147480000)\n"
    "h1 = pin_user_pages(a[0:1]*3)\n"
    "h2 = get_user_pages(a[0:1]*5)\n"
)


def count_after(text):
    """The count of the only head after *text*, whose last step gets pages."""
    whole = program(text)
    ledger = Ledger.after(whole, whole.steps[:-1])
    count = ledger.held(ledger.head(whole.mappings[0].pages[0])).total
    return count + len(whole.steps[-1].pages)


def test_near_limit():
    """What is dropped is replaced by plain references, so that the count is the same."""
    found = offers(keep_near_limit, NEAR)

    without = [text for text in found if "h1" not in text]
    assert without
    assert all(f"n={2147480000 + 3 * 1024})" in text for text in without)
    assert {count_after(NEAR)} == {count_after(text) for text in found}
    assert any("pin_user_pages(a[0:1])\n" in text for text in found)
    assert any("get_user_pages(a[0:1])\n" in text and "n=2147480004" in text for text in found)


def test_near_limit_where_the_last_step_pins():
    """A pin that is dropped from the last step is as many references as it takes."""
    last = NEAR.replace("h2 = get_user_pages(a[0:1]*5)\n", "")

    assert (
        'a = mapping("driver", orders=[0])\n'
        f"get_page(a[0:1], n={2147480000 + 2 * 1024})\n"
        "h1 = pin_user_pages(a[0:1])\n"
    ) in offers(keep_near_limit, last)


def test_near_limit_with_the_last_of_the_entries():
    """The last entry of a handle may be the only one that a later step names."""
    pages = 'a = mapping("driver", orders=[2])\n'
    lines = "h1 = pin_user_pages(a[0:1]*4)\nunpin_user_pages(h1[3:4])\n"

    assert (
        f"{pages}get_page(a[0:1], n=2147483646)\n"
        "h1 = pin_user_pages(a[0:1])\nunpin_user_pages(h1[0:1])\n"
    ) in offers(keep_near_limit, f"{pages}get_page(a[0:1], n=2147483643)\n{lines}")


def test_only_near_the_limit():
    """Few references do not bring a count near 2^31."""
    for n in (MIN_REFERENCES_NEAR_LIMIT - 1, MIN_REFERENCES_NEAR_LIMIT):
        found = offers(keep_near_limit, NEAR.replace("2147480000", str(n)))
        assert bool(found) is (n == MIN_REFERENCES_NEAR_LIMIT)


def test_never_more_than_the_limit():
    """No step takes more than 2^31-1 references."""
    for n in (2147483640, 2147480576, 2147480575):
        for text in offers(keep_near_limit, NEAR.replace("2147480000", str(n))):
            check(program(text))
