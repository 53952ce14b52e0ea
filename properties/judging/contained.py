# SPDX-License-Identifier: MIT

"""A candidate in a process of its own: a crash, an exit or an endless loop there is a finding.

The process carries out one step after another and sends each snapshot. That takes four times as
long as in the same process, so searches do it only in rounds that ended their process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pickle import PicklingError
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import Any

from attrs import evolve

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot, Unavailable
from model.page import Event
from model.program import Program
from model.step import Step
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.watchdog import NO_RETURN, STEP_SECONDS, STEP_SECONDS_AGAIN
from properties.processes.forked import MEMORY, Forked

#: Seconds between two looks at a process that has not answered.
LOOK = 0.1

#: Signals that come from outside, mostly. Only a candidate that ends by one again is blamed.
FOREIGN = frozenset((SIGKILL, SIGTERM, SIGHUP))


class Container:
    """Makes candidates that run in one process after the other; a new one if it ends.

    :param make: Makes the candidate in the process.
    :param memory: Limit of memory of a process in bytes, beside what this one has.
    """

    def __init__(self, make: Callable[[], Candidate], memory: int = MEMORY) -> None:
        self._make = make
        self._memory = memory
        self._process: Forked | None = None
        self._limit = STEP_SECONDS
        self._abilities: Abilities | None = None
        #: The candidate whose program the process carries out.
        self.owner: Contained | None = None
        #: Whether candidates are known to end their process, or not to return from a step.
        self.needed = False
        #: Whether the last process ended by a signal that others send, too.
        self.foreign = False

    def __call__(self) -> Contained:
        """A new candidate."""
        if self._abilities is None:
            process = self._started()
            process.send(None)
            abilities = process.receive()
            if abilities is None:
                raise Unavailable(f"a process with the candidate {process.ended}")
            self._abilities = evolve(abilities, timed=True)
        return Contained(self, self._abilities)

    def hurry(self) -> None:
        """Wait less long for the end of a step: the candidate is known not to end some."""
        self._limit = STEP_SECONDS_AGAIN

    def begin(self, program: Program, owner: Contained) -> None:
        """Begin *program*, of which steps follow, and which is *owner*'s."""
        self.owner = owner
        self._started().send(evolve(program, steps=()))

    def step(self, step: Step) -> tuple[Snapshot | NoSnapshot, Sequence[Event], int]:
        """What *step* shows, its journal if that is no snapshot, and the operations so far."""
        process = self._process
        assert process is not None
        process.send(step)
        while not process.channel.poll(LOOK):
            known = self._limit == STEP_SECONDS_AGAIN
            if process.stuck(self._limit, known=known):
                self.close()
                self._waited()
                return NoSnapshot("no_progress", f"{step.call} {NO_RETURN}"), (), 0
        answer: tuple[Snapshot | NoSnapshot, Sequence[Event], int] | None = process.receive()
        if answer is None:
            self._process = None
            self.foreign = process.signal in FOREIGN
            self.needed = self.needed or not self.foreign
            what = "killed" if process.signal else "exited"
            return NoSnapshot(what, f"{step.call} ended its process, which {process.ended}"), (), 0
        if isinstance(answer[0], NoSnapshot) and answer[0].summary.endswith(NO_RETURN):
            self._waited()
        return answer

    def _waited(self) -> None:
        """Note that a step was waited for in vain."""
        self.needed = True
        self.hurry()

    def _started(self) -> Forked:
        """The process, which is started if there is none."""
        process = self._process
        # This process may have been forked from one that had a container with a process.
        if process is None or process.status is not None or process.parent != os.getpid():
            self._process = Forked(self._serve, self._memory)
        assert self._process is not None
        return self._process

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _serve(self, channel: Connection, _words: memoryview) -> None:
        """Carry out programs and their steps as they come."""
        guarded: Guarded | None = None
        steps: list[Step] = []
        pages = 0
        while True:
            message = channel.recv()
            if message is None:
                channel.send(self._make().abilities)
                continue
            if isinstance(message, Program):
                steps, pages = [], 0
                candidate = self._make()
                guarded = Guarded(candidate, evolve(message, steps=steps))
                continue
            assert guarded is not None
            steps.append(message)
            pages += message.npages_visited
            # A release names none, and has some of those that were named before.
            shown = guarded.step(message, message.npages_visited or pages)
            events = guarded.partial().events if isinstance(shown, NoSnapshot) else ()
            _answer(channel, (shown, events, candidate.operations), message)


def _answer(channel: Connection, answer: tuple[Any, ...], step: Step) -> None:
    try:
        channel.send(answer)
    except (PicklingError, TypeError, ValueError, AttributeError) as err:
        # What cannot be sent is not of this project, such as a number of a class of its own.
        reason = f"{step.call} shows what no snapshot has: {err}"
        channel.send((NoSnapshot("no_snapshot", reason), (), 0))


class Contained(Candidate):
    """Carries out a program in the process of *container*, which other candidates use in turn."""

    def __init__(self, container: Container, abilities: Abilities) -> None:
        self._container = container
        self._abilities = abilities
        self._events: Sequence[Event] = ()
        self._operations = 0

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """As `Candidate.execute`; at the end of the process a `NoSnapshot`, which says so."""
        container = self._container
        container.begin(program, self)
        for number, step in enumerate(program.steps):
            if container.owner is not self:
                raise RuntimeError("another program has begun in the process")
            shown = self._step(step)
            if container.foreign:
                # Somebody else may have ended the process: carry it all out again, once.
                container.begin(program, self)
                for again in program.steps[: number + 1]:
                    shown = self._step(again)
                    if isinstance(shown, NoSnapshot):
                        break
                container.foreign = False
            yield shown  # type: ignore[misc] # `Guarded` takes both

    def _step(self, step: Step) -> Snapshot | NoSnapshot:
        shown, self._events, self._operations = self._container.step(step)
        return shown

    @property
    def operations(self) -> int:
        return self._operations

    def partial(self) -> Sequence[Event]:
        return self._events
