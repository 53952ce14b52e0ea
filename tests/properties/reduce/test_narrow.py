# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.optimised import Optimised
from model.program import check
from properties.judging.holdings import ContractBroken
from properties.judging.judge import judge
from properties.reduce.narrow import MAX_COMPOUND_KEPT, narrowed
from tests.properties.reduce.programs import offers, soaked


def test_other_pages_go():
    """Steps and entries go that name other compound pages, and mappings that are not named."""
    long = (
        'a = mapping("driver", orders=[0, 2, 1, 1])\n'
        'b = mapping("driver", orders=[0])\n'
        "h1 = pin_user_pages(a[0:4] + b[0:1])\n"
        "map(b[0:1])\n"
        "h2 = pin_user_pages(a[5:9])\n"
        "unpin_user_pages(h2[0:2])\n"
        "unpin_user_pages(h1[1:5])\n"
        "unpin_user_pages(h2[2:3])\n"
    )

    short = (
        'a = mapping("driver", orders=[1])\n'
        "h2 = pin_user_pages(a[0:2])\n"
        "unpin_user_pages(h2[0:1])\n"
    )
    assert short == offers(narrowed, long)[0]


def test_between():
    """Pages before, between and behind those that are named go, in one go."""
    long = (
        'a = mapping("driver", orders=[0, 1, 2, 1, 0])\n'
        "h1 = pin_user_pages(a[0:10])\n"
        "unpin_user_pages(h1[2:3] + h1[7:8])\n"
    )

    short = (
        'a = mapping("driver", orders=[1, 1])\n'
        "h1 = pin_user_pages(a[0:4])\n"
        "unpin_user_pages(h1[1:3])\n"
    )
    assert short in offers(narrowed, long)


def test_allocated_together():
    """What was allocated together stays together, and what that was allocated with."""
    long = (
        'a = mapping("driver", orders=[1, 1, 1, 1, 0])\n'
        "unmap(a[0:1] + a[2:3] + a[4:5] + a[8:9])\n"
        "alloc_pages(a[8:9], orders=[0])\n"
        "alloc_pages(a[2:6], orders=[1, 1])\n"
        "unmap(a[2:3])\n"
        "alloc_pages(a[0:4], orders=[2])\n"
        "h1 = pin_user_pages(a[0:1] + a[6:9])\n"
        "unpin_user_pages(h1[0:1])\n"
    )

    short = (
        'a = mapping("driver", orders=[1, 1, 1])\n'
        "unmap(a[0:1] + a[2:3] + a[4:5])\n"
        "alloc_pages(a[2:6], orders=[1, 1])\n"
        "unmap(a[2:3])\n"
        "alloc_pages(a[0:4], orders=[2])\n"
        "h1 = pin_user_pages(a[0:1])\n"
        "unpin_user_pages(h1[0:1])\n"
    )
    assert short == offers(narrowed, long)[0]


def test_nothing_to_leave_out():
    """Where the last step names all there is, nothing is proposed."""
    assert [] == offers(
        narrowed, 'a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[0:1])\n'
    )


@pytest.mark.parametrize(
    ("named", "proposed"), [(MAX_COMPOUND_KEPT, True), (MAX_COMPOUND_KEPT + 1, False)]
)
def test_too_much_named(named, proposed):
    """Where the last step names very much, there is little to leave out."""
    long = f'a = mapping("driver", orders=[0]*600)\nh1 = pin_user_pages(a[0:{named}])\n'

    assert proposed is bool(offers(narrowed, long))


def test_what_is_left_is_right():
    """What is left of a random program ends as it did, and nothing is found in it.

    Now and then it breaks the contract: a pin that was refused amid its list goes
    on to the end where what refused it is gone. The reducer sees that.
    """
    kept = 0
    for seed in range(40):
        whole = soaked(seed, 150)
        for short in narrowed(whole):
            check(short)
            try:
                verdict = judge(short, Optimised())
            except ContractBroken:
                continue
            kept += 1

            assert "agrees" == verdict.kind
            assert whole.steps[-1].call == short.steps[-1].call

    assert kept > 40


def test_no_page_named():
    """Where the last step names no page, nothing says which pages to keep."""
    empty = "h1 = pin_user_pages(a[0:1])\nunpin_user_pages(a[0:0])\n"

    assert [] == offers(narrowed, 'a = mapping("driver", orders=[1, 0])\n' + empty)


def test_region():
    """What a region holds is named where it is released."""
    long = (
        'a = mapping("driver", orders=[0, 1, 0])\n'
        "m1 = ib_umem_get(a[1:2])\n"
        "map(a[0:1])\n"
        "map(a[2:3])\n"
        "ib_umem_release(m1)\n"
    )

    short = (
        'a = mapping("driver", orders=[1])\n'
        "m1 = ib_umem_get(a[0:1])\n"
        "map(a[1:2])\n"
        "ib_umem_release(m1)\n"
    )
    assert short == offers(narrowed, long)[0]


def test_broken_contract():
    """A program that breaks the contract is bad input."""
    broken = (
        'a = mapping("driver", orders=[0, 0])\n'
        "h1 = pin_user_pages(a[0:1])\n"
        "unpin_user_pages(h1[0:1]*2)\n"
        "unpin_user_pages(h1[0:1])\n"
    )
    with pytest.raises(BadInput):
        offers(narrowed, broken)
