# SPDX-License-Identifier: MIT

"""The README says what is so."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from model.kernel.source.tree import read
from model.parse import parse_program
from properties.candidates import load
from properties.cli import main


README = (Path(__file__).parent.parent / "README.md").read_text()
KERNEL = Path("/usr/src/linux-source-6.1.tar.xz")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(first):
    """The text of the code block that begins with *first*."""
    (text,) = (text for _, text in BLOCKS if text.startswith(first))
    return text


@pytest.fixture
def sketch(tmp_path, monkeypatch):
    """The README's sketch, in a file of that name."""
    monkeypatch.chdir(tmp_path)
    Path("sketch.py").write_text(block("from model.optimised"))
    return load("sketch.py:Sketch")


def test_opening_is_as_printed(sketch):
    """The counterexample at the top is what the command in its last line prints."""
    opening = block("DIVERGED")
    command = opening.splitlines()[-1].removeprefix("found by headcount ")
    # In a process of its own, for Hypothesis draws constants from what is imported here.
    result = subprocess.run(
        [sys.executable, "-m", "properties", *command.split()],
        check=False,
        capture_output=True,
        text=True,
    )

    assert 1 == result.returncode
    assert opening == result.stdout


def test_proof_is_as_printed():
    """So is the statement that enumeration proves."""
    command, printed = block("$ headcount").split("\n", 1)
    result = CliRunner().invoke(main, command.removeprefix("$ headcount ").split())

    assert printed == result.output


def test_sketch_is_found(sketch):
    """The command below the sketch finds its bug."""
    result = CliRunner().invoke(main, ["verify", "--candidate", "sketch.py:Sketch", "--seed", "1"])

    assert 1 == result.exit_code
    assert result.output.startswith("DIVERGED")


def test_trace_reads_back():
    """The example of a trace is one, to the byte."""
    text = block("# headcount 1")

    assert text == parse_program(text).text()


def test_commands_exist():
    """Every command and option that is named exists."""
    for name in set(
        re.findall(
            r"headcount (guest \w+|verify|replay|reduce|show|capture|faults|exhaustive|prove"
            r"|measure)\b",
            README,
        )
    ):
        help_text = CliRunner().invoke(main, [*name.split(), "--help"]).output
        options = re.findall(rf"headcount {name}[^`\n]* (--[a-z]+)", README)
        assert all(option in help_text for option in options)


@pytest.mark.skipif(not KERNEL.is_file(), reason=f"no {KERNEL}: apt install linux-source-6.1")
def test_edit_is_as_printed(tmp_path):
    """From the edit of a kernel tree to the counterexample, by the commands as they are written."""
    pytest.importorskip("cffi", reason="no cffi: pip install -e '.[kernel]'")
    for name, text in read(str(KERNEL)).files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    edit, command, printed = block("$ sed").split("\n", 2)
    subprocess.run(shlex.split(edit.removeprefix("$ ")), cwd=tmp_path, check=True)
    result = subprocess.run(
        [sys.executable, "-m", "properties", *command.removeprefix("$ headcount ").split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert 1 == result.returncode
    assert printed == result.stdout
