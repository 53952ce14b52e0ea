# SPDX-License-Identifier: MIT

"""Importing code of somebody else's, which may do anything while it is imported."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

#: Signals on which headcount relies.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)

#: Their signals end a process that does not expect them.
CLOCKS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Foreign:
    """Whether this process has imported code of somebody else's."""

    imported = False


@contextmanager
def harmless() -> Iterator[None]:
    """What is imported in the ``with`` block leaves streams, signals and clocks as they are.

    Nor does it do anything at the end of the process, where it could change the exit status. What
    it prints goes to standard error, not into a report.
    """
    Foreign.imported = True
    here = os.getpid()
    streams = sys.stdin, sys.stdout, sys.stderr
    files = [os.dup(number) for number in range(3)]
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    quiet = [clock for clock in CLOCKS if signal.getitimer(clock) == (0.0, 0.0)]
    register: Any = atexit.register
    atexit.register = _of_python(register)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        atexit.register = register
        if os.getpid() != here:
            # A child that the import forked: it would do all that follows once more.
            os._exit(0)
        for clock in quiet:
            signal.setitimer(clock, 0)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin, sys.stdout, sys.stderr = streams
        with suppress(ValueError):  # not the main thread
            for number, handler in handlers.items():
                if signal.getsignal(number) != handler:
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _of_python(register: Callable[..., Any]) -> Any:
    """``atexit.register()`` for what modules of Python register; it ignores all others."""

    def chosen(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[..., Any]:
        caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - as warnings does
        if caller.partition(".")[0] in sys.stdlib_module_names:
            register(function, *arguments, **named)
        return function

    return chosen
