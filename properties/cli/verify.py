# SPDX-License-Identifier: MIT

"""``headcount verify``: search for a program that a candidate counts wrongly."""

import secrets
from functools import partial
from pathlib import Path
from typing import Any

import click
from attrs import evolve, frozen

from model.errors import BadInput
from model.semantics import SEMANTICS, Semantics
from properties import candidates, layouts
from properties.cli import options
from properties.cli.console import (
    FINDING,
    NOT_TESTED,
    Bar,
    console,
    exit_status,
    finding_json,
    reported,
)
from properties.cli.told import tell
from properties.coverage.covered import Coverage
from properties.coverage.matrices import MATRICES
from properties.coverage.points import SITUATIONS
from properties.grading.known import found_within
from properties.processes.interrupts import Interrupts
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT
from properties.reports.failure import command
from properties.reports.outcome import Outcome, rate, reached
from properties.reports.store import Store
from properties.reports.under_test import about_lines, extent
from properties.search import Search
from properties.searches import registry
from properties.start import INTERRUPTED
from properties.verify import Means
from properties.verify import verify as run_verify


@frozen
class _Asked:
    """What was asked for, whichever the version.

    :param words: The words of the command that repeats the search, but for rounds.
    """

    spec: candidates.Spec
    names: tuple[str, ...]
    layout_files: tuple[Path, ...]
    seed: int
    rounds: int | None
    seconds: float
    jobs: int
    prove: int
    cost: str
    matrices: bool
    uncovered: bool
    as_json: bool
    words: tuple[str, ...]

    def search(
        self, row: Semantics, version: str | None, interrupted: Interrupts
    ) -> tuple[int, dict[str, Any]]:
        """Search by the rules of *row*, and print what was found; the exit status, and the JSON.

        :param version: The version that repeats it; None if that is the default.
        """
        spec = self.spec
        captured = layouts.load(self.layout_files) if self.layout_files else layouts.shipped()
        search = Search(spec.make, row, captured, captured_only=bool(self.layout_files))
        repeat = partial(command, "verify", candidate=spec.text, version=version, cost=self.cost)
        store = Store(spec.safe, (f"found by {repeat(*self.words)}",))
        with Bar("verify", self.rounds or self.seconds, quiet=self.as_json) as bar:
            ended = run_verify(
                [registry.load(name) for name in self.names],
                search,
                store,
                self.seed,
                rounds=self.rounds,
                seconds=self.seconds,
                tested=spec.tested,
                means=Means(
                    self.jobs if spec.forks else 0,
                    spec.container,
                    spec.memory,
                    interrupted,
                    partial(_update, bar, self.rounds),
                ),
            )
        coverage = ended.coverage
        if not (coverage.steps or ended.reduced or interrupted()):
            raise BadInput(f"no step was executed on {spec.text}")
        again = repeat(*self.words, "--rounds", str(coverage.rounds))
        found = None
        if ended.reduced:
            found = tell(
                ended.reduced,
                spec,
                store,
                lambda failure: evolve(failure, found=again),
                prove=self.prove,
                whole=ended.whole,
                quiet=self.as_json,
                interrupted=interrupted,
            )
        worth = found_within(coverage.steps_by(self.names))
        outcome = Outcome(search, ended, found, extent(spec), self.seed, again, worth)
        if not self.as_json:
            self._print(outcome)
        status = INTERRUPTED if interrupted() else exit_status(found, self.cost, outcome.extent)
        return status, outcome.json() | ({"finding": finding_json(found)} if found else {})

    def _print(self, outcome: Outcome) -> None:
        console.lines(outcome.lines(uncovered=self.uncovered), outcome.style)
        if self.matrices:
            for matrix in MATRICES:
                console.print()
                console.lines(matrix.lines(outcome.coverage.reached), "bold")
            console.print()
        if not outcome.failure:
            console.print(f"repeat   {outcome.again}")


@click.command()
@options.candidate
@options.semantics
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Time to search and to reduce what is found; the proof has the bound --prove.",
)
@options.count(
    "--rounds",
    show_default="as many as the time allows",
    help="Number of rounds to search, in place of a time.",
)
@click.option(
    "--search",
    "names",
    multiple=True,
    metavar="NAME",
    show_default=", ".join(dict.fromkeys(registry.TURNS))
    + "; for kernel-guest "
    + ", ".join(dict.fromkeys(registry.TURNS_PREDRAWN)),
    help=f"Search to use; if repeated, the searches take turns. One of {registry.FORMS}.",
)
@options.jobs
@click.option("--seed", type=options.Seed(), help="Seed of the searches; default: random.")
@click.option(
    "--layout",
    "layout_files",
    type=options.PATH,
    multiple=True,
    show_default="drawn layouts, and those that come with headcount",
    help="Search only on parts of this captured layout; can be repeated.",
)
@click.option("--matrices", is_flag=True, help="Print tables of the combinations reached.")
@click.option("--uncovered", is_flag=True, help="List the candidate's lines that never ran.")
@options.prove(MAX_TRIES_FOR_REPORT)
@options.cost
@options.json
@reported
def verify(
    candidate: str,
    version: str | None,
    seconds: float,
    rounds: int | None,
    names: tuple[str, ...],
    jobs: int,
    seed: int | None,
    layout_files: tuple[Path, ...],
    matrices: bool,
    uncovered: bool,
    prove: int,
    cost: str,
    as_json: bool,
) -> int:
    """Search for a program that the candidate counts wrongly."""
    spec = candidates.load(candidate, cost)
    console.lines(() if as_json else about_lines(spec), "")
    usual = registry.turns(spec.make())
    names = names or usual
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    words = [part for path in layout_files for part in ("--layout", str(path))]
    if names != usual:
        words += [part for name in names for part in ("--search", name)]
    words += ["--seed", str(seed)]
    for name in names:
        registry.load(name)
    asked = _Asked(
        spec,
        names,
        layout_files,
        seed,
        rounds,
        seconds,
        jobs,
        prove,
        cost,
        matrices,
        uncovered,
        as_json,
        (*words,),
    )
    every = version == "all"
    known = spec.make().abilities.semantics
    rows = [row for row in SEMANTICS.values() if row.version in known] if every else []
    rows = rows or [candidates.counting_as(spec, None if every else version)]
    statuses, said = [], []
    with Interrupts() as interrupted:
        for number, row in enumerate(rows):
            if number and not as_json:
                console.print()
            status, found = asked.search(row, row.version if every else version, interrupted)
            statuses.append(status)
            said.append(found)
            if interrupted():
                break
    if as_json:
        console.json({"results": said} if every else said[0])
    # A finding goes before what was not under test, and an interrupt before both.
    return next(s for s in (INTERRUPTED, FINDING, NOT_TESTED, 0) if s in statuses)


def _update(bar: Bar, rounds: int | None, coverage: Coverage, found: str) -> None:
    """Show *coverage* in *bar*, and what was *found* and is being reduced."""
    state = (
        f"{coverage.steps:,} steps, {rate(coverage)} a second, "
        f"{reached(coverage, SITUATIONS)} situations"
    )
    if found:
        bar.note(f"found, reducing: {found}")
    bar.update(coverage.rounds if rounds else coverage.seconds, state)
