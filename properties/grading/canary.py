# SPDX-License-Identifier: MIT

"""When the code of a planted bug first runs, and when it first changes a snapshot.

A search that reaches a fault and never sees the state diverge draws the wrong programs.
A search that reports nothing although the state diverged has too weak oracles. Reached,
diverged and found are what the Magma benchmark calls reached, triggered and detected.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot
from model.optimised import Optimised
from model.page import Event
from model.program import Program


class Canary:
    """Notes when a fault's code first runs, and first shows, in the candidates of one search.

    :param fault: Makes a candidate with the planted bug.
    """

    def __init__(self, fault: Callable[[], Candidate]) -> None:
        self._fault = fault
        #: Number of steps begun, over all candidates.
        self.steps = 0
        #: The step in which the fault's code first ran, and the step after which the fault's
        #: snapshot first differed from the model's, counted from 1; None if there is no such step.
        self.reached: int | None = None
        self.diverged: int | None = None

    def make(self) -> Candidate:
        """A candidate that runs the fault beside the optimised model."""
        return _Watched(self, self._fault())

    def reach(self) -> None:
        """Note that the fault's own code runs."""
        self.reached = self.reached or max(self.steps, 1)

    def diverge(self) -> None:
        """Note that the snapshot of the fault differs from that of the optimised model."""
        self.diverged = self.diverged or self.steps


class _Watched(Candidate):
    """A fault and the optimised model side by side; the snapshots are the fault's."""

    def __init__(self, canary: Canary, fault: Candidate) -> None:
        self._canary = canary
        self._fault = fault
        for name, value in vars(type(fault)).items():
            if callable(value) and not name.startswith("__"):
                setattr(fault, name, partial(self._reaching, getattr(fault, name)))

    def _reaching(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._canary.reach()
        return method(*args, **kwargs)

    @property
    def abilities(self) -> Abilities:
        return self._fault.abilities

    @property
    def operations(self) -> int:
        return self._fault.operations

    def partial(self) -> Sequence[Event]:
        return self._fault.partial()

    def execute(self, program: Program) -> Iterator[Snapshot]:
        right = Optimised().execute(program)
        fault = self._fault.execute(program)
        while True:
            self._canary.steps += 1
            try:
                shown = next(fault)
            except StopIteration:
                return
            except BaseException:
                self._canary.diverge()
                raise
            if shown != next(right):
                self._canary.diverge()
            yield shown
