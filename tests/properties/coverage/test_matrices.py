# SPDX-License-Identifier: MIT

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from click.testing import CliRunner

from model.optimised import Optimised
from model.parse import parse_program
from properties.cli import main
from properties.coverage.matrices import COMBINATIONS, MATRICES, combinations
from properties.judging.judge import Run

PAGES = (
    '# headcount 1\nsemantics("5.13")\na = mapping("driver", orders=[4, 4, 2, 1, 0, 0])\n'
    "h1 = pin_user_pages(a[0:40])\nh2 = pin_user_pages(a[0:40])\n"
)


def visited(step, before=""):
    """The combinations that *step* is in: (matrix, row, column) of each."""
    program = parse_program(PAGES + before + step + "\n")
    run = Run(Optimised(), program.mappings, program.semantics)
    for one in program.steps:
        assert run.step(one) is None
    return {
        (matrix, *point.split(", ", 1))
        for matrix, point in (point.split(": ") for point in combinations(run.record))
    }


@pytest.mark.parametrize(
    ("pages", "start", "end"),
    [
        ("a[0:1]", ("3 to 8", "head"), ("head", "1")),
        ("a[1:16]", ("3 to 8", "first tail"), ("last tail", "1")),
        ("a[2:4]", ("3 to 8", "middle"), ("middle", "1")),
        ("a[15:33]", ("3 to 8", "last tail"), ("head", "3")),
        ("a[33:36]", ("2", "first tail"), ("last tail", "1")),
        ("a[35:38]", ("2", "last tail"), ("last tail", "2")),
        ("a[37:39]", ("1", "first tail"), ("single page", "2")),
        ("a[39:40]", ("0", "head"), ("single page", "1")),
        ("a[0:40]", ("3 to 8", "head"), ("single page", "4 or more")),
    ],
)
def test_ranges(pages, start, end):
    """A range is counted by where it starts, and by where it ends and what it visits."""
    found = visited(f"unpin_user_page_range_dirty_lock({pages}, make_dirty=False)")

    assert {("starts", *start), ("ends", *end)} == {cell for cell in found if cell[0] != "shapes"}


@pytest.mark.parametrize(
    ("pages", "shapes"),
    [
        ("h1[3:4]", {"single entry"}),
        ("h1[0:16]", {"whole compound page"}),
        ("h1[0:15]", {"part"}),
        ("h1[0:16:2]", {"part"}),
        ("h1[3:4]*2", {"repeated"}),
        ("h1[3:1:-1]", {"backwards"}),
        ("h1[14:36]", {"part", "whole compound page"}),
        ("h1[0:1] + h1[16:17] + h1[2:3] + h1[33:34]", {"interleaved", "single entry"}),
        ("h1[0:2] + h1[3:4] + h1[32:33]*2", {"part", "repeated"}),
    ],
)
@pytest.mark.parametrize(
    ("make_dirty", "before", "dirt"),
    [
        ("False", "set_page_dirty(a[0:40])\n", "not asked"),
        ("True", "", "asked, clean"),
        ("True", "set_page_dirty(a[0:40])\n", "asked, dirty"),
    ],
)
def test_shapes(pages, shapes, make_dirty, before, dirt):
    """Each run is counted by its shape, and by whether it is to dirty what was clean."""
    found = visited(f"unpin_user_pages_dirty_lock({pages}, make_dirty={make_dirty})", before)

    assert {("shapes", shape, dirt) for shape in shapes} == found


def test_regions():
    """The entries of a region that is released are runs too."""
    before = "m1 = ib_umem(sg(h1[0:16], 65536) + sg(h1[16:18], 8192))\n"

    assert {
        ("shapes", "whole compound page", "asked, clean"),
        ("shapes", "part", "asked, clean"),
    } == visited("ib_umem_release(m1)", before)


def test_entries_do_not_interleave():
    """Entries of a region are lists of their own: none interrupts a run of another."""
    before = "m1 = ib_umem(sg(h1[0:1], 4096) + sg(h1[16:17], 4096) + sg(h1[1:2], 4096))\n"

    assert {("shapes", "single entry", "asked, clean")} == visited("ib_umem_release(m1)", before)


@pytest.mark.parametrize(
    "step", ["h3 = pin_user_pages(a[0:1])", "unpin_user_pages(h1[0:1], npages=-14)"]
)
def test_nothing_unpinned(step):
    """A step that unpins nothing is in no combination."""
    assert set() == visited(step)


def test_tables():
    """A table is aligned, fits, and shows a dot for what was not reached."""
    counts = Counter({point: 10**index for index, point in enumerate(COMBINATIONS[:12])})
    for matrix in MATRICES:
        title, *body = matrix.lines(counts)

        assert title == matrix.title
        assert len(matrix.rows) + 1 == len(body)
        assert len({len(line) for line in body}) == 1
        assert max(map(len, [title, *body])) <= 100
        assert all(len(line.split()) >= len(matrix.columns) + 1 for line in body)
    assert MATRICES[0].lines(counts)[2].split() == ["0", "1", "-", "-", "-"]
    assert MATRICES[1].lines({})[-1].split() == ["last", "tail", ".", ".", ".", "."]


def test_combinations():
    """Each possible combination is listed once, and no impossible one."""
    assert len(set(COMBINATIONS)) == len(COMBINATIONS) == 57
    assert "starts: 1, head" in COMBINATIONS
    assert "starts: 0, middle" not in COMBINATIONS


def verify(*arguments):
    """What `headcount verify` prints."""
    result = CliRunner().invoke(main, ["verify", "--seed", "4", "--rounds", "1", *arguments])
    assert 0 == result.exit_code
    return result.output


def test_verify_prints_them(tmp_path, monkeypatch):
    """The number of combinations is always said; the tables only where they are asked for."""
    monkeypatch.chdir(tmp_path)
    short, long = verify(), verify("--matrices")

    assert re.search(
        r"^reached  \d+ of 60 situations, \d+ of 57 combinations$", short, re.MULTILINE
    )
    assert short.splitlines()[1:] == [
        line
        for line in long.splitlines()[1:]
        if line and not any(line in drawn(long, matrix) for matrix in MATRICES)
    ]
    assert max(map(len, long.splitlines())) <= 100


def drawn(output, matrix):
    """The lines of *matrix* in *output*."""
    lines = output.splitlines()
    at = lines.index(matrix.title)
    return lines[at : at + len(matrix.rows) + 2]


def test_verify_json(tmp_path, monkeypatch):
    """The tables are in the JSON too, with null where nothing can be."""
    monkeypatch.chdir(tmp_path)
    tables = json.loads(verify("--json"))["matrices"]

    assert [matrix.name for matrix in MATRICES] == [table["name"] for table in tables]
    for matrix, table in zip(MATRICES, tables, strict=True):
        assert [len(matrix.columns)] * len(matrix.rows) == [len(row) for row in table["counts"]]
    assert [None] * 3 == tables[0]["counts"][0][1:]
    assert sum(tables[2]["counts"][0]) > 0
