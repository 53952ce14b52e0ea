# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.judging.judge import judge
from properties.reduce.lists import CannotRewrite
from properties.reduce.project import MAX_PAGES_NAMED, MAX_REFERENCES, projected
from tests.helpers import program
from tests.properties.reduce.programs import offers


def test_other_pages_are_made_up_for():
    """Lists lose the pages that the last step does not name; counts stay the same."""
    pages = 'a = mapping("driver", orders=[2, 0], refs=2)\n'

    left = offers(
        projected,
        pages + "h1 = pin_user_pages(a[0:5])\n"
        "map(a[4:5])\n"
        "unpin_user_pages(h1[1:3])\n"
        "get_page(a[2:3], n=5)\n"
        "put_page(a[1:2], n=2)\n"
        "unpin_user_pages(a[3:4])\n",
    )

    assert (
        pages + "h1 = pin_user_pages(a[3:4])\n"
        "h2 = pin_user_pages(a[0:1]*3)\n"
        "unpin_user_pages(a[0:1]*2)\n"
        "get_page(a[0:1], n=5)\n"
        "put_page(a[0:1], n=2)\n"
        "unpin_user_pages(a[3:4])\n"
    ) == left[0]


def test_regrouped_as_they_were():
    """Splits and allocations stay whole; regions become pins."""
    pages = 'a = mapping("driver", orders=[2])\n'

    left = offers(
        projected,
        pages + "m1 = ib_umem_get(a[0:2])\n"
        "unmap(a[0:1])\n"
        "ib_umem_release(m1)\n"
        "alloc_pages(a[0:4], orders=[1, 0, 0])\n"
        "h2 = pin_user_pages(a[1:2])\n"
        "unpin_user_pages(h2[0:1])\n",
    )

    assert (
        pages + "h1 = pin_user_pages(a[0:1]*2)\n"
        "unmap(a[0:1])\n"
        "unpin_user_pages(a[0:1]*2)\n"
        "alloc_pages(a[0:4], orders=[1, 0, 0])\n"
        "h2 = pin_user_pages(a[1:2])\n"
        "unpin_user_pages(a[1:2])\n"
    ) == left[0]


def test_halves():
    """The second half of the pages is tried, then the first, then all."""
    pages = 'a = mapping("base", orders=[0, 0, 0])\n'

    left = offers(projected, pages + "h1 = pin_user_pages(a[0:3])\nunpin_user_pages(h1[0:3])\n")

    assert [
        pages + "h1 = pin_user_pages(a[1:3])\nunpin_user_pages(a[1:3])\n",
        pages + "h1 = pin_user_pages(a[0:1])\nunpin_user_pages(a[0:1])\n",
        pages + "h1 = pin_user_pages(a[0:3])\nunpin_user_pages(a[0:3])\n",
    ] == left[:3]


def test_made_up_apart():
    """Single unpins are tried too, in case that lists are what fails."""
    pages = 'a = mapping("driver", orders=[2])\n'

    left = offers(
        projected,
        pages + "h1 = pin_user_pages(a[0:4])\n"
        "unpin_user_pages(h1[1:3])\n"
        "unpin_user_pages(h1[3:4])\n",
    )

    assert (
        pages + "h1 = pin_user_pages(a[3:4])\n"
        "h2 = pin_user_pages(a[0:1]*3)\n"
        "unpin_user_page(a[0:1])\n"
        "unpin_user_page(a[0:1])\n"
        "unpin_user_pages(a[3:4])\n"
    ) == left[1]


def test_names_are_new():
    """Pins that are added have names that no step makes."""
    pages = 'p = mapping("driver", orders=[2])\n'
    whole = program(
        pages + "h1 = pin_user_pages(p[3:4])\n"
        "h2 = pin_user_pages(p[0:1]*3)\n"
        "unpin_user_pages(p[3:4])\n"
    )

    left = next(projected(whole))

    assert ["h1", "h3"] == [step.makes for step in left.steps if step.makes]
    assert "agrees" == judge(left, Optimised()).kind


def test_no_count_is_driven_to_its_limit():
    """Large numbers of plain references are lowered, so that other references have room."""
    pages = 'a = mapping("driver", orders=[1])\n'

    left = offers(
        projected,
        pages + "get_page(a[1:2], n=2147482000)\n"
        "h1 = pin_user_pages(a[0:2])\n"
        "put_page(a[0:1], n=2147482000)\n"
        "unpin_user_pages(h1[0:1])\n",
    )

    assert (
        f"{pages}get_page(a[0:1], n={MAX_REFERENCES})\n"
        "h1 = pin_user_pages(a[0:1])\n"
        "h3 = pin_user_pages(a[0:1])\n"
        f"put_page(a[0:1], n={MAX_REFERENCES})\n"
        "unpin_user_pages(a[0:1])\n"
    ) == left[0]


@pytest.mark.parametrize(
    "last",
    [
        "m1 = ib_umem(sg(h1[0:1], 4096))",
        f"unpin_user_pages(h1[0:{MAX_PAGES_NAMED + 1}])",
        "unpin_user_pages(a[0:0])",
    ],
)
def test_names_none_or_many(last):
    """A program whose last step names no pages, or many, is rejected."""
    pages = 'a = mapping("driver", orders=[10, 10])\nh1 = pin_user_pages(a[0:2048])\n'

    with pytest.raises(CannotRewrite):
        offers(projected, f"{pages}{last}\n")
