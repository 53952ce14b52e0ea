# SPDX-License-Identifier: MIT

"""Conditional compilation: which lines of a C file the preprocessor keeps.

With the other lines blanked, the file parses as plain C: every name is defined once, and
line numbers are unchanged.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from model.kernel.command import run

DIRECTIVE = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)

#: The ``#if`` conditions around a line, outermost first.
Stack = tuple[str, ...]


def stacks(text: str) -> list[Stack | None]:
    """For each line of *text* the conditions around it; None for conditional directives."""
    found: list[Stack | None] = []
    stack: list[list[str]] = []  # for each open #if, the conditions of its branches so far
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        end = at + 1
        while lines[end - 1].endswith("\\") and end < len(lines):
            end += 1
        directive = DIRECTIVE.match("\n".join(lines[at:end]))
        if directive:
            _enter(stack, directive[1], directive[2])
        here = None if directive else tuple(map(_condition, stack))
        found += [here] * (end - at)
        at = end
    return found


def _enter(stack: list[list[str]], word: str, rest: str) -> None:
    rest = " ".join(COMMENT.sub(" ", rest.replace("\\\n", " ")).split())
    if word in {"ifdef", "ifndef"}:
        stack.append([f"{'!' * (word == 'ifndef')}defined({rest.split(' ')[0]})"])
    elif word == "if":
        stack.append([rest])
    elif word == "endif":
        del stack[-1:]
    elif stack:
        stack[-1].append(rest if word == "elif" else "1")


def _condition(branches: list[str]) -> str:
    """The condition on which the last branch is kept: its own holds, and no earlier one does."""
    return " && ".join([*(f"!({b})" for b in branches[:-1]), f"({branches[-1]})"])


def settled(
    wanted: Iterable[Stack], compiler: str, config: Path, flags: Iterable[str] = ()
) -> set[Stack]:
    """Those conditions of *wanted* that hold under the header *config* and *flags*."""
    numbered = list(dict.fromkeys(wanted))
    source = []
    for number, stack in enumerate(numbered):
        source += [f"#if {condition}" for condition in stack]
        source.append(f"headcount_{number}")
        source += ["#endif"] * len(stack)
    # After a condition that does not parse, the preprocessor continues as if it were false.
    done = run(
        [compiler, "-E", "-P", "-w", *flags, "-x", "c", "-include", str(config), "-"],
        stdin="\n".join(source) + "\n",
    )
    return {numbered[int(n)] for n in re.findall(r"^headcount_(\d+)$", done.stdout, re.MULTILINE)}


def active(text: str, found: list[Stack | None], holding: set[Stack]) -> str:
    """*text* in which conditional directives, and lines whose conditions fail, are blank lines.

    :param found: The conditions around each line, from `stacks`.
    :param holding: Those conditions that hold, from `settled`.
    """
    lines = text.split("\n")
    return "\n".join(
        line if stack is not None and stack in holding else ""
        for line, stack in zip(lines, found, strict=True)
    )
