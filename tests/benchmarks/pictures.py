# SPDX-License-Identifier: MIT

"""Pictures of grades: a heat map of median steps, and a curve of the share of faults found.

    headcount faults --json results.json
    python -m tests.benchmarks.pictures results.json DIRECTORY

This needs the extra `pictures`. The same results give the same bytes.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from itertools import groupby
from math import log10
from pathlib import Path

import click

from model.errors import about
from properties.cli.console import reported
from properties.faults import FAULTS
from properties.grading.grade import Grade
from properties.grading.trial import read

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
except ImportError:
    click.echo("matplotlib is not installed; pip install 'headcount[pictures]'", err=True)
    sys.exit(2)


def grades_of(results):
    """The grade of each search on each fault that plants a bug, by (fault, search)."""
    found = defaultdict(dict)
    for result in results:
        fault = result.trial.candidate.rpartition(":")[2]
        if not FAULTS[fault].equivalent:
            # If a trial has several results, the last one counts.
            found[fault, result.trial.search][result.trial] = result
    order = list(FAULTS)
    return {
        key: Grade(list(found[key].values()), {})
        for key in sorted(found, key=lambda key: order.index(key[0]))
    }


def draw(grades, directory):
    """Draw *grades* (by fault and search) into *directory*; the files written."""
    mpl.rcParams["svg.hashsalt"] = "headcount"
    # Keep text as text, so that it can be searched and copied.
    mpl.rcParams["svg.fonttype"] = "none"
    faults = list(dict.fromkeys(fault for fault, _ in grades))
    searches = list(dict.fromkeys(search for _, search in grades))
    with about(directory):
        directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, figure in (("heat", heat), ("curve", curve)):
        path = directory / f"faults-{name}.svg"
        figure(grades, faults, searches).savefig(path, metadata={"Date": None}, bbox_inches="tight")
        files.append(path)
    return files


def short(search):
    """The name of *search* without its module."""
    return search.rpartition(":")[2]


def heat(grades, faults, searches):
    """The heat map: median steps to the first failure, a row for each fault, group by group."""
    figure = Figure(figsize=(3.5 + 0.9 * len(searches), 1.5 + 0.17 * len(faults)))
    axes = figure.add_subplot()
    cells = []
    for y, fault in enumerate(faults):
        row = []
        for x, search in enumerate(searches):
            grade = grades.get((fault, search))
            spread = grade.spread(lambda r: r.steps) if grade and grade.whole else None
            row.append(log10(max(spread[1], 1)) if spread else float("nan"))
            if grade and grade.results and not grade.whole:
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color="0.75"))
        cells.append(row)
    image = axes.imshow(cells, aspect="auto", cmap="viridis_r", vmin=0, vmax=5)
    axes.set_xticks(range(len(searches)), map(short, searches))
    axes.set_yticks(range(len(faults)), faults, fontsize=6)
    right = len(searches) - 0.4
    for group, rows in groupby(range(len(faults)), key=lambda y: FAULTS[faults[y]].group):
        first, *_ = lines = [*rows]
        axes.text(right, (first + lines[-1]) / 2, group, fontsize=7, va="center")
        axes.axhline(first - 0.5, color="white", linewidth=2)
    axes.set_title("steps to the first failure, median\n(grey: missed on some seed)", size=9)
    bar = figure.colorbar(image, ax=axes, pad=0.25, format=lambda power, _: f"$10^{power:.0f}$")
    bar.set_ticks(range(6))
    return figure


def curve(grades, faults, searches):
    """The curve: the share of trials that found their fault within a number of steps, by search."""
    figure = Figure(figsize=(6, 3.5))
    axes = figure.add_subplot()
    for search in searches:
        mine = [grades[fault, search] for fault in faults if (fault, search) in grades]
        total = sum(len(grade.results) for grade in mine)
        steps = sorted(r.steps for grade in mine for r in grade.solved)
        label = f"{short(search)}, {sum(bool(grade.results) for grade in mine)} faults"
        shares = [100 * (i + 1) / total for i in range(len(steps))]
        axes.step(steps, shares, where="post", label=label)
    axes.set_xscale("log")
    axes.set_ylim(0, 101)
    axes.set_xlabel("steps")
    axes.set_ylabel("trials solved, %")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")
    return figure


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@reported
def main(files, directory):
    """Draw the results in FILES, which `headcount faults --json` wrote, into DIRECTORY."""
    for path in draw(grades_of(result for file in files for result in read(file)), directory):
        click.echo(f"drawn    {path}")
    return 0


if __name__ == "__main__":
    main()
