# SPDX-License-Identifier: MIT

from __future__ import annotations

from model.under_test import Function, UnderTest, ranges


def test_counts():
    """Lines that ran, and lines that never ran, of one function and of all."""
    one = Function("one", "a.c", 1, 9, {3: 0, 2: 7, 5: 0})
    two = Function("two", "b.h", 1, 2, {1: 0})
    under = UnderTest([one, two])

    assert ([3, 5], True, False) == (one.never, one.ran, two.ran)
    assert (4, 1, ("a.c", "b.h")) == (under.lines, under.ran, under.files)


def test_ranges():
    """Neighbouring lines are joined."""
    assert "1-3, 7, 9-10" == ranges([1, 2, 3, 7, 9, 10])
    assert not ranges([])
