# SPDX-License-Identifier: MIT

"""Options that several commands have."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import click

from properties import candidates

Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

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


def count(*names: str, least: int = 1, most: int | None = None, **settings: Any) -> Option:
    """An option that takes an integer from *least* to *most*."""
    settings.setdefault("show_default", True)
    return click.option(*names, type=click.IntRange(least, most), **settings)


def rounds(default: int) -> Option:
    """The option --rounds of commands that measure."""
    return count("--rounds", default=default, help="Measurements; the result is their median.")


jobs = count(
    "--jobs",
    default=len(os.sched_getaffinity(0)),
    show_default="the processors there are",
    help="Number of processes; the result is the same with any number.",
)


def prove(most: int) -> Option:
    """The option --prove: the maximum number of smaller programs to try; its default is *most*."""
    text = "Try up to N smaller programs to prove the reduced one smallest; 0 for none."
    return count("--prove", least=0, default=most, metavar="N", help=text)


def candidate(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --candidate, --patch and --base; the two are added to the candidate's text."""

    def kept(context: click.Context, option: click.Parameter, value: object) -> None:
        context.meta[f"headcount.{option.name}"] = value

    def named(context: click.Context, _option: Any, value: str) -> str:
        for option in ("base", "patch"):
            given = context.meta.get(f"headcount.{option}")
            for one in given if isinstance(given, tuple) else filter(None, [given]):
                if not value.startswith("kernel-source:"):
                    raise click.UsageError(f"--{option} needs --candidate kernel-source:DIR")
                value += f",{option}={one}"
        return value

    for name, kind, text in (
        ("--patch", PATH, "Patch or mails to apply to kernel-source:DIR; can be repeated."),
        ("--base", str, "Commit to compare the git work tree DIR with; default: HEAD."),
    ):
        option = click.option(
            name,
            type=kind,
            multiple=name == "--patch",
            is_eager=True,
            expose_value=False,
            callback=kept,
            help=text,
        )
        command = option(command)
    return click.option(
        "--candidate",
        default=candidates.CANDIDATE,
        show_default=True,
        metavar="SPEC",
        callback=named,
        help=f"The candidate to test: {candidates.FORMS}.",
    )(command)


semantics = click.option(
    "--semantics",
    "version",
    help="Kernel version whose rules apply; verify takes 'all', too."
    " Default: 5.13 if the candidate has it, else its latest.",
)
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
cost = click.option(
    "--cost",
    type=click.Choice(candidates.COSTS),
    default=candidates.COSTS[0],
    show_default=True,
    help="Exit status if counts agree at a higher cost: 1 (strict) or 0 (report);"
    " lookups: 1, and look-ups of pages are counted too.",
)
