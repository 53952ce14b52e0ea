# SPDX-License-Identifier: MIT

"""A command imports what it needs, and no more: that is most of the time of a short one."""

from __future__ import annotations

import inspect
import subprocess
import sys

import click
import pytest

from properties.cli import MODULES, docstring, main
from tests.helpers import TRACES, run

#: What takes long to import, and only some commands need.
SLOW = ("hypothesis", "model.kernel", "cffi", "z3", "properties.faults")

#: For each command, other modules that it must not import.
STARTS = {
    ("--help",): ("rich", "attrs", "model", "properties.search"),
    ("--version",): ("rich", "attrs", "model", "properties.search"),
    ("replay", "TRACE"): ("properties.searches",),
    ("show", "TRACE"): ("properties.searches",),
    ("verify", "--search", "soak", "--seed", "1", "--rounds", "1"): ("properties.searches.wide",),
}


@pytest.mark.parametrize("words", STARTS, ids=lambda words: words[0])
def test_imports(home, words):
    """The command has run without the modules that others need."""
    trace = str(TRACES / "v1-nmap.trace")
    script = (
        "import sys\nfrom properties.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    arguments = [trace if word == "TRACE" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False, capture_output=True, text=True
    )
    imported = set(done.stderr.split())

    assert 0 == done.returncode
    assert "properties.cli" in imported
    assert not imported.intersection((*SLOW, *STARTS[words]))


@pytest.mark.parametrize("name", MODULES)
def test_docstring(name):
    """The help of a command is read from its module without importing it."""
    command = main.get_command(None, name)

    assert isinstance(command, click.Command)
    assert name == command.name
    assert inspect.cleandoc(command.help) == docstring(name)


def test_listed():
    """The list of commands begins each one's help."""
    said = run("--help").stdout

    for name in MODULES:
        assert f"  {name:10}  {docstring(name)[:30]}" in said


@pytest.mark.parametrize("name", ["varify", "traces", "console"])
def test_no_such_command(name):
    """A module is not a command; a misspelt one is suggested."""
    result = run(name)

    assert 2 == result.exit_code
    assert f"No such command '{name}'" in result.stderr
    assert ("verify" in result.stderr) == (name == "varify")
