# SPDX-License-Identifier: MIT

"""One planted bug: a candidate, and where it comes from."""

from __future__ import annotations

from inspect import getdoc
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from model.optimised import Optimised


if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS = (
    "range math",
    "list iterator",
    "dirty flag",
    "bias against exact",
    "grab and undo",
    "statistics",
    "lifetime",
    "umem",
    "cost only",
    "no progress",
    "equivalent",
)


@frozen
class Fault:
    """A row of the table.

    :param group: One of `GROUPS`.
    :param source: Where it comes from: a commit, a review remark, a mutation,
        with the id in the project's catalogue of bugs where it has one.
    :param versions: Semantics it applies to.
    :param long: Whether short programs can hardly show it.
    """

    candidate: type[Optimised]
    group: str
    source: str
    versions: tuple[str, ...] = ("5.13",)
    long: bool = False

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.candidate.__name__

    @property
    def spec(self) -> str:
        """What to write after ``--candidate``."""
        return f"{self.candidate.__module__}:{self.name}"

    @property
    def story(self) -> str:
        """What goes wrong, and how it came about."""
        return getdoc(self.candidate) or ""

    @property
    def equivalent(self) -> bool:
        """Whether it is right though different, and must never be reported."""
        return self.group == "equivalent"


#: Every fault by name, in the order of the files.
FAULTS: dict[str, Fault] = {}

Planted = TypeVar("Planted", bound=type[Optimised])


def fault(
    group: str, source: str, *, versions: tuple[str, ...] = ("5.13",), long: bool = False
) -> Callable[[Planted], Planted]:
    """Enter a class into the table. What it is about stands in its docstring."""

    def enter(candidate: Planted) -> Planted:
        assert group in GROUPS, group
        assert candidate.__name__ not in FAULTS, candidate.__name__
        FAULTS[candidate.__name__] = Fault(candidate, group, source, versions, long)
        return candidate

    return enter
