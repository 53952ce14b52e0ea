# SPDX-License-Identifier: MIT

"""``headcount verify``: search for a program that a candidate counts wrongly."""

import secrets
import sys
import textwrap
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import click
from attrs import asdict, evolve

from model.abilities import Unheard
from model.errors import BadInput
from properties import candidates, layouts
from properties.cli import options
from properties.cli.console import Bar, console, exit_status, finding_json, reported
from properties.coverage.matrices import COMBINATIONS, MATRICES
from properties.coverage.points import SITUATIONS
from properties.judging.oddities import ODDITIES
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT
from properties.reports.failure import Failure, command
from properties.reports.store import Store
from properties.reports.unheard import NOT_JUDGED, unheard_lines
from properties.search import Search
from properties.searches import registry
from properties.verify import Coverage, failure_of
from properties.verify import verify as run_verify


@click.command()
@options.candidate
@options.semantics
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Time to search.",
)
@options.count("--rounds", help="Number of rounds to search, in place of a time.")
@click.option(
    "--search",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Search to use; if repeated, the searches take turns. One of {registry.FORMS}.",
)
@click.option("--seed", type=options.Seed(), help="Seed of the searches; default: random.")
@click.option(
    "--layout",
    "layout_files",
    type=options.PATH,
    multiple=True,
    help="Search only on parts of this captured layout; can be repeated.",
)
@click.option("--matrices", is_flag=True, help="Print tables of the combinations reached.")
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
    seed: int | None,
    layout_files: tuple[Path, ...],
    matrices: bool,
    prove: int,
    cost: str,
    as_json: bool,
) -> int:
    """Search for a program that the candidate counts wrongly."""
    spec = candidates.load(candidate)
    first = spec.make()
    usual = registry.turns(first)
    unheard = first.abilities.unheard
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
    store = Store(spec.make, (f"found by {repeat(*words)}",))
    # What the candidate prints goes to standard error, not into the report.
    with Bar("verify", rounds or seconds, quiet=as_json) as bar, redirect_stdout(sys.stderr):
        coverage, worst = run_verify(
            searchers,
            search,
            store,
            seed,
            rounds=rounds,
            seconds=seconds,
            progress=partial(_update, bar, rounds),
        )
        failure = failure_of(*worst, spec, store, prove=prove) if worst else None
    again = repeat(*words, "--rounds", str(coverage.rounds))
    if not coverage.steps:
        raise BadInput(f"no step was executed on {candidate}")
    if as_json:
        _print_json(coverage, failure, unheard, seed, again)
    else:
        _print_outcome(coverage, failure, search, unheard, again, matrices=matrices)
    return exit_status(failure, cost)


def _update(bar: Bar, rounds: int | None, coverage: Coverage) -> None:
    """Show *coverage* in *bar*."""
    state = (
        f"{coverage.steps:,} steps, {_rate(coverage)} a second, "
        f"{_reached(coverage, SITUATIONS)} situations"
    )
    bar.update(coverage.rounds if rounds else coverage.seconds, state)


def _rate(coverage: Coverage) -> str:
    return f"{coverage.steps / max(coverage.seconds, 1e-6):,.0f}"


def _reached(coverage: Coverage, points: Collection[str]) -> str:
    """``58 of 60``: how many of *points* were reached."""
    return f"{len(points) - len(coverage.missed(points))} of {len(points)}"


def _print_outcome(
    coverage: Coverage,
    failure: Failure | None,
    search: Search,
    unheard: Sequence[Unheard],
    again: str,
    *,
    matrices: bool,
) -> None:
    if failure:
        console.lines(evolve(failure, found=again).lines(), "bold red")
        _print_unheard(unheard)
        if matrices:
            _print_matrices(coverage)
        return
    console.print(
        f"[bold green]agreed[/]   {coverage.programs:,} programs, {coverage.steps:,} steps in "
        f"{coverage.seconds:.1f} s ({_rate(coverage)} a second)",
        markup=True,
    )
    where = f"semantics {search.semantics.version}, captured layouts"
    console.print(f"on       {where}{'' if search.captured_only else ' and random ones'}")
    console.print(
        f"reached  {_reached(coverage, SITUATIONS)} situations, "
        f"{_reached(coverage, COMBINATIONS)} combinations"
    )
    for name in coverage.missed(SITUATIONS):
        console.print(f"         not reached: {name} ({SITUATIONS[name]})")
    _print_unheard(unheard)
    for name, count in sorted(coverage.avoided.items()):
        steps = f"{count:,} step{'s' * (count != 1)}"
        skipped = f"{steps} that would trigger the known oddity {name}"
        console.print(f"skipped  {skipped}:")
        for line in textwrap.wrap(ODDITIES[name].story, 91):
            console.print(f"         {line}")
    if matrices:
        _print_matrices(coverage)
    console.print(f"repeat   {again}")


def _print_unheard(unheard: Sequence[Unheard]) -> None:
    for line in unheard_lines(unheard):
        console.print(line)


def _print_matrices(coverage: Coverage) -> None:
    for matrix in MATRICES:
        console.print()
        console.lines(matrix.lines(coverage.reached), "bold")
    console.print()


def _print_json(
    coverage: Coverage,
    failure: Failure | None,
    unheard: Sequence[Unheard],
    seed: int,
    again: str,
) -> None:
    verdict = "agrees"
    if failure:
        verdict = "dearer" if failure.finding.oracle == "cost" else "diverges"
    result: dict[str, Any] = {
        "verdict": verdict,
        "programs": coverage.programs,
        "steps": coverage.steps,
        "seconds": round(coverage.seconds, 3),
        "seed": seed,
        "command": again,
        "situations": {name: coverage.reached[name] for name in SITUATIONS},
        "matrices": [
            {
                "name": matrix.name,
                "title": matrix.title,
                "rows": matrix.rows,
                "columns": matrix.columns,
                "counts": matrix.counts(coverage.reached),
            }
            for matrix in MATRICES
        ],
        "around": dict(sorted(coverage.avoided.items())),
        "deaf": [{**asdict(one), "not_judged": NOT_JUDGED[one.event]} for one in unheard],
        "rejected": dict(sorted(coverage.rejected.items())),
    }
    if failure:
        result["finding"] = finding_json(failure)
    console.json(result)
