# SPDX-License-Identifier: MIT

"""When a planted bug is reached, and when it first makes a difference.

Between "the code ran" and "somebody noticed" lies "the state was wrong": a
search that reaches a fault and never sees it act draws the wrong programs, one
that sees it act and says nothing has the wrong oracles (the three levels are
Magma's: reached, triggered, detected).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.candidate import Candidate
from model.optimised import Optimised


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.abilities import Abilities
    from model.candidate import Snapshot
    from model.page import Event
    from model.program import Program


class Canary:
    """Watches the candidates that one search makes.

    :param base: What the fault is a small override of.
    """

    def __init__(
        self, fault: Callable[[], Candidate], base: Callable[[], Candidate] = Optimised
    ) -> None:
        self._fault = fault
        self._base = base
        self._steps = 0
        #: The steps of all candidates together, from 1, or None.
        self.reached: int | None = None
        self.diverged: int | None = None

    def make(self) -> Candidate:
        """The fault, watched."""
        return _Watched(self, self._fault(), self._base())

    def begin(self) -> None:
        """One more step begins."""
        self._steps += 1

    def reach(self) -> None:
        """The fault's own code runs."""
        if self.reached is None:
            self.reached = max(self._steps, 1)

    def diverge(self) -> None:
        """The fault does not what its base does."""
        if self.diverged is None:
            self.diverged = self._steps


class _Watched(Candidate):
    """A fault and its base side by side; shows what the fault shows."""

    def __init__(self, canary: Canary, fault: Candidate, base: Candidate) -> None:
        self._canary = canary
        self._fault = fault
        self._base = base
        for name, value in vars(type(fault)).items():
            if callable(value) and not name.startswith("__"):
                setattr(fault, name, self._reaching(getattr(fault, name)))

    @property
    def abilities(self) -> Abilities:
        """The fault's."""
        return self._fault.abilities

    @property
    def operations(self) -> int:
        """The fault's."""
        return self._fault.operations

    def partial(self) -> Sequence[Event]:
        """The fault's."""
        return self._fault.partial()

    def _reaching(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def reaching(*args: Any, **kwargs: Any) -> Any:
            self._canary.reach()
            return method(*args, **kwargs)

        return reaching

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Carry *program* out on both."""
        fault, base = self._fault.execute(program), self._base.execute(program)
        while True:
            self._canary.begin()
            try:
                shown = next(fault)
            except StopIteration:
                return
            except BaseException:
                self._canary.diverge()
                raise
            if shown != next(base):
                self._canary.diverge()
            yield shown
