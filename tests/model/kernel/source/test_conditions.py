# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.kernel.source.build import compiler
from model.kernel.source.conditions import active, settled, stacks

TEXT = """\
#ifndef GUARD_H
#define GUARD_H
before
#ifdef CONFIG_A /* a
  comment */
a
#elif defined(CONFIG_B) && \\
      CONFIG_B > 1
b
#else
neither
#endif
# if 0
never
#endif
#endif
after
"""


@pytest.fixture
def lines(tmp_path):
    """A function that gives the lines of a text that count under a configuration."""

    def lines_(config, text=TEXT, flags=()):
        header = tmp_path / "config.h"
        header.write_text(config)
        found = stacks(text)
        holding = settled({s for s in found if s is not None}, compiler(), header, flags)
        return active(text, found, holding).split("\n")

    return lines_


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ("", {"neither"}),
        ("#define CONFIG_A 1", {"a"}),
        ("#define CONFIG_B 1", {"neither"}),
        ("#define CONFIG_B 2", {"b"}),
        ("#define CONFIG_A 1\n#define CONFIG_B 2", {"a"}),
        ("#define GUARD_H", None),
    ],
)
def test_branches(lines, config, kept):
    """Of each conditional the branch that holds stays, the others are blank."""
    left = {line for line in lines(config) if line and not line.startswith(("#define", "  c"))}

    assert ({"before", "after"} | kept if kept is not None else {"after"}) == left


def test_lines_stay_where_they_were(lines):
    """As many lines as before, so that a line number means the same."""
    kept = lines("#define CONFIG_A 1")

    assert len(TEXT.split("\n")) == len(kept)
    assert "a" == kept[TEXT.split("\n").index("a")]


def test_flags_count(lines):
    """What the command line defines holds as well."""
    assert "a" in lines("", flags=("-DCONFIG_A",))


def test_what_cannot_be_read_does_not_hold(lines):
    """A condition that is no expression is skipped, and the next one is settled."""
    text = "#if some(thing) + \nodd\n#endif\n#if 1\neven\n#endif\n#endif\n#else\nlast"

    assert ["", "", "", "", "even", "", "", "", "last"] == lines("", text)
