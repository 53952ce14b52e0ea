# SPDX-License-Identifier: MIT

"""Several processes that carry out tasks of one kind, and tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, NamedTuple, Self

from properties.judging.watchdog import STEP_SECONDS
from properties.processes.forked import MEMORY, STOP, Forked, Stopped

#: Seconds between two looks at what the processes do.
LOOK = 0.1

#: Seconds after which a step takes long. It is ended after some more (`Forked.stuck`).
LONG = 1.0

#: How a process ended that did not return from a step.
HANGS = "did not return from a step"

#: What a process calls with news of its task; it raises `Stopped` if the task is to end.
Tell = Callable[[Any], object]


class Heard(NamedTuple):
    """Something about a task.

    :param task: The task.
    :param news: What its process told, or the result.
    :param done: Whether *news* is the result.
    :param died: How the process ended before the task was done; empty if it did not.
    """

    task: Any
    news: Any = None
    done: bool = False
    died: str = ""


#: Is told what is heard.
Hears = Callable[[Heard], None]


class Here:
    """Carries out each task at once in this process, for candidates that cannot leave it.

    :param stop: Whether the task is to end; asked whenever it tells something.
    """

    def __init__(
        self, work: Callable[[Any, Tell], object], hears: Hears, stop: Callable[[], bool]
    ) -> None:
        self._work = work
        self._hears = hears
        self._stop = stop
        self.tasks: Sequence[Any] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def room(self) -> bool:
        """Whether another task can be given: always."""
        return True

    waits = False

    def give(self, task: Any, *, fresh: bool = False) -> None:
        """Carry out *task*."""

        def tell(news: object) -> None:
            self._hears(Heard(task, news))
            if self._stop():
                raise Stopped

        with suppress(Stopped):
            self._hears(Heard(task, self._work(task, tell), done=True))

    def hear(self) -> None:
        """Nothing: all was heard."""

    def stop(self, _seconds: float) -> None:
        """Nothing: no task is being carried out."""

    def drop(self, _task: object) -> None:
        """Nothing, likewise."""


class Crew:
    """Up to *jobs* processes, each with one task at a time.

    :param work: Carries out a task in a process; returns the result.
    :param watched: Whether a step that goes on and on ends its process.
    :param memory: As for `Forked`.
    """

    def __init__(
        self,
        work: Callable[[Any, Tell], object],
        hears: Hears,
        jobs: int,
        *,
        watched: bool = True,
        memory: int | None = MEMORY,
    ) -> None:
        self._work = work
        self._hears = hears
        self._watched = watched
        self._memory = memory
        self._idle: list[Forked] = []
        self._busy: dict[Forked, Any] = {}
        self._jobs = jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._idle, *self._busy):
            process.kill()
        self._idle, self._busy = [], {}

    @property
    def room(self) -> bool:
        """Whether another task can be given."""
        return len(self._busy) < self._jobs

    @property
    def tasks(self) -> Sequence[Any]:
        """The tasks that are being carried out."""
        return [*self._busy.values()]

    @property
    def waits(self) -> bool:
        """Whether a process has been in one step for some time, and may never return from it."""
        return self._watched and any(process.in_step > LONG for process in self._busy)

    def give(self, task: Any, *, fresh: bool = False) -> None:
        """Have a process that has no task carry out *task*; a *fresh* one has had none before."""
        process = self._idle.pop() if self._idle else None
        if process and fresh:
            process.kill()
            process = None
        process = process or Forked(self._serve, self._memory)
        self._busy[process] = task
        process.send(task)

    def hear(self, seconds: float = LOOK) -> None:
        """Hear what the processes tell within *seconds*, or until one tells something."""
        ready = wait([process.channel for process in self._busy], seconds)
        for process, task in [*self._busy.items()]:
            if process not in self._busy:
                # What another one told has led to `drop`.
                continue
            if process.channel in ready:
                message = process.receive()
                if message is None:
                    del self._busy[process]
                    self._hears(Heard(task, died=process.ended))
                    continue
                done, news = message
                if done:
                    del self._busy[process]
                    self._idle.append(process)
                self._hears(Heard(task, news, done=done))
            elif self._watched and process.stuck(STEP_SECONDS):
                del self._busy[process]
                process.kill()
                self._hears(Heard(task, died=HANGS))

    def stop(self, seconds: float) -> None:
        """Ask all processes to stop; hear what they tell within *seconds*, and end them."""
        for process in self._busy:
            process.words[STOP] = 1
        end = monotonic() + seconds
        while self._busy and monotonic() < end:
            self.hear(max(0.0, min(LOOK, end - monotonic())))
        for process in self._busy:
            process.kill()
        self._busy = {}

    def drop(self, task: object) -> None:
        """End the process that carries out *task*."""
        for process in [process for process, one in self._busy.items() if one is task]:
            del self._busy[process]
            process.kill()

    def _serve(self, channel: Connection, words: memoryview) -> None:
        """Carry out tasks in a process as they come."""

        def tell(news: object) -> None:
            channel.send((False, news))
            if words[STOP]:
                raise Stopped

        while True:
            channel.send((True, self._work(channel.recv(), tell)))
