# SPDX-License-Identifier: MIT

"""Lines on standard error about long work: what it does, with and without a terminal."""

import time
from collections.abc import Callable
from contextlib import suppress

import click

from properties.reports.visible import visible

#: Seconds until the first line, and from one line to the next.
FIRST, EVERY = 5.0, 60.0


class Waiting:
    """Prints what it is called with, but only FIRST seconds after it was made and once in EVERY.

    :param clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + FIRST

    def __call__(self, text: str) -> None:
        """Print *text* if a line is due."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + EVERY
        with suppress(OSError, ValueError):  # standard error may be closed
            click.echo(f"headcount: {visible(text)}", err=True)
