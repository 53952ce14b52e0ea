# SPDX-License-Identifier: MIT

"""A timer that ends a step which neither returns nor reaches its limit of operations."""

from __future__ import annotations

import atexit
import os
import resource
import signal
import threading
from types import FrameType
from typing import ClassVar

from model.memory import SQUARED

#: Limit for one step in seconds of processor time. For each page that it visits, up to
#: MAX_CHARGED_PAGES, SECONDS_PER_PAGE is added: a sketch that goes page by page takes a few
#: microseconds for each, and a few times as many while its lines are traced. And SECONDS_PER_PAIR
#: for each two of the first `SQUARED` pages: that is twice what the operations take that a step
#: may use for them, so that a limit of operations ends it, and not a clock.
STEP_SECONDS = 2.5
SECONDS_PER_PAGE = 0.00002
SECONDS_PER_PAIR = 0.000016
MAX_CHARGED_PAGES = 1 << 24

#: Takes the place of STEP_SECONDS once a step of this process has exceeded its limit: the
#: shrinker and the reducer repeat that step often. It is still a thousand times what a step needs.
STEP_SECONDS_AGAIN = 0.3

#: How it is said of a step that it was waited for in vain.
NO_RETURN = "does not return"

#: A second of wall time counts as 1/PATIENCE s, as the host may be busy; if the process slept in
#: it, as 1/PATIENCE_ASLEEP s.
PATIENCE = 20
PATIENCE_ASLEEP = 1.5

#: Seconds between two ticks of a clock. Both clocks run on from step to step: setting and
#: stopping them for each step would take four system calls.
TICK = 0.1

#: Places in `Watchdog.words`: steps begun; pages of the step that is being carried out, or -1.
BEGUN, PAGES = range(2)

#: The clocks, and the signal that each sends.
CLOCKS = {signal.ITIMER_VIRTUAL: signal.SIGVTALRM, signal.ITIMER_REAL: signal.SIGALRM}


def more_seconds(npages: int) -> float:
    """Seconds of processor time that a step may take longer because it visits *npages* pages."""
    pairs = min(npages, SQUARED) ** 2
    return min(npages, MAX_CHARGED_PAGES) * SECONDS_PER_PAGE + pairs * SECONDS_PER_PAIR


class Hang(BaseException):
    """Raised inside a candidate that takes too long.

    Not an `Exception`, so that a candidate's ``except Exception`` does not catch it.
    """


class Watchdog:
    """Limits a candidate's step by two clocks: processor time and wall time.

    It works in the main thread only. In other threads only the count of operations in
    `model.memory` ends a step. A timer or a signal handler that other code has set, such as a
    test's timeout, is not touched.
    """

    _hung = False
    _ticking = False
    #: The watchdog of the step that is being carried out, or None.
    _current: ClassVar[Watchdog | None] = None
    #: Where another process looks which step is carried out (`properties.processes.forked`).
    words: ClassVar[memoryview | None] = None
    _switches = 0
    _used = 0.0

    def __init__(self) -> None:
        self._usable = threading.current_thread() is threading.main_thread()
        self._left = 0.0

    def watch(self, npages: int) -> None:
        """Start to watch a step that visits *npages* pages."""
        if self._usable:
            self._left = STEP_SECONDS_AGAIN if Watchdog._hung else STEP_SECONDS
            if npages > 1:
                self._left += more_seconds(npages)
            Watchdog._current = self
            words = Watchdog.words
            if words is not None:
                words[BEGUN] += 1
                words[PAGES] = npages
            if not Watchdog._ticking:
                self._start()

    def rest(self) -> None:
        """Stop watching: the step is over."""
        # A tick must not end the candidate's clean-up after the step.
        if self._usable:
            Watchdog._current = None
            words = Watchdog.words
            if words is not None:
                words[PAGES] = -1

    @classmethod
    def hurry(cls) -> None:
        """Give later steps of this process less time: some are known not to end."""
        cls._hung = True

    @classmethod
    def _start(cls) -> None:
        """Start the clocks; a tick that finds no step to watch stops them."""
        cls._ticking = True
        for clock, number in CLOCKS.items():
            free = signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN, cls._tick)
            if free and signal.getitimer(clock) == (0.0, 0.0):
                signal.signal(number, cls._tick)
                signal.setitimer(clock, TICK, TICK)

    @classmethod
    def stop(cls) -> None:
        """Stop the clocks. The handlers stay, as a signal may still be pending."""
        for clock, number in CLOCKS.items():
            if signal.getsignal(number) == cls._tick:
                signal.setitimer(clock, 0)
        cls._ticking = False

    @classmethod
    def end(cls) -> None:
        """Stop the clocks for good, and discard their pending signals.

        Python removes all handlers when it exits. A signal that is delivered later, which
        happens under valgrind, would end the process; ignored signals stay ignored.
        """
        cls.stop()
        cls._ticking = True
        for number in CLOCKS.values():
            if signal.getsignal(number) == cls._tick:
                signal.signal(number, signal.SIG_IGN)

    @classmethod
    def _tick(cls, number: int, _frame: FrameType | None) -> None:
        watchdog = cls._current
        if watchdog is None:
            cls.stop()
            return
        passed = TICK
        if number == signal.SIGALRM:
            passed /= PATIENCE_ASLEEP if cls._slept() else PATIENCE
        if watchdog.late(passed):
            cls.hurry()
            raise Hang

    @classmethod
    def _slept(cls) -> bool:
        """Whether the process slept since the last tick, and did not wait for a processor."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used = usage.ru_utime + usage.ru_stime
        slept = usage.ru_nvcsw > cls._switches and used - cls._used < TICK / 10
        cls._switches, cls._used = usage.ru_nvcsw, used
        return slept

    def late(self, seconds: float) -> bool:
        """Count *seconds* as passed; whether the step has taken too long."""
        self._left -= seconds
        # Allow one tick more, because the first may come just after the step began.
        if self._left >= -TICK:
            return False
        # Give the candidate time to handle the exception before a tick raises it again.
        self._left = STEP_SECONDS_AGAIN
        return True


atexit.register(Watchdog.end)
# A forked child inherits no clock, but it inherits `_ticking`, which `stop` sets to False.
os.register_at_fork(after_in_child=Watchdog.stop)
