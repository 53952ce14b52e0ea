# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("no end", {}),
        ("line 3: no end", {"line": 3}),
        ("a.trace: no end", {"file": "a.trace"}),
        ("a.trace:3: no end", {"file": "a.trace", "line": 3}),
    ],
)
def test_one_line(text, place):
    """The text says where, as far as that is known, and what."""
    err = BadInput("no end", **place)

    assert text == str(err)
    assert (text,) == err.args


def test_is_a_value_error():
    """Whoever does not know the class can catch it as what it is."""
    with pytest.raises(ValueError, match=r"^line 3: no end$"):
        raise BadInput("no end", line=3)


def test_at_fills_in():
    """A place that was open is filled in."""
    err = BadInput("no end").at(line=3).at(file="a.trace")

    assert "a.trace:3: no end" == str(err)
    assert "no end" == err.reason


def test_at_keeps():
    """The first to name a place knows best."""
    err = BadInput("no end", file="a.trace", line=3)

    assert "a.trace:3: no end" == str(err.at(file="b.trace", line=9))
