# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from properties.reports.visible import visible
from tests.helpers import run

ESCAPE = "\x1b]0;title\x07\x1b[31m"

#: A sketch whose name, exception and file would change a terminal.
SKETCH = """\
from model.optimised import Optimised

class Größe(Optimised):
    def unpin_user_pages(self, pages, npages):
        raise ValueError("\\x1b[31mred")
"""

TRACE = f"""\
# headcount 1
# {ESCAPE}
semantics("5.13")
a = mapping("base", orders=[0])
h1 = pin_user_pages(a[0:1])
unpin_user_pages(h1[0:1])
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer\t= 4\xa0KiB", "größer\t= 4\xa0KiB"),
        (ESCAPE, r"\x1b]0;title\x07\x1b[31m"),
        ("a\nb\r\u2028", r"a\nb\r\u2028"),
        ("\u202egpj.exe \udcff \x9b", r"\u202egpj.exe \udcff \x9b"),
    ],
)
def test_visible(text, shown):
    """What a terminal obeys is written out; all else is unchanged."""
    assert shown == visible(text)


@pytest.fixture
def hostile(home):
    """A trace and a sketch whose names have escape sequences."""
    trace, sketch = home / f"a{ESCAPE[-5:]}\n.trace", home / f"s{ESCAPE[-5:]}.py"
    trace.write_text(TRACE)
    sketch.write_text(SKETCH)
    return trace.name, f"{sketch.name}:Größe"


@pytest.mark.parametrize("command", ["replay", "reduce", "show", "verify"])
def test_commands(hostile, command):
    """No command prints what it finds in a file, or in a file's name, as it is."""
    trace, spec = hostile
    words = ("--rounds", 1, "--seed", 1) if command == "verify" else (trace,)
    result = run(command, *words, "--candidate", spec)

    assert "unpin_user_pages" in result.output
    assert r"\x1b[31m" in result.output or command == "show"
    assert all(line.isprintable() for line in result.output.splitlines())


def test_errors(home):
    """Nor does it print an error as it is."""
    result = run("replay", f"no{ESCAPE}.trace")

    assert "headcount: no\\x1b]0;title\\x07\\x1b[31m.trace: No such file or directory\n" == (
        result.stderr
    )


def test_kept(hostile):
    """What is saved can be read again, though the name of the trace has a line break."""
    trace, spec = hostile
    run("reduce", trace, "--candidate", spec)

    result = run("replay", ".headcount/raised_ValueError-unpin_user_pages.trace")
    assert not result.exit_code


def test_plugin(hostile, home, pytester):
    """Nor does the pytest plugin."""
    trace, spec = hostile
    for name in (trace, spec.removesuffix(":Größe")):
        (home / name).rename(pytester.path / name)
    pytester.path.joinpath("a.trace").write_text(TRACE)
    pytester.path.joinpath("b.trace").write_text(f"# headcount 1\n{ESCAPE}\n")
    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--candidate", spec, "-k", "replay", "a.trace", "b.trace"
    )

    assert "RAISED" in result.stdout.str()
    assert "\x1b[31m" not in result.stdout.str()
