# SPDX-License-Identifier: MIT

"""Ends a step that does not end by itself, where no counted operation does."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from types import FrameType

#: Seconds of processor time a step may take, and more for each page that it goes through.
LIMIT = 4.0
PER_PAGE = 0.0002

#: The same once some step of this process ran into the limit: the shrinker and
#: the reducer will repeat it often. Still a thousand times what a step needs,
#: and more than collecting the garbage of a long test session takes.
LIMIT_AGAIN = 0.5

#: By the clock on the wall it may take so many times as long: where others keep
#: the machine busy, what is right must not be reported; what sleeps must end.
PATIENCE = 20


class Hang(BaseException):
    """Raised into a candidate that takes too long.

    Not an `Exception`, so that a candidate's ``except Exception`` lets it pass.
    """


class Watchdog:
    """Two interval timers around a candidate's step: one of processor time, one of the clock.

    It works in the main thread only; elsewhere it never barks, and the count
    of operations that `model.memory` keeps is what ends a step.
    """

    _hung = False

    def __init__(self) -> None:
        self._usable = threading.current_thread() is threading.main_thread()
        self._watching = False
        if self._usable:
            signal.signal(signal.SIGVTALRM, self._bark)
            signal.signal(signal.SIGALRM, self._bark)

    def watch(self, npages: int) -> None:
        """Allow for a step that goes through *npages* pages from now on."""
        if self._usable:
            self._watching = True
            limit = (LIMIT_AGAIN if Watchdog._hung else LIMIT) + npages * PER_PAGE
            signal.setitimer(signal.ITIMER_VIRTUAL, limit, LIMIT_AGAIN)
            signal.setitimer(signal.ITIMER_REAL, limit * PATIENCE, LIMIT_AGAIN)

    def rest(self) -> None:
        """The step is over."""
        self._watching = False
        if self._usable:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _bark(self, _signal: int, _frame: FrameType | None) -> None:
        # A bark may come late, when the step has ended and its memory is let go.
        if self._watching:
            Watchdog._hung = True
            raise Hang
