# SPDX-License-Identifier: MIT

"""Findings: what an oracle reports when something does not hold."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from attrs import frozen

from model.page import HeadState
from model.program import Program
from model.step import Step
from properties.judging.ledger import Ledger
from properties.judging.watchdog import NO_RETURN

#: Maximum number of rows in a finding about many values.
MAX_ROWS = 12


@frozen
class Row:
    """Two values that should be equal.

    :param where: The page, as the program names it; for a value that belongs to no page another
        name of it, or empty.
    :param order: The order of the page's compound page; None if the value belongs to no page.
    :param what: One of `model.abilities.FIELDS`, or the unit of a value that is none of them.
    """

    where: str
    order: int | None
    what: str
    expected: object
    shown: object


def differing(values: Iterable[tuple[str, object, object]]) -> Iterator[Row]:
    """A row without a page for each (what, expected, shown) of *values* whose last two differ."""
    for what, expected, shown in values:
        if expected != shown:
            yield Row("", None, what, expected, shown)


def state_rows(ledger: Ledger, page: int, expected: HeadState, shown: HeadState) -> Iterator[Row]:
    """A row for each field in which two states of *page* differ."""
    for what, a, b in expected.differences(shown):
        yield Row(ledger.name(page), ledger.order(page), what, a, b)


def first_rows(rows: Sequence[Row]) -> tuple[tuple[Row, ...], list[str]]:
    """The first MAX_ROWS of *rows*, and a note on the number of rows left out, if any are."""
    more = len(rows) - MAX_ROWS
    return tuple(rows[:MAX_ROWS]), [f"and {more} more"] if more > 0 else []


@frozen
class Finding:
    """A step after which something does not hold.

    :param oracle: The name of the oracle that reports it.
    :param what: The field that differs, or the invariant or law that is broken.
    :param index: The step's position in the program, from 0.
    :param summary: One line that says what does not hold.
    :param rows: The values that differ, side by side.
    :param sides: The headings of the two columns of *rows*.
    :param runs: (head, entries) of each run of pages that the step unpins.
    :param puts: (page, pins) of each put that the candidate made; None if they are not heard.
    :param notes: More lines, such as where an exception was raised.
    """

    oracle: str
    what: str
    index: int
    step: Step
    summary: str
    rows: tuple[Row, ...] = ()
    sides: tuple[str, str] = ("reference", "candidate")
    runs: tuple[tuple[str, int], ...] = ()
    puts: tuple[tuple[str, int], ...] | None = ()
    notes: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """The field and the call; findings with the same signature count as the same bug."""
        return f"{self.what}-{self.step.call}"

    @property
    def waited(self) -> bool:
        """Whether the step was waited for in vain, which takes time whenever it is repeated."""
        return self.what == "no_progress" and self.summary.endswith(NO_RETURN)


class Diverged(AssertionError):
    """Raised by a search with its finding. Each signature has a subclass of its own.

    With a single class, Hypothesis could shrink one bug into another.
    """

    def __init__(self, program: Program, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.program = program
        self.finding = finding


@cache
def diverged(signature: str) -> type[Diverged]:
    """The exception class of *signature*."""
    name = "".join(part.capitalize() for part in signature.replace("-", "_").split("_"))
    return type(f"{name}Diverged", (Diverged,), {})
