# SPDX-License-Identifier: MIT

from __future__ import annotations

import sys
from io import StringIO

from model.progress import tell, told_to
from properties.cli import waiting as module
from properties.cli.waiting import Waiting
from tests.helpers import run


def test_lines(capsys):
    """The first line comes after some seconds, and one a minute after it."""
    now = [100.0]
    waiting = Waiting(clock=lambda: now[0])
    for second in range(200):
        now[0] = 100.0 + second
        waiting(f"second {second}")

    printed = capsys.readouterr()
    assert not printed.out
    assert [f"headcount: second {n}" for n in (5, 65, 125, 185)] == printed.err.splitlines()


def test_no_standard_error(monkeypatch):
    """A closed standard error does not end the work."""
    monkeypatch.setattr(module, "FIRST", 0)
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)

    Waiting()("one")


def test_nobody_listens():
    """Telling needs no listener, and none is left after the block."""
    told = []
    tell("before")
    with told_to(told.append):
        tell("within")
    tell("after")

    assert ["within"] == told


def test_command(home, monkeypatch):
    """A command prints how far it has come on standard error."""
    monkeypatch.setattr(module, "FIRST", 0)
    monkeypatch.setattr("model.parse.LINES_TOLD", 3)
    (home / "a.trace").write_text(
        '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\n"
    )
    result = run("replay", "a.trace")

    assert "headcount: reading line 3 of 5\n" == result.stderr
    assert not result.exit_code
