# SPDX-License-Identifier: MIT

"""One task in a process of its own, so that this one survives it and can be interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from model.candidate import Unavailable
from model.errors import BadInput
from properties.processes.crew import Crew, Heard, Tell
from properties.processes.forked import MEMORY

T = TypeVar("T")

#: Seconds that importing a candidate may take.
IMPORT_SECONDS = 15.0


class Interrupted(BaseException):
    """A task was ended because somebody asked for it."""


class Died(Exception):
    """A process ended before its task was done; the text says how."""


def alone(
    task: Callable[[Tell], T],
    hears: Callable[[Any], object] = lambda _news: None,
    interrupted: Callable[[], bool] = bool,
    memory: int | None = MEMORY,
    *,
    watched: bool = True,
) -> T:
    """The result of *task*, which a process of its own carries out.

    :param hears: Called in this process with what the task tells.
    :param watched: Whether a step that goes on and on ends the process.
    :raises Died: if the process ends otherwise.
    :raises Interrupted: if *interrupted* becomes true.
    """
    ended: list[Heard] = []

    def hear(heard: Heard) -> None:
        if heard.done or heard.died:
            ended.append(heard)
        else:
            hears(heard.news)

    with Crew(lambda _, tell: task(tell), hear, 1, watched=watched, memory=memory) as crew:
        crew.give(None)  # the process was forked with the task
        while not ended:
            if interrupted():
                raise Interrupted
            crew.hear()
    (end,) = ended
    if end.died:
        raise Died(end.died)
    result: T = end.news
    return result


def survived(task: Callable[[], object], what: str) -> None:
    """Carry out *task* in a process, to see whether the process survives it.

    :raises BadInput: if it does not, or *task* takes too long: *what* ends it; or as *task* does.
    """
    end = monotonic() + IMPORT_SECONDS

    def tried(tell: Tell) -> None:
        # What it prints is printed when it is done for good.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        try:
            task()
        except BadInput as err:
            tell(err)
        except Unavailable as err:
            tell(BadInput(str(err)))
        except BaseException as err:
            # Nobody can interrupt this process: a KeyboardInterrupt is the candidate's, too.
            tell(BadInput(f"{what} raises {type(err).__name__}"))

    found: list[BadInput] = []
    try:
        alone(tried, found.append, lambda: monotonic() > end)
    except Died as err:
        raise BadInput(f"{what} ends the process, which {err}") from None
    except Interrupted:
        raise BadInput(f"{what} takes more than {IMPORT_SECONDS:g} s") from None
    for one in found:
        raise one
