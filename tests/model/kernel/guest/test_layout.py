# SPDX-License-Identifier: MIT

"""Numbers for pages, and what is asked for so that frames follow each other."""

from __future__ import annotations

import pytest

from model.kernel.guest.answer import Answer, answer
from model.kernel.guest.layout import Layout
from model.memory import Panic
from model.page import Event
from model.parse import parse_layout


def layout(*lines):
    """The layout of the mappings in *lines*."""
    text = "\n".join(['# headcount 1\nsemantics("6.1")', *lines, ""])
    return Layout(parse_layout(text))


@pytest.mark.parametrize(
    ("lines", "requests"),
    [
        (['a = mapping("base", orders=[0]*3)'], ["place base 3 0:3"]),
        # Frames that fall: the last page of the mapping is the first of the stretch.
        (
            ['a = mapping("base", orders=[0] + [0] + [0], pfn=[0x1002, 0x1001, 0x1000])'],
            ["place base 3 2:1 1:1 0:1"],
        ),
        # A gap makes two stretches.
        (
            ['a = mapping("base", orders=[0, 0] + [0], pfn=[0x1000, 0x1008])'],
            ["place base 2 0:2", "place base 1 2:1"],
        ),
        # What an entry of the page table maps begins where it may.
        (
            ['a = mapping("base", orders=[0])', 'b = mapping("thp", orders=[9, 9])'],
            ["place base 1 0:1", "place thp 2 512:2"],
        ),
        (
            [
                'a = mapping("hugetlb", orders=[18])',
                'p = mapping("page-cache", orders=[0])',
                'z = mapping("zero", orders=[0])',
                'b = mapping("hugetlb", orders=[9])',
            ],
            [
                "place gigantic 1 0:1",
                "place page-cache 1 262144:1",
                "place zero 1 262145:1",
                "place hugetlb 1 262656:1",
            ],
        ),
        # Pages of a driver share an arena, each aligned as in the program.
        (
            ['a = mapping("driver", orders=[2, 0, 0, 1], pfn=0x1004)'],
            ["driver 8 0:0:2:1 4:4:0:2 6:6:1:1"],
        ),
        (
            [
                'a = mapping("driver", orders=[0], pfn=0x1003)',
                'b = mapping("driver", orders=[3], pfn=0x1010)',
            ],
            ["driver 16 0:0:0:1 8:1:3:1"],
        ),
        # Attributes of mappings change entries when all pages are placed.
        (
            [
                'a = mapping("base", orders=[0, 0], writable=False)',
                'b = mapping("thp", orders=[9, 9], mapped="pte", pfn=[0x1200])',
                'c = mapping("thp", orders=[9], mapped="pmd", writable=False)',
                'd = mapping("base", orders=[0], mapped="pte")',
            ],
            [
                "place base 2 0:2",
                "place thp 2 512:2",
                "place thp 1 1536:1",
                "place base 1 2048:1",
                "entries 2 0:0:2",
                "entries 1 512:9:2",
                "entries 2 1536:9:1",
            ],
        ),
        # Pages that are to move lie elsewhere, whatever lies beside them in the program.
        (
            [
                'a = mapping("page-cache", orders=[0], movable=True, migrates=False, pfn=0x1000)',
                'b = mapping("page-cache", orders=[0], present=False, pfn=0x1001)',
                'c = mapping("driver", orders=[0], present=False, fault="bus")',
                'd = mapping("driver", orders=[0], present=False, fault="oom")',
                'e = mapping("driver", orders=[0], present=False, fault="retry", writable=False)',
            ],
            [
                "place page-cache-movable 1 0:1",
                "place page-cache 1 1:1",
                "driver 3 0:2:0:1 1:3:0:1 2:4:0:1",
                "entries 192 0:0:1",
                "entries 4 1:0:1",
                "entries 12 2:0:1",
                "entries 20 3:0:1",
                "entries 38 4:0:1",
            ],
        ),
        # Two mappings side by side are one stretch.
        (
            [
                'a = mapping("base", orders=[0], pfn=0x1001)',
                'b = mapping("base", orders=[0], pfn=0x1000)',
            ],
            ["place base 2 1:1 0:1"],
        ),
    ],
)
def test_requests(lines, requests):
    """What follows each other in the program is asked for side by side."""
    assert requests == [*layout(*lines).requests()]


def test_no_pages():
    """Nothing is asked for where there is nothing."""
    assert [] == [*Layout(()).requests()]


MIXED = (
    'a = mapping("driver", orders=[2] + [0], pfn=[0x1004, 0x1000])',
    'b = mapping("thp", orders=[9])',
)


def test_numbers():
    """A page has one number, by which its frame is found again."""
    found = layout(*MIXED)

    assert [0, 3, 4, 512, 600] == [
        found.number(pfn) for pfn in (0x1004, 0x1007, 0x1000, 0x1200, 0x1258)
    ]
    assert [0x1004, 0x1007, 0x1000, 0x1258] == [found.pfn(number) for number in (0, 3, 4, 600)]
    assert [(0, 2), (4, 0), (512, 9)] == [found.head(pfn) for pfn in (0x1006, 0x1000, 0x1300)]


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        (range(0x1004, 0x1008), "0:4:1"),
        (range(0x1004, 0x1008, 2), "0:2:2"),
        (range(0x1007, 0x1003, -1), "3:4:-1"),
        ([0x1004, 0x1004, 0x1004], "0:3:0"),
        ([0x1000, 0x1007], "4:2:-1"),
        ([0x1004, 0x1000, 0x1204], "0:2:4 516"),
        ([-1], "N"),
        ([-1, 0x1004, 0x1005], "N 0:2:1"),
        ([0x1005, 0x1004, -1, -1], "1:2:-1 N N"),
        ([0x1005, 0x1005, -1], "1:2:0 N"),
        ([-1, -1, 0x1007], "N N 3"),
        ([], ""),
    ],
)
def test_words(pages, words):
    """A list is written in stretches; NULL stands alone."""
    assert words == layout(*MIXED).words(pages)


def test_kinds():
    """What kinds a list is of is known."""
    found = layout(*MIXED)

    assert {("driver", 2), ("thp", 9)} == found.kinds([0x1004, 0x1200])
    assert {("driver", 0)} == found.kinds([0x1000])
    assert {("base", 0)} == layout('a = mapping("base", orders=[0])').kinds([])


def test_answer():
    """An answer says everything in one line."""
    found = answer("= -14 3 -2 h 0:1025:0:7 512:-1:3:2 e g0:1:0*3 p512:-2:1*1 w mm/gup.c:3|x.c:9")

    assert (-14, 3, -2) == (found.returned, found.acquired, found.released)
    assert [(0, 1025, 0, 7), (512, -1, 3, 2)] == found.heads
    assert [
        (Event("grab", 0, 1, dirty=False), 3),
        (Event("put", 512, -2, dirty=True), 1),
    ] == found.events
    assert ("mm/gup.c:3", "x.c:9") == found.warnings


def test_short_answer():
    """Most is left out where nothing happened."""
    assert Answer(0, 0, 0, [], [], ()) == answer("= 0 0 0")


@pytest.mark.parametrize("line", ["= 1 2", "", "= 0 0 0 h 1:2", "= 0 0 0 x", "bye"])
def test_no_answer(line):
    """What is no answer is not taken for one."""
    with pytest.raises(Panic, match="the guest answers"):
        answer(line)


def test_refused():
    """What the module refuses is told in its words."""
    with pytest.raises(Panic, match="in the guest: page 3 is not there"):
        answer("! page 3 is not there")
