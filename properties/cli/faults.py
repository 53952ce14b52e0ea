# SPDX-License-Identifier: MIT

"""``headcount faults``: grade the searches on planted bugs."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import click

from model.errors import BadInput, about
from properties.cli import options
from properties.cli.console import FINDING, Bar, console, put, reported
from properties.cli.grades import show
from properties.cli.options import PATH
from properties.faults import FAULTS, Fault
from properties.faults.fault import GROUPS
from properties.grading.grade import Grade, budget, results
from properties.grading.known import FILE, Known, load, text
from properties.grading.trial import Result, Trial, read
from properties.grading.trial import line as as_line
from properties.grading.trial import text as written
from properties.processes.alone import Interrupted
from properties.processes.interrupts import Interrupts
from properties.searches import registry
from properties.start import INTERRUPTED


@click.command()
@click.option(
    "--fault", "names", multiple=True, metavar="NAME", help="Only this fault; can be repeated."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    type=click.Choice(GROUPS),
    metavar="GROUP",
    help=f"Only this group; can be repeated. Groups are {', '.join(GROUPS)}.",
)
@click.option(
    "--no-equivalents", is_flag=True, help="Skip the equivalents: changes that plant no bug."
)
@click.option(
    "--search",
    "how",
    multiple=True,
    default=("machine", "soak", "wide"),
    show_default=True,
    metavar="NAME",
    help=f"The search to grade; can be repeated. One of {registry.FORMS}.",
)
@options.count("--seeds", default=10, help="Number of seeds of each search.")
@options.count("--first", least=0, default=0, help="The first seed.")
@options.count(
    "--budget",
    "steps",
    default=200_000,
    help="Maximum steps of a trial; half as many for the search machine, a hundredth for wide.",
)
@options.count(
    "--jobs",
    default=os.cpu_count() or 1,
    show_default="the processors there are",
    help="Number of processes.",
)
@click.option(
    "--levels/--no-levels",
    default=True,
    show_default=True,
    help="Record in which step a fault first runs.",
)
@click.option(
    "--reduce/--no-reduce", default=True, show_default=True, help="Also reduce the failures."
)
@click.option(
    "--json",
    "json_file",
    type=PATH,
    help="Write each result to this file when it is known; default: none.",
)
@click.option(
    "--from",
    "former",
    type=PATH,
    multiple=True,
    help="Run no trials; grade the results that --json wrote to this file. Can be repeated.",
)
@click.option(
    "--in",
    "unit",
    type=click.Choice(["steps", "programs", "seconds"]),
    default="steps",
    show_default=True,
    help="Unit in the table for the effort until the first failure.",
)
@click.option("--record", is_flag=True, help="Save smallest traces and step limits that CI checks.")
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
    unit: str,
    record: bool,
    listing: bool,
) -> int:
    """Grade the searches on planted bugs, and on changes that plant no bug."""
    chosen = [
        fault
        for fault in map(_fault, names or FAULTS)
        if (not groups or fault.group in groups) and not (no_equivalents and fault.equivalent)
    ]
    for name in how:
        registry.load(name)
    if listing:
        _print_stories(chosen)
        return 0
    if not chosen:
        raise BadInput("no faults selected: those named are not in the groups")
    if json_file:
        # Trials may take hours, so the file is tried before they run.
        with about(json_file):
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.open("a").close()
    if former:
        # If several files have the result of a trial, the last file counts.
        ran = [*{r.trial: r for path in former for r in read(path)}.values()]
        how = tuple(dict.fromkeys(result.trial.search for result in ran))
    else:
        trials = [
            Trial(name, fault.spec, fault.versions[-1], seed, budget(name, steps), levels, reduce)
            for fault in chosen
            for name in how
            for seed in range(first, first + seeds)
        ]
        with json_file.open("wb", buffering=0) if json_file else nullcontext() as file:
            ran = _run(trials, jobs, file)
    by: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in sorted(ran, key=lambda r: r.trial.seed):
        name = result.trial.candidate.rpartition(":")[2]
        by[name, result.trial.search].append(result)
    tried = {name for name, _ in by}
    chosen = [fault for fault in chosen if fault.name in tried]
    if former and not chosen:
        raise BadInput("the files have no results of these faults")
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
    if ran and not former and len(ran) < len(chosen) * len(how) * seeds:
        return INTERRUPTED
    return FINDING if alarms else 0


def _learned(
    chosen: Sequence[Fault], by: Mapping[tuple[str, str], Sequence[Result]]
) -> dict[str, Known]:
    """The known results of each fault, updated with the results in *by*."""
    known = load()
    for fault in chosen:
        one = known.setdefault(fault.name, Known())
        for (name, _), found in by.items():
            if name == fault.name and not fault.equivalent:
                one.learn(found)
    return known


def _run(trials: Sequence[Trial], jobs: int, file: IO[bytes] | None) -> list[Result]:
    """Run *trials* in *jobs* processes; write each result to *file* at once."""
    ran = []
    with Interrupts() as interrupted, Bar("faults", len(trials)) as bar:
        try:
            for done, result in enumerate(results(trials, jobs, interrupted), start=1):
                ran.append(result)
                if file:
                    with about(Path(file.name)):
                        file.write(as_line(result).encode())
                bar.update(done, f"{done:,} of {len(trials):,} trials")
        except Interrupted:
            # The finished trials are still graded.
            console.print(f"interrupted after {len(ran):,} of {len(trials):,} trials")
    return ran


def _fault(name: str) -> Fault:
    if name not in FAULTS:
        raise BadInput(f"unknown fault {name!r}; headcount faults --list prints all")
    return FAULTS[name]


def _print_stories(chosen: Sequence[Fault]) -> None:
    group = ""
    for fault in chosen:
        if fault.group != group:
            group = fault.group
            console.print(group, style="bold")
        console.print(f"  {fault.name} ({fault.source})")
        for line in fault.story.splitlines():
            console.print(f"    {line}".rstrip())
