# SPDX-License-Identifier: MIT

"""The documents say what is so: their examples run, their commands, links and paths exist."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest
from attrs import fields
from click.testing import CliRunner

from model.abilities import Abilities
from model.candidate import Candidate
from model.errors import BadInput
from model.kernel.guest import booted
from model.kernel.source.tree import read
from model.memory import Memory
from model.optimised import Optimised
from model.parse import parse_program
from model.semantics import KINDS, SEMANTICS
from model.step import Step
from model.steps import STEPS
from properties.candidates import load
from properties.cli import main
from properties.faults import FAULTS, GROUPS
from properties.judging.judge import judge
from properties.judging.oddities import ODDITIES
from properties.search import Search, Tally
from properties.searches import registry
from tests.helpers import ROOT

KERNEL = Path("/usr/src/linux-source-6.1.tar.xz")
#: All but the changelog, which says what was so.
DOCUMENTS = [
    "README.md",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for where in ("model", "properties", "tests")
        for path in (ROOT / where).rglob("*.md")
    ),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

#: What stands for something else in a command: a file or a fault of the reader's own.
PLACEHOLDER = re.compile(r"[A-Z]+")

#: Rows of a map of a folder: names, then what they are.
ROW = re.compile(r"^(?:[|] {3}| {4})*[|`]-- ([\w/]+(?:, [\w/]+)*)", re.MULTILINE)


@cache
def text(document):
    """The text of *document*."""
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document):
    """The code blocks of *document*."""
    return [code for _, code in BLOCK.findall(text(document))]


def prose(document):
    """*document* without its code blocks."""
    return BLOCK.sub("", text(document))


def block(document, first):
    """The code block of *document* that begins with *first*."""
    (found,) = (code for code in blocks(document) if code.startswith(first))
    return found


def printed_by(command, cwd):
    """What *command*, a line with ``headcount`` in it, prints; it must report a finding."""
    result = subprocess.run(
        [sys.executable, "-m", "properties", *command.split("headcount ", 1)[1].split()],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert 1 == result.returncode
    return result.stdout


@pytest.fixture
def sketch(tmp_path, monkeypatch):
    """The README's sketch, in a file of that name."""
    monkeypatch.chdir(tmp_path)
    Path("sketch.py").write_text(block("README.md", "from model.optimised"))
    return load("sketch.py:Sketch")


# What the documents show is what happens.


def test_readme_is_short():
    """Nobody reads a long one."""
    assert len(text("README.md").splitlines()) <= 150


def test_opening_is_as_printed(sketch, tmp_path):
    """The counterexample at the top is what the command in its last line prints."""
    opening = block("README.md", "sketch ")

    (command,) = (line for line in opening.splitlines() if line.startswith("found by "))

    assert opening == printed_by(command, tmp_path)


def test_sketch_is_found(sketch):
    """The command below the sketch finds its bug."""
    assert "headcount verify --candidate sketch.py:Sketch`" in text("README.md")
    result = CliRunner().invoke(main, ["verify", "--candidate", "sketch.py:Sketch", "--seed", "1"])

    assert 1 == result.exit_code
    assert "\nDIVERGED" in result.output


@pytest.mark.skipif(not KERNEL.is_file(), reason=f"no {KERNEL}: apt install linux-source-6.1")
def test_edit_is_as_printed(tmp_path):
    """From the edit of a kernel tree to the report, by the commands as they are written."""
    pytest.importorskip("cffi", reason="no cffi: pip install -e '.[kernel]'")
    for name, content in read(str(KERNEL)).files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    edit, command, report = block("model/kernel/README.md", "$ sed").split("\n", 2)
    subprocess.run(shlex.split(edit.removeprefix("$ ")), cwd=tmp_path, check=True)

    assert report == printed_by(command, tmp_path)
    # The README shows the beginning.
    assert f"{edit}\n{command}\n{report}".startswith(block("README.md", "$ sed"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_output_is_as_printed(document):
    """What stands below a command that always prints the same is what it prints."""
    for code in blocks(document):
        if code.startswith("$ headcount"):
            command, printed = code.split("\n", 1)
            result = CliRunner().invoke(main, command.removeprefix("$ headcount ").split())
            assert printed == result.output


@pytest.mark.parametrize("document", DOCUMENTS)
def test_traces_read_back(document):
    """Examples of traces are traces, to the byte."""
    for code in blocks(document):
        if code.startswith("# headcount"):
            assert code == parse_program(code).text()


def test_search_of_ones_own_finds(sketch):
    """The example of a search finds the bug of the README's sketch."""
    Path("edges.py").write_text(block("properties/README.md", "from model.mapping"))
    (command,) = re.findall(r"`headcount (verify .* edges:edges .*)`", text("properties/README.md"))
    result = CliRunner().invoke(main, command.split())

    assert 1 == result.exit_code
    assert "\nDIVERGED" in result.output


def test_planted_bug_is_found(monkeypatch):
    """The example of a planted bug enters the table, and a search finds it."""
    before = set(FAULTS)
    scope = {"__name__": "example"}
    exec(block("properties/faults/README.md", "from model.optimised"), scope)  # noqa: S102 - our own example
    (name,) = set(FAULTS) - before
    fault = FAULTS.pop(name)
    tally = Tally()
    registry.load("soak")(Search(fault.candidate, watcher=tally), 1)
    program, finding = tally.failure

    assert finding.signature == judge(program, fault.candidate()).finding.signature


# What they name exists.


def _commands(document):
    """Each command line of headcount in *document*, as words."""
    found = []
    for code in blocks(document):
        lines = code.replace("\\\n", " ").splitlines()
        found += [
            line for line in lines if re.match(r"(\$ |- run: |found by )?headcount ", line.strip())
        ]
        found += [line.rpartition("&& ")[2] for line in lines if "bin/headcount" in line]
    found += [" ".join(code.split()) for code in CODE.findall(prose(document))]
    for line in found:
        words = re.match(r"(?:\$ |- run: |found by |\.venv/bin/)?headcount (\w.*)", line)
        if words and not line.startswith("headcount 1"):
            yield shlex.split(words[1])


def _check(words):
    """See that *words* name a command, and options and values that it has."""
    command = main
    words = list(words)
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        assert name in command.commands, f"no command {name}"
        command = command.get_command(None, name)
    options = {opt: p for p in command.params for opt in (*p.opts, *p.secondary_opts)}
    for i, word in enumerate(words):
        name, equals, value = word.partition("=")
        if not name.startswith("-"):
            continue
        assert name in options, f"{command.name} has no {name}"
        option = options[name]
        if option.is_flag:
            continue
        value = value if equals else words[i + 1] if i + 1 < len(words) else "N"
        if PLACEHOLDER.fullmatch(value):
            continue
        if name == "--search" and ":" not in value:
            assert value in registry.SEARCHES
        elif name == "--fault":
            assert value in FAULTS
        else:
            option.type.convert(value, option, None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document):
    """Every command, option and value that a document writes can be given."""
    for words in _commands(document):
        _check(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_guests_exist(document, monkeypatch):
    """A kernel to boot that a document names is one that could be booted, once prepared."""
    monkeypatch.setattr(booted, "present", lambda _version: None)
    for named in re.findall(r"kernel-guest(?::([\w.]+(?:,\w+)?))?`?[\s,|]", text(document)):
        with pytest.raises(BadInput, match="headcount guest prepare"):
            booted.load(named)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_options_exist(document, pytestconfig):
    """Options that stand alone, and those of pytest, belong to some command or to pytest."""
    known = set(pytestconfig._parser.optparser._option_string_actions)
    queue = [main]
    while queue:
        command = queue.pop()
        known |= {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
        names = getattr(command, "commands", ())
        queue += [command.get_command(None, name) for name in names]
    for code in CODE.findall(prose(document)):
        option = re.match(r"--[a-z-]+", code)
        if option:
            assert option[0] in known
    lines = [*CODE.findall(prose(document)), *"\n".join(blocks(document)).splitlines()]
    for line in lines:
        run = re.match(r"(?:\s*- run: |python -m )?pytest( .*|$)", line)
        options = re.findall(r" (-[\w-]+)", run[1]) if run else ()
        assert [option for option in options if option not in known] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    """A link names a file, or a folder, beside the document."""
    for target in LINK.findall(prose(document)):
        if not target.startswith(("https://", "http://")):
            assert (ROOT / document).parent.joinpath(target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document):
    """A path of the repository that a document names is there."""
    named = [word for code in CODE.findall(prose(document)) for word in code.split()]
    named += [word for code in blocks(document) for word in code.split()]
    for word in named:
        path = re.fullmatch(r"((?:model|properties|tests)/[\w./*-]*)(?:[:,].*)?", word)
        beside = (ROOT / document).parent
        if re.fullmatch(r"\w+(/[\w.-]+)+", word) and (beside / word.split("/")[0]).is_dir():
            assert (beside / word).exists(), word
        if path:
            assert [*ROOT.glob(path[1].rstrip("/"))] or ROOT.joinpath(path[1] + ".py").exists(), (
                word
            )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_can_be_imported(document):
    """A dotted name that a document writes is a module, or something in one."""
    for code in CODE.findall(prose(document)):
        if re.fullmatch(r"(?:model|properties)(?:\.\w+)+", code):
            where, _, name = code.rpartition(".")
            try:
                importlib.import_module(code)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(where), name), code


MAPS = [d for d in DOCUMENTS if any(ROW.search(code) for code in blocks(d))]


@pytest.mark.parametrize("document", MAPS)
def test_maps_are_whole(document):
    """The map of a folder names all that is in it, and nothing else."""
    (drawn,) = (code for code in blocks(document) if ROW.search(code))
    folder = (ROOT / document).parent
    names = [name.rstrip("/") for row in ROW.findall(drawn) for name in row.split(", ")]
    there = {
        path.name.removesuffix(path.suffix)
        for path in folder.rglob("*")
        if (path.suffix in {".py", ".c"} or (path.is_dir() and any(path.iterdir())))
        and not path.name.startswith("__")
    }
    top = {
        path.name.removesuffix(".py")
        for path in folder.iterdir()
        if (path.suffix == ".py" or path.is_dir()) and not path.name.startswith("__")
    }

    assert set(names) <= there
    assert top <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_fit(document):
    """A table has at most 100 columns, and as many cells in each row."""
    rows = [line for line in prose(document).splitlines() if line.startswith("|")]

    assert all(len(row) <= 100 for row in rows)


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("properties/README.md", registry.SEARCHES),
        ("properties/faults/README.md", GROUPS),
        ("model/kernel/README.md", ODDITIES),
    ],
    ids=["searches", "groups", "oddities"],
)
def test_rows_are_all_there_are(document, names):
    """The table of something has a row for each of them."""
    rows = re.findall(r"^\| `?([\w -]+?)`? \|", prose(document), re.MULTILINE)

    assert set(names) <= set(rows)


def test_model_is_described():
    """All calls, kinds and versions are named, and what a sketch is said to have is there."""
    written = text("model/README.md")
    methods = {
        code.partition("(")[0] for code in CODE.findall(prose("model/README.md")) if "(" in code
    }
    known = {name for cls in (Optimised, Memory, Step, Candidate) for name in dir(cls)}

    assert [call for call in STEPS if not re.search(rf"\b{call}\b", written)] == []
    assert [name for name in vars(Optimised) if name[0] != "_" and name not in methods] == []
    assert [kind for kind in KINDS if not re.search(rf"\b{kind}\b", written)] == []
    assert [version for version in SEMANTICS if version not in written] == []
    assert [a.name for a in fields(Abilities) if f"`{a.name}`" not in written] == []
    assert {m for m in methods if re.fullmatch(r"[a-z_]\w+", m)} - known - NOT_OURS == set()


#: Functions of the trace format, of Python and of a candidate from scratch.
NOT_OURS = {"semantics", "mapping", "sg", "execute"}


def test_planted_bugs_are_counted():
    """The numbers of planted bugs and of right variants are those of the table."""
    wrong = [fault for fault in FAULTS.values() if not fault.equivalent]

    for document in ("README.md", "properties/faults/README.md"):
        assert f"{len(wrong)} planted bugs" in text(document)
    assert f"| {len(FAULTS) - len(wrong)} variants" in text("properties/faults/README.md")
