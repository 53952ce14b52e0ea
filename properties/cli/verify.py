# SPDX-License-Identifier: MIT

"""``headcount verify``: search for a program that a candidate counts wrongly."""

import secrets
from functools import partial
from pathlib import Path

import click
from attrs import evolve

from model.errors import BadInput
from properties import candidates, layouts
from properties.cli import options
from properties.cli.console import (
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
from properties.processes.interrupts import INTERRUPTED, Interrupts
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT
from properties.reports.failure import command
from properties.reports.outcome import Outcome, rate, reached
from properties.reports.store import Store
from properties.reports.under_test import about_lines, extent
from properties.search import Search
from properties.searches import registry
from properties.verify import Means
from properties.verify import verify as run_verify


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
@options.count("--rounds", help="Number of rounds to search, in place of a time.")
@click.option(
    "--search",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Search to use; if repeated, the searches take turns. One of {registry.FORMS}.",
)
@options.jobs
@click.option("--seed", type=options.Seed(), help="Seed of the searches; default: random.")
@click.option(
    "--layout",
    "layout_files",
    type=options.PATH,
    multiple=True,
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
    searchers = [registry.load(name) for name in names]
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    search = Search(
        spec.make,
        candidates.counting_as(spec, version),
        layouts.load(layout_files) if layout_files else layouts.shipped(),
        captured_only=bool(layout_files),
    )
    words = [part for path in layout_files for part in ("--layout", str(path))]
    if names != usual:
        words += [part for name in names for part in ("--search", name)]
    words += ["--seed", str(seed)]
    repeat = partial(command, "verify", candidate=candidate, version=version, cost=cost)
    store = Store(spec.safe, (f"found by {repeat(*words)}",))
    with Interrupts() as interrupted:
        with Bar("verify", rounds or seconds, quiet=as_json) as bar:
            means = Means(
                jobs if spec.forks else 0,
                spec.container,
                spec.memory,
                interrupted,
                partial(_update, bar, rounds),
            )
            ended = run_verify(
                searchers,
                search,
                store,
                seed,
                rounds=rounds,
                seconds=seconds,
                tested=spec.tested,
                means=means,
            )
        coverage = ended.coverage
        if not coverage.steps and not interrupted():
            raise BadInput(f"no step was executed on {candidate}")
        again = repeat(*words, "--rounds", str(coverage.rounds))
        found = None
        if ended.reduced:
            found = tell(
                ended.reduced,
                spec,
                store,
                lambda failure: evolve(failure, found=again),
                prove=prove,
                whole=ended.whole,
                quiet=as_json,
                interrupted=interrupted,
            )
        worth = found_within(coverage.steps_by(names))
        outcome = Outcome(search, ended, found, extent(spec), seed, again, worth)
        if as_json:
            finding = {"finding": finding_json(found)} if found else {}
            console.json(outcome.json() | finding)
        else:
            console.lines(outcome.lines(uncovered=uncovered), outcome.style)
            if matrices:
                for matrix in MATRICES:
                    console.print()
                    console.lines(matrix.lines(coverage.reached), "bold")
                console.print()
            if not found:
                console.print(f"repeat   {again}")
    return INTERRUPTED if interrupted() else exit_status(found, cost, outcome.extent)


def _update(bar: Bar, rounds: int | None, coverage: Coverage, found: str) -> None:
    """Show *coverage* in *bar*, and what was *found* and is being reduced."""
    state = (
        f"{coverage.steps:,} steps, {rate(coverage)} a second, "
        f"{reached(coverage, SITUATIONS)} situations"
    )
    if found:
        bar.note(f"found, reducing: {found}")
    bar.update(coverage.rounds if rounds else coverage.seconds, state)
