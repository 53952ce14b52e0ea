# SPDX-License-Identifier: MIT

"""``headcount faults``: grade the harness on the planted bugs."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import click

from model.errors import BadInput
from properties.cli.bar import Bar
from properties.cli.common import FINDING, INTERRUPTED, PATH, console, put, reported, touch
from properties.cli.grades import show
from properties.faults import FAULTS
from properties.faults.fault import GROUPS
from properties.grading.grade import Grade, budget, results
from properties.grading.known import FILE, Known, load, text
from properties.grading.pictures import draw, prepare
from properties.grading.results import read
from properties.grading.results import text as written
from properties.grading.trial import Trial
from properties.searches import registry


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from properties.faults import Fault
    from properties.grading.trial import Result


@click.command()
@click.option(
    "--fault", "names", multiple=True, metavar="NAME", help="Only this one; again for more."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    type=click.Choice(GROUPS),
    metavar="GROUP",
    help=f"Only this group; again for more. Groups are {', '.join(GROUPS)}.",
)
@click.option("--no-equivalents", is_flag=True, help="Leave the variants out that are right.")
@click.option(
    "--search",
    "how",
    multiple=True,
    default=("machine", "soak", "wide"),
    metavar="NAME",
    help=f"How to search; again for more. It can be {registry.FORMS}.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--first", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed."
)
@click.option(
    "--budget",
    "steps",
    type=click.IntRange(min=1),
    default=200_000,
    show_default=True,
    help="Steps for each trial; machine gets half, wide a hundredth.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True)
@click.option("--levels/--no-levels", default=True, help="Whether to see when faults are reached.")
@click.option("--reduce/--no-reduce", default=True, help="Whether to reduce what is found.")
@click.option("--json", "json_file", type=PATH, help="Put all figures into this file.")
@click.option(
    "--from",
    "former",
    type=PATH,
    multiple=True,
    help="Run nothing; grade what --json put into this file. Again for more.",
)
@click.option("--pictures", type=PATH, help="Draw a heat map and a curve into this directory.")
@click.option(
    "--in",
    "unit",
    type=click.Choice(["steps", "programs", "seconds"]),
    default="steps",
    show_default=True,
    help="What the table shows of the first failure.",
)
@click.option("--record", is_flag=True, help="Keep the smallest traces and budgets (for CI).")
@click.option("--list", "listing", is_flag=True, help="Only list the faults and their stories.")
@reported
def faults(
    names: tuple[str, ...],
    groups: tuple[str, ...],
    no_equivalents: bool,
    how: tuple[str, ...],
    seeds: int,
    first: int,
    steps: int,
    jobs: int,
    levels: bool,
    reduce: bool,
    json_file: Path | None,
    former: tuple[Path, ...],
    pictures: Path | None,
    unit: str,
    record: bool,
    listing: bool,
) -> int:
    """Grade the searches on planted bugs, and on variants that are right."""
    chosen = [
        fault
        for fault in _chosen(names)
        if (not groups or fault.group in groups) and not (no_equivalents and fault.equivalent)
    ]
    for name in how:
        registry.load(name)
    if listing:
        _print_stories(chosen)
        return 0
    _prepare(chosen, pictures, json_file)
    if former:
        # The same trial may be in several files.
        ran = [*{r.trial: r for path in former for r in read(path)}.values()]
        how = tuple(dict.fromkeys(result.trial.search for result in ran))
    else:
        ran = _run(chosen, how, range(first, first + seeds), steps, jobs, levels, reduce)
    tried = {_name(result) for result in ran}
    chosen = [fault for fault in chosen if fault.name in tried]
    if former and not chosen:
        msg = "no results of these faults are in the files"
        raise BadInput(msg)
    by: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in sorted(ran, key=lambda r: r.trial.seed):
        by[_name(result), result.trial.search].append(result)
    known = _learned(chosen, by)
    grades = {
        (fault.name, search): Grade(by[fault.name, search], known[fault.name].sizes)
        for fault in chosen
        for search in how
    }
    if record:
        kept = {name: one for name, one in known.items() if one.trace}
        put(FILE, text(kept))
    if json_file:
        put(json_file, written(r for found in by.values() for r in found))
    alarms = show(chosen, how, grades, unit)
    if pictures:
        real = {key: g for key, g in grades.items() if not FAULTS[key[0]].equivalent}
        for path in draw(real, pictures):
            console.print(f"drawn    {path}", markup=False)
    if ran and not former and len(ran) < len(chosen) * len(how) * seeds:
        return INTERRUPTED
    return FINDING if alarms else 0


def _prepare(chosen: Sequence[Fault], pictures: Path | None, json_file: Path | None) -> None:
    """See that something is to be tried and can be kept, before hours are spent on it."""
    if not chosen:
        msg = "no fault is chosen: those named are not in the groups"
        raise BadInput(msg)
    if pictures:
        prepare(pictures)
    if json_file:
        touch(json_file)


def _learned(
    chosen: Sequence[Fault], by: Mapping[tuple[str, str], Sequence[Result]]
) -> dict[str, Known]:
    """What is known of each fault, and now more."""
    known = load()
    for fault in chosen:
        one = known.setdefault(fault.name, Known())
        for (name, _), found in by.items():
            if name == fault.name and not fault.equivalent:
                one.learn(found)
    return known


def _name(result: Result) -> str:
    """The fault that *result* is about."""
    return result.trial.candidate.rpartition(":")[2]


def _run(
    chosen: Sequence[Fault],
    how: Sequence[str],
    seeds: Iterable[int],
    steps: int,
    jobs: int,
    *options: bool,
) -> list[Result]:
    """A trial of each search on each fault with each seed, spread over *jobs* processes."""
    trials = [
        Trial(name, fault.spec, fault.versions[-1], seed, budget(name, steps), *options)
        for fault in chosen
        for name in how
        for seed in seeds
    ]
    ran = []
    with (
        Bar("faults", len(trials)) as bar,
        closing(results(trials, min(jobs, len(trials)))) as running,
    ):
        try:
            for done, result in enumerate(running, start=1):
                ran.append(result)
                bar.update(done, f"{done:,} of {len(trials):,} trials")
        except KeyboardInterrupt:
            # An hour's trials are not thrown away.
            console.print(f"interrupted after {len(ran):,} of {len(trials):,} trials")
    return ran


def _chosen(names: Sequence[str]) -> list[Fault]:
    for name in names:
        if name not in FAULTS:
            msg = f"fault {name!r} is not in the table; headcount faults --list shows it"
            raise BadInput(msg)
    return [FAULTS[name] for name in names or FAULTS]


def _print_stories(chosen: Sequence[Fault]) -> None:
    group = ""
    for fault in chosen:
        if fault.group != group:
            group = fault.group
            console.print(f"[bold]{group}[/]")
        console.print(f"  {fault.name} ({fault.source})", markup=False)
        for line in fault.story.splitlines():
            console.print(f"    {line}".rstrip(), markup=False)
