# SPDX-License-Identifier: MIT

"""What of a candidate's code ran: its functions, and the lines of code in them."""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import groupby

from attrs import field, frozen


@frozen
class Function:
    """A function under test.

    :param file: Its file, as the candidate names it: in a kernel tree, ``mm/gup.c``.
    :param line: Its first line in *file*, from 1.
    :param last: Its last line.
    :param lines: How often each of its lines of code ran. Other lines have no code: comments,
        blank lines, and what the configuration compiles to nothing.
    :param branches: Number of branches in it.
    :param taken: Number of these that were taken.
    """

    name: str
    file: str
    line: int
    last: int
    lines: Mapping[int, int]
    branches: int = 0
    taken: int = 0

    @property
    def ran(self) -> bool:
        """Whether any of it ran."""
        return any(self.lines.values())

    @property
    def never(self) -> list[int]:
        """Its lines of code that never ran, lowest first."""
        return sorted(line for line, count in self.lines.items() if not count)


@frozen
class UnderTest:
    """What of a candidate was under test.

    :param functions: All functions under test, by file and line.
    :param unknown: Why it is not known what ran; empty if it is.
    :param sample: Of which part of a search it is known; empty if of all.
    :param notes: Where a patch did not fit exactly, and files that were not looked at.
    :param unwalked: Why the walks of the page tables were headcount's own; empty if they were not.
    :param left_out: Which call was left out as it cannot be compiled, and why; else empty.
    :param long_lists: How many walks were headcount's own because their lists are too long for the
        tree's.
    :param calls: How often each method that a sketch overrides was called; None if nobody counted.
    """

    functions: Sequence[Function] = ()
    unknown: str = ""
    sample: str = ""
    notes: Sequence[str] = ()
    unwalked: str = ""
    left_out: str = ""
    long_lists: int = 0
    calls: Mapping[str, int] | None = None
    files: tuple[str, ...] = field(init=False)

    @files.default
    def _files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(function.file for function in self.functions))

    @property
    def lines(self) -> int:
        """Number of lines of code."""
        return sum(len(function.lines) for function in self.functions)

    @property
    def ran(self) -> int:
        """Number of lines of code that ran."""
        return self.lines - sum(len(function.never) for function in self.functions)


class Fate(Enum):
    """What became of a changed line; all but the last are code that should run."""

    RAN = "ran"
    NEVER = "compiled, but never ran"
    OUTSIDE = "not under test"
    OFF = "off in this configuration"
    NO_CODE = "no code"


@frozen
class Changed:
    """A line that was changed in what the candidate is made from.

    :param line: Its number after the change; of removed code, the line that follows it.
    :param function: The function, or another definition, that it belongs to; empty if none is
        known.
    """

    file: str
    line: int
    function: str
    fate: Fate


def ranges(lines: Iterable[int]) -> str:
    """*lines*, which ascend, in short: ``35-37, 154``."""
    found = []
    for _, run in groupby(enumerate(lines), lambda pair: pair[1] - pair[0]):
        (_, first), *rest = run
        found.append(f"{first}-{rest[-1][1]}" if rest else f"{first}")
    return ", ".join(found)
