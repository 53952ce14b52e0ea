# SPDX-License-Identifier: MIT

"""How the commands print, show progress, write files, and exit."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import IO, Any, Self, cast

import click
from attrs import asdict
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from model.candidate import Unavailable
from model.errors import BadInput, about
from model.progress import told_to
from properties.cli.waiting import Waiting
from properties.processes.alone import Interrupted
from properties.reports.failure import Failure
from properties.reports.store import write
from properties.reports.under_test import Extent
from properties.reports.visible import visible
from properties.start import BAD_INPUT, INTERRUPTED, listen

FINDING = 1
#: No finding, but something that was changed did not run.
NOT_TESTED = 3
#: Seconds between two refreshes of a bar, between two lines where there is no terminal, and before
#: a note becomes such a line.
REFRESH_SECONDS, LINE_SECONDS, NOTE_SECONDS = 0.1, 60.0, 2.0

#: Version of the JSON that ``--json`` prints. Names may be added to a version, none changed.
JSON_VERSION = 1

#: Width of the bar itself, in columns.
BAR_WIDTH = 20


class CannotPrint(OSError):
    """Standard output takes no more, for example because a disk is full."""


class _Out:
    """Standard output, whose errors are told from all others."""

    def write(self, text: str) -> int:
        """Write *text*."""
        try:
            return sys.stdout.write(text)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise CannotPrint(err.errno, err.strerror) from None

    def flush(self) -> None:
        """Write what is kept back."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise CannotPrint(err.errno, err.strerror) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stdout, name)


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

    def json(self, value: Mapping[str, Any]) -> None:
        """Print *value* as a JSON object, headed by the version of its format and the command."""
        self.file.write(json.dumps(headed(value), indent=2) + "\n")
        self.file.flush()


#: The console of all commands. It does not wrap: lines are at most 100 columns.
console = Paper(
    file=cast("IO[str]", _Out()), highlight=False, soft_wrap=True, emoji=False, markup=False
)


class Bar:
    """Progress on standard error: a bar on a terminal, erased at the end; else a line a minute.

    :param total: The value of *done* in `update` at the end, in any unit.
    """

    def __init__(self, what: str, total: float, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self._started = self._shown = time.monotonic()
        self._noted = 0.0
        self._note = ""
        self._progress: Progress | None = None
        if sys.stderr.isatty() and not quiet:
            # On a narrow terminal the words go first. No thread refreshes it: processes are forked.
            state = Column(ratio=1, no_wrap=True, overflow="ellipsis")
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=BAR_WIDTH),
                TimeElapsedColumn(),
                TextColumn("{task.fields[state]}", table_column=state),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
                expand=True,
            )
            self._task = self._progress.add_task(what, total=total, state="")

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, done: float, state: str = "") -> None:
        """Show *done* of the total, and the text *state*."""
        now = time.monotonic()
        if self._progress:
            if now - self._shown > REFRESH_SECONDS or self._note:
                self._progress.update(self._task, completed=done, state=self._note or state)
                self._progress.refresh()
                self._shown = now
        elif now - self._shown > LINE_SECONDS:
            self._line(self._note or state or f"{done:,.0f}", now)
        elif self._noted and now - self._noted > NOTE_SECONDS:
            self._line(self._note, now)
            self._noted = 0.0

    def note(self, text: str) -> None:
        """Show *text* in place of the state: at once on a terminal, else if it takes longer."""
        if text != self._note:
            self._note, self._noted = text, time.monotonic()

    def _line(self, state: str, now: float) -> None:
        seconds = now - self._started
        click.echo(f"headcount: {self._what}, {seconds:.0f} s: {state}", err=True)
        self._shown = now


def headed(value: Mapping[str, Any]) -> dict[str, Any]:
    """*value* behind the version of the format, and the name of the command that runs."""
    names: list[str] = []
    context = click.get_current_context(silent=True)
    while context and context.parent:
        names.insert(0, context.info_name or "")
        context = context.parent
    return {"headcount": JSON_VERSION, "command": " ".join(names), **value}


def reported(command: Callable[..., int]) -> Callable[..., None]:
    """Make *command* exit with the status it returns; bad input prints one line and exits 2."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        listen()
        try:
            with told_to(Waiting()):
                status = command(**kwargs)
        except (BadInput, Unavailable) as err:
            click.echo(f"headcount: {visible(str(err))}", err=True)
            status = BAD_INPUT
            if kwargs.get("as_json"):
                with suppress(OSError):
                    console.json({"error": str(err)})
        except (KeyboardInterrupt, Interrupted):
            click.echo("headcount: interrupted; failures found so far are saved", err=True)
            status = INTERRUPTED
            # Else Python ends by SIGINT, if the exception passed through code from a string.
            exec("")  # noqa: S102
        except BrokenPipeError:
            status = 0
            sys.stderr.close()
        except CannotPrint as err:
            click.echo(f"headcount: cannot print: {err.strerror}", err=True)
            status = BAD_INPUT
            with suppress(OSError):
                sys.stdout.close()
        except OSError as err:
            where = f"{err.filename}: " if err.filename else ""
            click.echo(f"headcount: {where}{err.strerror or err}", err=True)
            status = BAD_INPUT
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
