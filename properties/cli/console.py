# SPDX-License-Identifier: MIT

"""How the commands print, show progress, write files, and exit."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, Self

import click
from attrs import asdict
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from model.candidate import Unavailable
from model.errors import BadInput, about
from model.progress import told_to
from properties.cli.waiting import Waiting
from properties.reports.failure import Failure
from properties.reports.store import write
from properties.reports.under_test import Extent
from properties.reports.visible import visible

FINDING = 1
BAD_INPUT = 2
#: No finding, but something that was changed did not run.
NOT_TESTED = 3
#: The exit status that shells report for a program killed by SIGINT.
INTERRUPTED = 130


class Paper(Console):
    """A console that survives a closed pipe, so that the exit status is still the verdict."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def render_str(self, text: str, **how: Any) -> Text:
        """*text* as rich prints it, also in a table, with nothing in it that a terminal obeys."""
        return super().render_str("\n".join(map(visible, text.split("\n"))), **how)

    def lines(self, lines: Iterable[str], style: str) -> None:
        """Print *lines*, the first one in *style*."""
        for number, line in enumerate(lines):
            self.print(line, style=None if number else style)

    def json(self, value: object) -> None:
        """Print *value* as JSON."""
        click.echo(json.dumps(value, indent=2))


#: The console of all commands. It does not wrap: lines are at most 100 columns.
console = Paper(highlight=False, soft_wrap=True, emoji=False, markup=False)


class Bar:
    """A progress bar on standard error, erased at the end; only on a terminal.

    :param total: The value of *done* in `update` at the end, in any unit.
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


def reported(command: Callable[..., int]) -> Callable[..., None]:
    """Make *command* exit with the status it returns; bad input prints one line and exits 2."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        try:
            with told_to(Waiting()):
                status = command(**kwargs)
        except (BadInput, Unavailable) as err:
            click.echo(f"headcount: {visible(str(err))}", err=True)
            status = BAD_INPUT
        except KeyboardInterrupt:
            click.echo("headcount: interrupted; failures found so far are saved", err=True)
            status = INTERRUPTED
        except BrokenPipeError:
            status = 0
            sys.stderr.close()
        except OSError as err:
            click.echo(f"headcount: cannot print: {err.strerror or err}", err=True)
            status = BAD_INPUT
            with suppress(OSError):
                sys.stdout.close()
        sys.exit(status)

    return run


def put(path: Path, text: str) -> None:
    """Write *text* to *path*; raise `BadInput` if that fails."""
    with about(path):
        write(path, text)


def finding_json(failure: Failure) -> dict[str, Any]:
    """The JSON object that describes *failure*."""
    finding = failure.finding
    return {
        "signature": finding.signature,
        "oracle": finding.oracle,
        "step": finding.index + 1,
        "summary": finding.summary,
        "rows": [asdict(row, recurse=False) for row in finding.rows],
        "saved": failure.saved,
        "replay": failure.replay,
        "trace": failure.program.text(),
    }


def exit_status(failure: Failure | None, cost: str, extent: Extent) -> int:
    """FINDING, but not for a dearer step with *cost* ``report``; else NOT_TESTED, or 0."""
    if failure and not (cost == "report" and failure.finding.oracle == "cost"):
        return FINDING
    return NOT_TESTED if extent.lack else 0


def table(*titles: str, first: str = "pages of") -> Table:
    """A table of numbers, without rows yet; *first* is the title of the column of row names."""
    grid = Table(box=None, padding=(0, 0, 0, 3), pad_edge=False)
    grid.add_column(first)
    for title in titles:
        grid.add_column(title, justify="right")
    return grid


def times(before: float, after: float | None) -> str:
    """The ratio *before* / *after* as text; ``-`` if *after* is None or 0."""
    if not after:
        return "-"
    ratio = before / after
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
