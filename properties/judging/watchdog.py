# SPDX-License-Identifier: MIT

"""Ends a step that does not end by itself, where no counted operation does."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from typing import TYPE_CHECKING, ClassVar


if TYPE_CHECKING:
    from types import FrameType

#: Seconds of processor time a step may take, and more for each page that it goes
#: through, though for no more pages than these.
LIMIT = 4.0
PER_PAGE = 0.0002
MOST_PAGES = 1 << 20

#: The same once some step of this process ran into the limit: the shrinker and
#: the reducer will repeat it often. Still a thousand times what a step needs,
#: and more than collecting the garbage of a long test session takes.
LIMIT_AGAIN = 0.5

#: On the wall so many seconds count as one: where others keep the machine busy,
#: what is right must not be reported; what sleeps must end.
PATIENCE = 20

#: Seconds from one tick of a clock to the next. Both clocks go on from step to
#: step: setting and stopping them for each would be four system calls.
TICK = 0.1


#: The clocks, and the signals of their ticks.
CLOCKS = {signal.ITIMER_VIRTUAL: signal.SIGVTALRM, signal.ITIMER_REAL: signal.SIGALRM}


class Hang(BaseException):
    """Raised into a candidate that takes too long.

    Not an `Exception`, so that a candidate's ``except Exception`` lets it pass.
    """


class Watchdog:
    """Two clocks beside a candidate's step: one of processor time, one on the wall.

    It works in the main thread only; elsewhere it never barks, and the count
    of operations that `model.memory` keeps is what ends a step. A clock that
    somebody else has set, as a test's timeout does, is left to them.
    """

    _hung = False
    _ticking = False
    #: The one that watches a step now.
    _awake: ClassVar[Watchdog | None] = None

    def __init__(self) -> None:
        self._usable = threading.current_thread() is threading.main_thread()
        self._left = 0.0

    def watch(self, npages: int) -> None:
        """Allow for a step that goes through *npages* pages from now on."""
        if self._usable:
            self._left = LIMIT_AGAIN if Watchdog._hung else LIMIT
            if npages > 1:
                self._left += min(npages, MOST_PAGES) * PER_PAGE
            Watchdog._awake = self
            if not Watchdog._ticking:
                self._start()

    def rest(self) -> None:
        """The step is over."""
        # A tick may come when its memory is still being let go.
        if self._usable:
            Watchdog._awake = None

    @classmethod
    def _start(cls) -> None:
        """Start the clocks. They stop by themselves when they find no step to watch."""
        cls._ticking = True
        for clock, number in CLOCKS.items():
            if signal.getitimer(clock) == (0.0, 0.0):
                signal.signal(number, cls._tick)
                signal.setitimer(clock, TICK, TICK)

    @classmethod
    def stop(cls) -> None:
        """Stop the clocks, those of others excepted."""
        for clock, number in CLOCKS.items():
            if signal.getsignal(number) == cls._tick:
                signal.setitimer(clock, 0)
        cls._ticking = False

    @classmethod
    def _tick(cls, number: int, _frame: FrameType | None) -> None:
        dog = cls._awake
        if dog is None:
            cls.stop()
        elif dog.late(TICK if number == signal.SIGVTALRM else TICK / PATIENCE):
            cls._hung = True
            raise Hang

    def late(self, seconds: float) -> bool:
        """Note that *seconds* have passed; whether the step has taken too long."""
        self._left -= seconds
        # The first tick came at once, perhaps.
        if self._left >= -TICK:
            return False
        # Time to let go of what this ends, before it barks again.
        self._left = LIMIT_AGAIN
        return True


# A tick that finds its handler gone would end the process; a child inherits no clock.
atexit.register(Watchdog.stop)
os.register_at_fork(after_in_child=Watchdog.stop)
