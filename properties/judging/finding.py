# SPDX-License-Identifier: MIT

"""What an oracle says when something does not hold."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from attrs import field, frozen


if TYPE_CHECKING:
    from model.program import Program
    from model.step import Step


@frozen
class Row:
    """Two values that should be equal.

    :param where: The page, as the program names it; empty for what is no page's.
    :param order: The order of its compound page.
    :param what: One of `model.candidate.FIELDS`.
    """

    where: str
    order: int | None
    what: str
    expected: object
    shown: object


@frozen
class Finding:
    """One step after which something does not hold.

    :param oracle: Which oracle says so.
    :param what: The field that differs, or the law that is broken.
    :param index: The step's position in the program, from 0.
    :param summary: One line.
    :param rows: The values side by side, if there are any.
    :param sides: What the two columns of *rows* are called.
    :param runs: (head, refs) of each run of pages that the step names.
    :param puts: (page, refs) of each put that the candidate took, in pins.
    :param notes: More lines, such as where an exception came from.
    """

    oracle: str
    what: str
    index: int
    step: Step
    summary: str
    rows: tuple[Row, ...] = ()
    sides: tuple[str, str] = ("reference", "candidate")
    runs: tuple[tuple[str, int], ...] = ()
    puts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def signature(self) -> str:
        """What makes two findings the same bug: the field, and the call."""
        return f"{self.what}-{self.step.call}"


class Diverged(AssertionError):
    """A search found something. Each signature has a subclass of its own.

    Otherwise a shrinker may slide from one bug to another on its way down.
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
