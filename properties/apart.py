# SPDX-License-Identifier: MIT

"""A task that runs candidates, in a process of its own: this one lives on, whatever they do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from model.candidate import Candidate, Unavailable
from properties.candidates import Spec
from properties.judging.finding import Finding
from properties.processes.alone import Died, alone
from properties.processes.crew import HANGS, Tell

T = TypeVar("T")

#: Findings of steps that ended their process, or did not end: only a process contains them.
UNCONTAINED = frozenset(("exited", "killed", "no_progress"))


def apart(
    task: Callable[[Callable[[], Candidate], Tell], T],
    spec: Spec,
    hears: Callable[[Any], object] = lambda _news: None,
    interrupted: Callable[[], bool] = bool,
    finding: Finding | None = None,
    *,
    listens: bool = False,
) -> T:
    """The result of *task*, which gets a function that makes candidates of *spec*.

    If candidates end the process, the task is done again with candidates that are contained.

    :param hears: Called in this process with what the task tells; again when it is done again.
    :param finding: What is known about the candidate.
    :param listens: Whether `Spec.tested` hears of what runs.
    :raises Interrupted: if *interrupted* becomes true.
    :raises Unavailable: if no process could do the task.
    """
    tested = spec.tested if listens else None
    if tested is None:
        return _carried_out(task, spec, hears, interrupted, finding)

    def listened(make: Callable[[], Candidate], tell: Tell) -> tuple[T, object]:
        tested.heard()  # what the process inherited was heard elsewhere
        with tested.listening(None):
            result = task(make, tell)
        return result, tested.heard()

    result, heard = _carried_out(listened, spec, hears, interrupted, finding)
    tested.hear(heard)
    return result


def _carried_out(
    task: Callable[[Callable[[], Candidate], Tell], T],
    spec: Spec,
    hears: Callable[[Any], object],
    interrupted: Callable[[], bool],
    finding: Finding | None,
) -> T:
    if not spec.forks:
        return task(spec.make, hears)
    container, died = spec.container, finding.what if finding else ""
    if container is None or not (container.needed or died in UNCONTAINED):
        watched = container is not None
        try:
            return alone(partial(task, spec.make), hears, interrupted, spec.memory, watched=watched)
        except Died as err:
            died = str(err)
    if container:
        container.needed = True
        if died in {HANGS, "no_progress"}:
            container.hurry()
        try:
            return alone(partial(task, container), hears, interrupted, watched=False)
        except Died as err:
            died = str(err)
    raise Unavailable(f"a process {died}, and not by a step of the candidate")
