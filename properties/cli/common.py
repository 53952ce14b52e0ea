# SPDX-License-Identifier: MIT

"""Shared by the commands: options, exit statuses, the console, and printing a failure."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from model.candidate import Unavailable
from model.errors import BadInput
from properties import candidates
from properties.reports.command_line import CANDIDATE
from properties.reports.failure import Failure
from properties.reports.store import write


FINDING = 1
BAD_INPUT = 2
#: The exit status that shells report for a program killed by SIGINT.
INTERRUPTED = 130


class Paper(Console):
    """A console that survives a closed pipe, so that the exit status is still the verdict."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


#: The console of all commands. It does not wrap: lines are at most 100 columns.
console = Paper(highlight=False, soft_wrap=True, emoji=False)


PATH = click.Path(path_type=Path)


class Seed(click.ParamType):  # type: ignore[type-arg]
    """An integer from 0 to 2^64-1."""

    name = "seed"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Parse *value*."""
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 64:
            self.fail(f"{value!r} is not an integer from 0 to 2^64-1", param, ctx)
        return number


def reported(command: Callable[..., int]) -> Callable[..., None]:
    """Exit with the status that *command* returns; bad input prints one line and exits with 2."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        try:
            status = command(**kwargs)
        except (BadInput, Unavailable) as err:
            click.echo(f"headcount: {err}", err=True)
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


def candidate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --candidate and --patch; a patch becomes a part of the candidate's name."""

    def named(context: click.Context, _option: Any, value: str) -> str:
        patch = context.meta.get("headcount.patch")
        if patch is None:
            return value
        if not value.startswith("kernel-source:"):
            msg = "--patch needs --candidate kernel-source:DIR"
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
        help="Patch to apply to the tree of kernel-source:DIR.",
    )(command)
    return click.option(
        "--candidate",
        default=CANDIDATE,
        metavar="SPEC",
        callback=named,
        help=f"The candidate to test: {candidates.FORMS}.",
    )(command)


semantics_option = click.option(
    "--semantics",
    "version",
    help="Kernel version whose counting rules apply; default: the candidate's, or 5.13.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
cost_option = click.option(
    "--cost",
    type=click.Choice(["strict", "report"]),
    default="strict",
    help="Exit status if counts agree at a higher cost: 1 (strict) or 0 (report).",
)


def prove_option(most: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --prove: how many smaller programs to try, *most* by default."""
    return click.option(
        "--prove",
        type=click.IntRange(min=0),
        default=most,
        show_default=True,
        metavar="N",
        help="Try up to N smaller programs to prove the reduced one smallest; 0 for none.",
    )


def print_failure(failure: Failure) -> None:
    """Print the report of *failure*, its first line in red."""
    for number, line in enumerate(failure.lines()):
        console.print(line, style="bold red" if number == 0 else None, markup=False)


def finding_json(failure: Failure) -> dict[str, Any]:
    """The JSON object of a failure."""
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
    """An empty table of numbers without lines; the *first* column names the rows."""
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


def touch(path: Path) -> None:
    """Check that *path* can be written, without changing its content.

    :raises BadInput: if it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            pass
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None


def put(path: Path, text: str) -> None:
    """Write *text* to *path*.

    :raises BadInput: if that fails.
    """
    try:
        write(path, text)
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None
