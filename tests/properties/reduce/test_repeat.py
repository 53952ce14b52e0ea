# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from properties.reduce.repeat import MAX_COMPOUND_SCANNED, repeat
from tests.properties.reduce.programs import offers


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            ('a = mapping("driver", orders=[0, 1, 0, 2])', "h1 = pin_user_pages(a[0:5])"),
            [
                ("[0]", "h1 = pin_user_pages(a[0:1]*5)"),
                ("[0, 1]", "h1 = pin_user_pages(a[0:2]*2 + a[0:1])"),
                ("[0, 1]", "h1 = pin_user_pages(a[1::-1]*2 + a[1:2])"),
                ("[0, 2]", "h1 = pin_user_pages(a[0:2]*2 + a[0:1])"),
                ("[0, 2]", "h1 = pin_user_pages(a[1::-1]*2 + a[1:2])"),
            ],
            id="the first, the first two, the first and the last; no other compound page stays",
        ),
        pytest.param(
            ('a = mapping("driver", orders=[0]*3)', "m1 = ib_umem_get(a[2:3]*9, max_segment=4096)"),
            [
                *[("[0]", "m1 = ib_umem_get(a[0:1]*9)")] * 5,
                ("[0]", "m1 = ib_umem_get(a[0:1]*9, max_segment=4096)"),
            ],
            id="a region is one entry if it can",
        ),
        pytest.param(
            (
                'a = mapping("driver", orders=[0, 0, 1])',
                "h1 = pin_user_pages(a[0:3] + a[0:2] + a[2:3]*2 + a[0:2])",
                "unpin_user_pages(h1[4:9] + h1[3:4] + h1[0:3])",
            ),
            [
                (orders, f"h1 = pin_user_pages({pages})\nunpin_user_pages(h1[0:9])")
                for orders, pages in (
                    ("[0]", "a[0:1]*9"),
                    ("[0, 0]", "a[0:2]*4 + a[0:1]"),
                    ("[0, 0]", "a[1::-1]*4 + a[1:2]"),
                    ("[0, 1]", "a[0:2]*4 + a[0:1]"),
                    ("[0, 1]", "a[1::-1]*4 + a[1:2]"),
                    ("[1]", "a[0:1]*9"),
                    ("[0, 0]", "a[0:1]*8 + a[1:2]"),
                    ("[0, 1]", "a[0:1]*8 + a[1:2]"),
                )
            ],
            id="more than a batch: also the first and then another; lists of the handle in order",
        ),
        pytest.param(
            (
                'a = mapping("driver", orders=[0, 0])',
                'b = mapping("base", orders=[0])',
                "h1 = pin_user_pages(a[1:2] + b[0:1])",
            ),
            [("[0]", "h1 = pin_user_pages(a[0:1]*2)")],
            id="a mapping that no list names goes",
        ),
    ],
)
def test_repeat(before, after):
    written = [f'a = mapping("driver", orders={orders})\n{pin}\n' for orders, pin in after]

    assert written == offers(repeat, *before)[: len(written)]


def test_many_compound_pages_stay():
    """Among very many compound pages, those that are not named are not looked for."""
    mapping = f'a = mapping("base", orders=[0]*{MAX_COMPOUND_SCANNED + 1})\n'

    assert (
        mapping + "h1 = pin_user_pages(a[0:1]*3)\n"
        == offers(repeat, mapping, "h1 = pin_user_pages(a[0:3])")[0]
    )


def test_one_entry():
    """A list of one page repeats nothing."""
    assert [] == offers(repeat, 'a = mapping("base", orders=[0])', "h1 = pin_user_pages(a[0:1])")
