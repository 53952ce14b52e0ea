# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from properties.searches.registry import FORMS, SEARCHES, TURNS, load


def test_by_name():
    """Those of headcount itself go by a word."""
    for name, where in SEARCHES.items():
        assert callable(load(name))
        assert name == "predrawn" or load(where) is load(name)
    assert set(TURNS) <= SEARCHES.keys()


def test_former_name():
    """A command of an earlier version repeats its run."""
    assert load("predrawn") is load("whole")


def test_of_another_module(home):
    """Any function of two parameters will do, also of a file in the working directory."""
    (home / "mine.py").write_text("def search(search, number):\n    return number\n")

    assert 3 == load("mine:search")(None, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wandering", "search 'wandering' is not one of machine, soak"),
        ("", "is not one of"),
        (":search", "is not one of"),
        (".mine:search", "is not one of"),
        ("model:", "is not one of"),
        ("no_such_module:search", "is not one of"),
        ("broken:search", "cannot be imported: SyntaxError"),
        ("raises:search", "cannot be imported: ZeroDivisionError"),
        ("properties.searches.soak:nothing", "is not a search"),
        ("properties.search:attempt", "is not a search"),
        ("properties.searches.soak:__doc__", "is not a search"),
    ],
)
def test_no_search(home, name, said):
    """What is none is bad input, whatever it does."""
    (home / "broken.py").write_text("def search(:\n")
    (home / "raises.py").write_text("1 / 0\n")
    with pytest.raises(BadInput, match="search") as info:
        load(name)

    assert said in str(info.value)
    assert len(FORMS) < 90
