# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.optimised import Optimised
from model.parse import parse_program
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from properties.reports.failure import Failure, explained
from properties.reports.pagemap import in_words, page_map
from properties.reports.show import shown_steps
from tests.helpers import HEADER


def drawn(mappings, pages):
    """The page map of the list *pages* over *mappings*."""
    program = parse_program(f"{HEADER}{mappings}\nh1 = pin_user_pages({pages})\n")
    ledger = Ledger(program.semantics, program.mappings)
    return page_map(ledger, program.steps[0].pages.resolve(ledger.table))


@pytest.mark.parametrize(
    ("mappings", "pages", "expected"),
    [
        (
            'a = mapping("driver", orders=[2, 2])',
            "a[1:5]",
            ["a      |0---1---2---3---|4---5---6---7---|", "range       ^^^^^^^^^^^^^^^^^"],
        ),
        (
            'a = mapping("driver", orders=[2, 2])',
            "a[4:5] + a[0:1] + a[4:5]",
            ["a     |0---1---2---3---|4---5---6---7---|", "list   1                0+2"],
        ),
        (
            'a = mapping("driver", orders=[1, 0])',
            "a[2::-1]",
            ["a     |0---1---|2---|", "list   2   1    0"],
        ),
        (
            'a = mapping("thp", orders=[9, 9])',
            "a[510:514]",
            [
                "a      |0----...509--510--511--|512--513--514--...1023-|",
                "range                ^^^^^^^^^^^^^^^^^^^^^",
            ],
        ),
        (
            'a = mapping("base", orders=[0]*100)',
            "a[50:51]",
            ["a      ...|49--|50--|51--|...", "range           ^^^^"],
        ),
        (
            'a = mapping("base", orders=[0, 0])\nb = mapping("base", orders=[0])',
            "a[1:2] + b[0:1] + a[1:2]",
            ["a     |0---|1---|", "list        0+2", "b     |0---|", "list   1"],
        ),
    ],
)
def test_page_map(mappings, pages, expected):
    """Pages stand in their compound pages, and marks under the pages of the list."""
    assert expected == drawn(mappings, pages)


@pytest.mark.parametrize(
    ("mappings", "pages"),
    [
        ('a = mapping("hugetlb", orders=[18, 18])', "a[1000:300000]"),
        ('a = mapping("base", orders=[0]*131072)', "a[0:131072]"),
        ('a = mapping("base", orders=[0]*131072)', "a[0:131072:3]"),
        ('a = mapping("driver", orders=[3, 3, 3, 3, 3, 3])', "a[0:48] + a[0:48]"),
    ],
)
def test_page_map_is_narrow(mappings, pages):
    """However large the pages and the list, a map is at most 96 columns wide."""
    lines = drawn(mappings, pages)

    assert lines
    assert all(len(line) <= 96 for line in lines)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ("a[0:1] + NULL + a[1:2]", ["a     |0---|1---|2---|...", "list   0    2", "NULL   1"]),
        ("NULL*2 + a[0:1] + NULL*4", ["a     |0---|1---|...", "list   2", "NULL   0+1+3+"]),
        ("NULL", ["NULL   0"]),
    ],
)
def test_null_is_drawn(pages, expected):
    """NULL lies in no mapping, so its positions have a line of their own."""
    text = f'a = mapping("base", orders=[0]*9)\nunpin_user_pages({pages})\n'
    program = parse_program(HEADER.replace("5.13", "6.12") + text)
    ledger = Ledger(program.semantics, program.mappings)

    assert expected == page_map(ledger, program.steps[0].pages.resolve(ledger.table))


def test_error_is_told_though_both_agree(sketches):
    """What a call that fails returns is told also if it is not what differs."""
    text = 'a = mapping("driver", orders=[0, 0])\nm1 = ib_umem_get(a[0:2], nmap=0)\n'
    program = parse_program(HEADER + text)
    finding = judge(program, sketches.ReleasesNmap()).finding

    assert "refcount" == finding.what
    assert "  ib_umem_get returned -12 (-ENOMEM) on both sides" in explained(program, finding)


def test_freed_is_told_before_dirty():
    """Of a page that is freed while it is held, the report names that, not its dirty flag."""
    text = (
        'a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\n'
        "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)\n"
    )
    program = parse_program(HEADER + text)
    finding = judge(program, FAULTS["FreedAtOne"].candidate()).finding

    assert "allocated-unpin_user_pages_dirty_lock" == finding.signature
    assert ["allocated", "dirty"] == [row.what for row in finding.rows]
    assert "allocated after " in explained(program, finding)[0]


def test_in_words():
    """Equal neighbours are counted, and long lists are cut."""
    assert "3 of a+0, 1 of a+4" == in_words([("a+0", 3), ("a+4", 1)])
    assert "1 of a+0 (3 times)" == in_words([("a+0", 1)] * 3)
    assert in_words([(f"a+{i}", 1) for i in range(9)]).endswith("1 of a+4, and 4 more")


def test_failure(sketches):
    """A failure is what diverged, the values, the map, the trace, and what to do next."""
    program = parse_program(
        HEADER + 'a = mapping("driver", orders=[2, 2])\nh1 = pin_user_pages(a[0:5])\n'
        "unpin_user_page_range_dirty_lock(h1[1:5], make_dirty=False)\n"
    )
    finding = judge(program, sketches.NoTailOffset()).finding

    lines = Failure(
        program, finding, "smallest found", "x.trace", "headcount replay x.trace"
    ).lines()

    assert [
        (
            "DIVERGED at step 2 of 2: pincount after unpin_user_page_range_dirty_lock"
            "           semantics 5.13"
        ),
        "                              reference     candidate",
        "  a+0  order 2   pincount             1             0",
        "  a+4  order 2   pincount             0             1",
        "  a+0  order 2   refcount             2             1",
        "  a+4  order 2   refcount             1             2",
        "",
        "  a      |0---1---2---3---|4---5---6---7---|",
        "  range       ^^^^^^^^^^^^^^^^^",
        "  2 runs: 3 of a+0, 1 of a+4; the candidate took 4 of a+0",
        "",
        "# headcount 1",
        'semantics("5.13")',
        'a = mapping("driver", orders=[2, 2])',
        "h1 = pin_user_pages(a[0:5])",
        "unpin_user_page_range_dirty_lock(h1[1:5], make_dirty=False)",
        "",
        "smallest found",
        "saved    x.trace",
        "replay   headcount replay x.trace",
    ] == lines


@pytest.mark.parametrize(
    ("name", "step", "heading"),
    [
        ("Raises", "unpin_user_page(h1[0:1])", "RAISED at step 2 of 2: "),
        ("RunOfZero", "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=True)", "NO END at"),
        (
            "DirtiesAfterPut",
            "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=True)",
            "INVARIANT BROKEN",
        ),
        ("PageByPage", "unpin_user_pages(h1[0:4])", "DEARER at step 2 of 2: "),
    ],
)
def test_headings(sketches, name, step, heading):
    """The first word says what kind of thing went wrong; no line is too wide."""
    program = parse_program(
        HEADER + f'a = mapping("driver", orders=[2])\nh1 = pin_user_pages(a[0:4])\n{step}\n'
    )
    lines = explained(program, judge(program, getattr(sketches, name)()).worst)

    assert lines[0].startswith(heading)
    assert all(len(line) <= 100 for line in lines)


def test_entries_of_a_region(sketches):
    """Each scatterlist entry is drawn by its number; a region of one is a range."""
    text = 'a = mapping("driver", orders=[2, 1])\nm1 = ib_umem_get({})\nib_umem_release(m1)\n'
    one = parse_program(HEADER + text.format("a[1:6]"))
    two = parse_program(HEADER + text.format("a[1:3] + a[4:6]"))

    lines = list(shown_steps(one, Optimised()))
    assert 1 == sum(line.startswith("     range") for line in lines[-9:])
    assert not any("sg 0" in line for line in lines)
    lines = list(shown_steps(two, Optimised()))
    assert [
        "     sg 0       ^^^^^^^^",
        "     sg 1          ^^^^^^^^",
    ] == [line for line in lines if line.startswith("     sg")]


def test_wide_values():
    """Values that are wide make their column wider, and headings stand above them."""

    class Talks(Optimised):
        def pin_user_pages(self, pages):
            return 2**63

    program = parse_program(
        HEADER + 'a = mapping("driver", orders=[0])\nh1 = pin_user_pages(a[0:1])\n'
    )
    lines = explained(program, judge(program, Talks()).finding)

    ends = {len(line) for line in lines[1 : lines.index("")]}
    assert 1 == len(ends)
    assert max(map(len, lines)) <= 100
    assert any(str(2**63) in line for line in lines)


def test_many_rows(sketches):
    """When very many values differ, the first dozen will do."""

    class Forgets(Optimised):
        def put_compound_head(self, head, refs):
            pass

    program = parse_program(
        HEADER + 'a = mapping("base", orders=[0]*64)\nh1 = pin_user_pages(a[0:64])\n'
        "unpin_user_pages(h1[0:64])\n"
    )
    lines = explained(program, judge(program, Forgets()).finding)

    assert len(lines) < 24
    assert any("and 53 more" in line for line in lines)


def test_show_many_heads():
    """Showing a trace lists a dozen heads, and counts the rest."""
    program = parse_program(
        HEADER + 'a = mapping("base", orders=[0]*64)\nh1 = pin_user_pages(a[0:64])\n'
    )

    assert any("and 52 more heads" in line for line in shown_steps(program, Optimised()))
