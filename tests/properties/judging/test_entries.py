# SPDX-License-Identifier: MIT

"""Which pages of a list one page table entry maps: three opinions, each written in its own way."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.judging.judge import judge
from properties.strategies.dice import Dice, among, one_in
from tests.helpers import program

#: Pages of PUDs, of PMDs, one of two PMDs, and single ones.
MAPPINGS = (
    'a = mapping("hugetlb", orders=[18, 18, 9, 9, 10, 4], pfn=0x40000)',
    'b = mapping("base", orders=[0]*600, pfn=0x100100)',
    'c = mapping("thp", orders=[9, 9], pfn=0x200000)',
)
#: Where lists begin: beside the ends of what an entry may map.
NEAR = (0, 1, 509, 511, 512, (1 << 18) - 2, 1 << 18, (1 << 19) - 1, 1 << 19, (1 << 19) + 1022)


def _slice(dice):
    """A slice of a mapping, in ascending or descending order, or its pages twice."""
    length = among(dice, (1, 2, 3, 5, 513))
    name = among(dice, "aaabc")
    first = among(dice, NEAR) if name == "a" else dice.randrange(80)
    if length < 513 and one_in(dice, 5):
        stop = f"{first - 1}" if first else ""
        return f"{name}[{first + length - 1}:{stop}:-1]"
    return f"{name}[{first}:{first + length}]{'*2' if one_in(dice, 10) else ''}"


@pytest.mark.parametrize("seed", range(400))
def test_the_models_and_the_ledger_agree(seed):
    """Whatever a list is made of, all three undo the same pages of it."""
    dice = Dice(seed)
    pages = " + ".join(_slice(dice) for _ in range(1 + dice.randrange(4)))
    length = len(program(*MAPPINGS, f"h1 = pin_user_pages({pages})").steps[0].pages)
    lines = [
        f"h{at} = pin_user_pages_fast_only({pages}, changed={at})"
        for at in sorted({0, length - 1, *(dice.randrange(length) for _ in range(4))})
    ]

    assert judge(program(*MAPPINGS, *lines), Optimised()).finding is None


@pytest.mark.parametrize(
    ("orders", "changed", "kept"),
    [
        ("[18]*1024", 1 << 27, 1 << 27),
        ("[18]*1024", (1 << 27) - 1, (1 << 27) - (1 << 18)),
        ("[9]*524288", (1 << 17) + 5, 1 << 17),
        ("[17]*2048", (1 << 17) + 515, (1 << 17) + 512),
    ],
)
def test_large_ranges(orders, changed, kept):
    """A range of 2^28 pages is judged by its entry alone: nobody looks at all its pages."""
    made = program(
        f'a = mapping("hugetlb", orders={orders})',
        f"h1 = pin_user_pages_fast_only(a[0:{1 << 28}], changed={changed})",
    )

    verdict = judge(made, Optimised())
    assert verdict.finding is None
    assert kept == next(Optimised().execute(made)).returned
