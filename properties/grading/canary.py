# SPDX-License-Identifier: MIT

"""When the code of a planted bug first runs, and when it first changes a snapshot.

A search that reaches a fault and never sees the state diverge draws the wrong programs.
A search that reports nothing although the state diverged has too weak oracles. The three
levels are those of the Magma benchmark: reached, triggered, detected.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot
from model.optimised import Optimised
from model.page import Event
from model.program import Program


class Canary:
    """Watches the candidates that one search makes.

    :param base: Makes the candidate of which the fault overrides a part.
    """

    def __init__(
        self, fault: Callable[[], Candidate], base: Callable[[], Candidate] = Optimised
    ) -> None:
        self._fault = fault
        self._base = base
        self._steps = 0
        #: The step in which the fault's code first ran, and the one after which its state
        #: first differed: counted from 1 over all candidates; None if there is none.
        self.reached: int | None = None
        self.diverged: int | None = None

    def make(self) -> Candidate:
        """A candidate that runs the fault beside its base."""
        return _Watched(self, self._fault(), self._base())

    def begin(self) -> None:
        """Count a step."""
        self._steps += 1

    def reach(self) -> None:
        """Note that the fault's own code runs."""
        if self.reached is None:
            self.reached = max(self._steps, 1)

    def diverge(self) -> None:
        """Note that the snapshot of the fault differs from that of its base."""
        if self.diverged is None:
            self.diverged = self._steps


class _Watched(Candidate):
    """A fault and its base side by side; the snapshots are the fault's."""

    def __init__(self, canary: Canary, fault: Candidate, base: Candidate) -> None:
        self._canary = canary
        self._fault = fault
        self._base = base
        for name, value in vars(type(fault)).items():
            if callable(value) and not name.startswith("__"):
                setattr(fault, name, self._reaching(getattr(fault, name)))

    @property
    def abilities(self) -> Abilities:
        """The abilities of the fault."""
        return self._fault.abilities

    @property
    def operations(self) -> int:
        """Number of memory operations of the fault."""
        return self._fault.operations

    def partial(self) -> Sequence[Event]:
        """The journal of the fault."""
        return self._fault.partial()

    def _reaching(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def reaching(*args: Any, **kwargs: Any) -> Any:
            self._canary.reach()
            return method(*args, **kwargs)

        return reaching

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Carry out *program* on both."""
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
