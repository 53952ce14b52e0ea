# SPDX-License-Identifier: MIT

"""The progress bar: progress, elapsed time, and a few words; only on a terminal."""

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """A progress bar on standard error, erased at the end.

    :param what: The label.
    :param total: The final value of `update`, in any unit.
    :param quiet: Whether to show nothing.
    """

    def __init__(self, what: str, total: float, *, quiet: bool = False) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task(what, total=total, state="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: float, state: str = "") -> None:
        """Show *done* of the total, and the text *state*."""
        self._progress.update(self._task, completed=done, state=state)
