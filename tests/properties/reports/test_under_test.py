# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.under_test import Changed, Fate, Function, UnderTest
from properties.reports.under_test import Extent, as_json, changes, coverage_lines

RAN, NEVER, OUTSIDE, OFF, NO_CODE = Fate

UNDER = UnderTest(
    [
        Function("put", "mm/gup.c", 3, 9, {4: 1, 5: 0, 6: 0, 8: 0}),
        Function("get", "mm/gup.c", 11, 14, {12: 0, 13: 0}),
        Function("all", "lib/a.c", 1, 4, {2: 5}),
    ]
)


def changed(*fates):
    return [Changed("mm/gup.c", n, "put", fate) for n, fate in enumerate(fates, 3)]


@pytest.mark.parametrize(
    ("fates", "said"),
    [
        ((), ""),
        ((NO_CODE,), ""),
        ((RAN, RAN, NO_CODE), ""),
        ((RAN, OFF), "partly under test"),
        ((RAN, NEVER), "partly under test"),
        ((RAN, OUTSIDE), "partly under test"),
        ((NEVER, OUTSIDE), "not under test"),
        ((OFF, NO_CODE), "not under test"),
    ],
)
def test_verdict(fates, said):
    """Only if every changed line of code ran, agreed is what it says."""
    assert said == Extent(UNDER, changed(*fates)).lack


def test_tested():
    """One line says how much ran; the lines that never ran are listed on request."""
    (short,) = coverage_lines(UNDER, listed=False)
    _, *rest = coverage_lines(UNDER, listed=True)

    assert "2 of 7 lines in 3 functions of mm/gup.c, lib/a.c; --uncovered lists the rest" == short
    assert ["never ran in mm/gup.c:", "  put: 5-6, 8", "  get: all of it, 11-14"] == rest


def test_whole():
    """Where all ran there is no rest to list."""
    assert ["1 of 1 lines in 1 functions of lib/a.c"] == [
        *coverage_lines(UnderTest(UNDER.functions[2:]), listed=False)
    ]


def test_unknown_and_sampled():
    """That nothing is known is told, and so is that only a part was looked at."""
    assert ["not known which lines ran: why"] == [
        *coverage_lines(UnderTest(unknown="why"), listed=True)
    ]
    (line,) = coverage_lines(UnderTest(UNDER.functions[2:], sample="one round in 8"), listed=False)
    assert line.endswith("lib/a.c, as far as seen: one round in 8")


def test_changes():
    """Changed lines are counted by what became of them; those that did not run are named."""
    assert [
        (
            "6 lines of code: 1 ran; 1 off in this configuration; 1 not under test; "
            "3 compiled, but never ran"
        ),
        "  off in this configuration: mm/gup.c: put, 8",
        "  not under test: mm/gup.c: put, 7",
        "  compiled, but never ran: mm/gup.c: put, 4-6",
    ] == [*changes(changed(RAN, NEVER, NEVER, NEVER, OUTSIDE, OFF, NO_CODE), listed=False)]
    assert ["no line of code"] == [*changes(changed(NO_CODE), listed=False)]


def test_notes():
    """Where a patch did not fit exactly is told first."""
    under = UnderTest(UNDER.functions[2:], notes=["mm/gup.c: Hunk #1 succeeded at 7 with fuzz 1"])

    first, *_ = Extent(under, ()).lines()

    assert "edits    mm/gup.c: Hunk #1 succeeded at 7 with fuzz 1" == first
    assert as_json(under, None)["edits"] == under.notes


def test_long_lists():
    """Walks that were not the tree's are told, where any were."""
    under = evolve(UNDER, long_lists=1234)
    told = [" ".join(line.split()) for line in Extent(under).lines()]

    assert (
        "walks the tree's, but for 1,234 walks of lists of 2^20 pages and more (2^19 with ,m32), "
        "which were headcount's own"
    ) in " ".join(told)
    assert not any("walks" in line for line in Extent(UNDER).lines())


def test_many_changes():
    """Of many functions only some are named, unless all are asked for."""
    many = [Changed(f"mm/{n}.c", 1, "", OUTSIDE) for n in range(30)]

    short, long = ([*changes(many, listed=listed)] for listed in (False, True))

    assert "  10 more, not under test; --uncovered lists them" == short[-1]
    assert 22 == len(short)
    assert 31 == len(long)


def test_json():
    """JSON has all functions with the counts of their lines, and each changed line."""
    found = as_json(UNDER, changed(RAN))

    assert (7, 2) == (found["lines"], found["ran"])
    assert {"4": 1, "5": 0, "6": 0, "8": 0} == found["functions"][0]["lines"]
    assert [{"file": "mm/gup.c", "line": 3, "function": "put", "fate": "ran"}] == found["changed"]
    assert "changed" not in as_json(UNDER, None)
