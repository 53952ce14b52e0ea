# SPDX-License-Identifier: MIT

"""What the commands share: options, the console, and how a failure is printed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from model.candidate import Unavailable
from model.errors import BadInput
from properties import candidates
from properties.reports.command_line import CANDIDATE
from properties.reports.store import write


if TYPE_CHECKING:
    from collections.abc import Callable

    from properties.reports.failure import Failure


FINDING = 1
BAD_INPUT = 2
#: As a shell has it of a program that SIGINT ended.
INTERRUPTED = 130


class Paper(Console):
    """A console whose reader may go away: the verdict stands all the same."""

    def on_broken_pipe(self) -> None:
        """Print to nowhere from now on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


#: Plain where it is no terminal, and never wrapped: lines are cut for 100 columns.
console = Paper(highlight=False, soft_wrap=True, emoji=False)


PATH = click.Path(path_type=Path)


class Seed(click.ParamType):  # type: ignore[type-arg]
    """A whole number that is not negative."""

    name = "seed"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number that *value* says."""
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 64:
            self.fail(f"{value!r} is no number from 0 to 2^64-1", param, ctx)
        return number


def reported(command: Callable[..., int]) -> Callable[..., None]:
    """Exit with what *command* returns; bad input is one line and status 2."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        try:
            status = command(**kwargs)
        except (BadInput, Unavailable) as err:
            click.echo(f"headcount: {err}", err=True)
            status = BAD_INPUT
        except KeyboardInterrupt:
            click.echo("headcount: interrupted; what had failed by then is kept", err=True)
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


def candidate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """What to put under test, and a patch for it, which becomes a part of its name."""

    def named(context: click.Context, _option: Any, value: str) -> str:
        patch = context.meta.get("headcount.patch")
        if patch is None:
            return value
        if not value.startswith("kernel-source:"):
            msg = "--patch goes with --candidate kernel-source:DIR"
            raise click.UsageError(msg)
        return f"{value},patch={patch}"

    def patched(context: click.Context, _option: Any, value: Path | None) -> None:
        context.meta["headcount.patch"] = value

    command = click.option(
        "--patch",
        type=PATH,
        is_eager=True,
        expose_value=False,
        callback=patched,
        help="Apply this to the tree of kernel-source:DIR first.",
    )(command)
    return click.option(
        "--candidate",
        default=CANDIDATE,
        metavar="SPEC",
        callback=named,
        help=f"What to put under test: {candidates.FORMS}.",
    )(command)


semantics_option = click.option(
    "--semantics", "version", help="Kernel version to follow; 5.13, or the candidate's own."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
cost_option = click.option(
    "--cost",
    type=click.Choice(["strict", "report"]),
    default="strict",
    help="Whether 'agreed but dearer' fails (exit 1), or is only reported (exit 0).",
)


def prove_option(most: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """How far to go to prove that a reduced program is the smallest."""
    return click.option(
        "--prove",
        type=click.IntRange(min=0),
        default=most,
        show_default=True,
        metavar="N",
        help="Try so many smaller programs, to prove the smallest; 0 does not.",
    )


def print_failure(failure: Failure) -> None:
    """Print the whole report, its first line in red."""
    for number, line in enumerate(failure.lines()):
        console.print(line, style="bold red" if number == 0 else None, markup=False)


def finding_json(failure: Failure) -> dict[str, Any]:
    """What ``--json`` says of a failure."""
    finding = failure.finding
    return {
        "signature": finding.signature,
        "oracle": finding.oracle,
        "step": finding.index + 1,
        "summary": finding.summary,
        "rows": [
            {name: getattr(row, name) for name in ("where", "order", "what", "expected", "shown")}
            for row in finding.rows
        ],
        "saved": failure.saved,
        "replay": failure.replay,
        "trace": failure.program.text(),
    }


def table(*titles: str, first: str = "pages of") -> Table:
    """A table of numbers, without lines, whose rows are named in their *first* column."""
    grid = Table(box=None, padding=(0, 0, 0, 3), pad_edge=False)
    grid.add_column(first)
    for title in titles:
        grid.add_column(title, justify="right")
    return grid


def times(before: float, after: float | None) -> str:
    """How many times *after* goes into *before*; ``-`` if it is not known."""
    if not after:
        return "-"
    ratio = before / after
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def touch(path: Path) -> None:
    """See that *path* can be written, and leave what is in it.

    :raises BadInput: if it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            pass
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None


def put(path: Path, text: str) -> None:
    """Write *text* to the file that was asked for.

    :raises BadInput: if that cannot be done.
    """
    try:
        write(path, text)
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None
