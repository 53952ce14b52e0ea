# SPDX-License-Identifier: MIT

"""The class of a planted bug, and the table of all planted bugs."""

from collections.abc import Callable
from inspect import getdoc
from typing import TypeVar

from attrs import frozen

from model.optimised import Optimised

GROUPS = (
    "range math",
    "list iterator",
    "dirty flag",
    "bias against exact",
    "grab and undo",
    "entries",
    "statistics",
    "lifetime",
    "folios",
    "umem",
    "cost only",
    "no progress",
    "equivalent",
)


@frozen
class Fault:
    """A planted bug, or a change of the optimised model that plants no bug (an equivalent).

    :param group: One of `GROUPS`.
    :param source: A commit, a review remark or a mutation; ids: see README.md beside this file.
    :param versions: The semantics that the fault applies to.
    :param long: Whether short programs hardly ever show the fault.
    """

    candidate: type[Optimised]
    group: str
    source: str
    versions: tuple[str, ...] = ("5.13",)
    long: bool = False

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.candidate.__name__

    @property
    def spec(self) -> str:
        """The argument of ``--candidate`` that names the fault."""
        return f"{self.candidate.__module__}:{self.name}"

    @property
    def story(self) -> str:
        """What goes wrong, and why: the docstring of the candidate."""
        return getdoc(self.candidate) or ""

    @property
    def equivalent(self) -> bool:
        """Whether the change plants no bug, so that no search may report it."""
        return self.group == "equivalent"


#: Every fault by its name, in the order of the modules.
FAULTS: dict[str, Fault] = {}

Planted = TypeVar("Planted", bound=type[Optimised])


def fault(
    group: str, source: str, *, versions: tuple[str, ...] = ("5.13",), long: bool = False
) -> Callable[[Planted], Planted]:
    """A decorator that adds a class to FAULTS; the class's docstring is the story."""

    def enter(candidate: Planted) -> Planted:
        assert group in GROUPS, group
        assert candidate.__name__ not in FAULTS, candidate.__name__
        FAULTS[candidate.__name__] = Fault(candidate, group, source, versions, long)
        return candidate

    return enter
