# SPDX-License-Identifier: MIT

"""``headcount exhaustive``: judge every program of a scope."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from model.errors import BadInput
from model.semantics import DEFAULT, semantics
from model.steps import STEPS
from properties import candidates
from properties.cli.bar import Bar
from properties.cli.common import (
    FINDING,
    candidate_option,
    console,
    cost_option,
    finding_json,
    json_option,
    print_failure,
    prove_option,
    replay_command,
    reported,
)
from properties.exhaustive import able, everything, nodes
from properties.reduce import reduce
from properties.report import Failure
from properties.scope import CALLS, UNBOUNDED, Scope
from properties.search import Search, Watcher
from properties.smallest import BRIEF, smallest
from properties.store import DIRECTORY, Store


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.program import Program
    from properties.finding import Finding
    from properties.judge import Run


class _Counter(Watcher):
    """Counts programs, shows them in the bar, and keeps the first failure."""

    def __init__(self, bar: Bar, total: int) -> None:
        self.programs = 0
        self.failure: tuple[Program, Finding] | None = None
        self.dearer: tuple[Program, Finding] | None = None
        self._bar = bar
        self._total = total

    def ended(self, run: Run) -> None:
        self.programs += 1
        if run.dearer and self.dearer is None:
            self.dearer = (run.program, run.dearer)
        if self.programs % 500 == 0:
            self._bar.update(self.programs, f"{self.programs:,} of {self._total:,} programs")

    def found(self, program: Program, finding: Finding) -> None:
        self.programs += 1
        self.failure = (program, finding)


def _at_most(name: str, default: int, what: str) -> Callable[[Callable[..., Any]], Any]:
    return click.option(
        f"--{name}", type=click.IntRange(min=1), default=default, show_default=True, help=what
    )


@click.command()
@candidate_option
@click.option("--semantics", "version", default=DEFAULT.version, help="Kernel version to follow.")
@_at_most("steps", 2, "Steps of a program.")
@_at_most("compound", 2, "Compound pages, side by side.")
@click.option(
    "--order", type=click.IntRange(0, 6), default=2, show_default=True, help="Highest order."
)
@_at_most("listed", 2, "Pages in a list, repeats included.")
@click.option("--frames", type=click.IntRange(min=1), help="Pages of all compound pages together.")
@click.option(
    "--call",
    "calls",
    multiple=True,
    type=click.Choice(sorted(STEPS)),
    metavar="CALL",
    help=f"A call to use, again for more; if left out {', '.join(CALLS)}.",
)
@prove_option(BRIEF)
@cost_option
@json_option
@reported
def exhaustive(
    candidate: str,
    version: str,
    steps: int,
    compound: int,
    order: int,
    listed: int,
    frames: int | None,
    calls: tuple[str, ...],
    prove: int,
    cost: str,
    as_json: bool,
) -> int:
    """Judge every program up to some size, and say what that proves."""
    spec = candidates.load(candidate)
    scope = Scope(
        steps,
        compound,
        order,
        listed,
        frames or UNBOUNDED,
        calls=calls or CALLS,
        semantics=semantics(version),
    )
    scope = able(scope, spec.make().abilities.calls)
    if not scope.calls:
        reason = f"{candidate} has none of the calls that were asked for"
        raise BadInput(reason)
    total = sum(1 for _ in nodes(scope))
    command = ["headcount", "exhaustive"]
    command += ["--candidate", candidate] if candidate != "optimised" else []
    command += ["--semantics", version] if version != DEFAULT.version else []
    command += ["--steps", str(steps), "--compound", str(compound), "--order", str(order)]
    command += ["--listed", str(listed)] + (["--frames", str(frames)] if frames else [])
    command += [part for call in calls for part in ("--call", call)]
    with Bar("exhaustive", total, quiet=as_json) as bar, redirect_stdout(sys.stderr):
        counter = _Counter(bar, total)
        search = Search(spec.make, scope.semantics, watcher=counter)
        everything(search, scope)
        worst = counter.failure or counter.dearer
        failure = _failure(worst, spec, shlex.join(command), prove) if worst else None
    if as_json:
        said: dict[str, Any] = {"programs": counter.programs, "of": total, "scope": scope.text()}
        if failure:
            said["finding"] = finding_json(failure)
        click.echo(json.dumps(said, indent=2))
    elif failure:
        print_failure(failure)
    else:
        console.print(f"[bold green]agreed[/]   in every one of {total:,} programs, which proves")
        proves = (
            f"no disagreement in any program with {scope.text()}, of the calls "
            f"{', '.join(scope.calls)}, with other arguments at their plainest, and one page at "
            f"a time where the world maps, writes or gets them; compound pages side by side in "
            f"one mapping, up to the exchange of those that are alike; semantics {version}"
        )
        for line in textwrap.wrap(proves, 91):
            console.print(f"         {line}", markup=False)
        console.print(f"repeat   {shlex.join(command)}", markup=False)
    dearer = counter.failure is None
    return 0 if worst is None or (dearer and cost == "report") else FINDING


def _failure(
    worst: tuple[Program, Finding], spec: candidates.Spec, found: str, prove: int
) -> Failure:
    store = Store(spec.make, (f"found by {found}",))
    reduced = reduce(*worst, spec.make, store.keep)
    reduced = smallest(reduced, spec.make, store.keep, prove)
    path = store.keep(reduced.program, reduced.finding) or DIRECTORY
    return Failure(
        reduced.program,
        reduced.finding,
        reduced.text(),
        store.trouble or str(path),
        replay_command(path, spec.text),
        found,
    )
