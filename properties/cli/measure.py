# SPDX-License-Identifier: MIT

"""``headcount measure``: the patch series' measurements, repeated on a tree's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from attrs import asdict
from rich.table import Table

from model.errors import BadInput
from properties import candidates
from properties.cli import options
from properties.cli.console import FINDING, Bar, console, reported, table, times
from properties.reports.failure import command
from properties.search import Search, Tally
from properties.searches import registry

if TYPE_CHECKING:
    from model.kernel.source.measure import Pages

#: Speedups that the series reports, by the order of the pages: of the list call (patch 2, v1 to
#: v4), and of registering and releasing a region (patch 4, v2).
SERIES_LIST = {9: "3.78", 18: "3.19"}
SERIES_REGION = {9: "4.71", 18: "4.71"}

GIB = 16
ROUNDS = 7

SIZES = {0: "4 KiB", 9: "2 MiB", 18: "1 GiB"}
PAGES_OF_GIB = 1 << 18


@click.command()
@options.candidate
@options.count("--gib", most=64, default=GIB, help="GiB of pages to unpin.")
@options.rounds(ROUNDS)
@options.json
@reported
def measure(candidate: str, gib: int, rounds: int, as_json: bool) -> int:
    """Measure the speed of a kernel tree's unpin functions."""
    scheme, _, rest = candidate.partition(":")
    if scheme != "kernel-source":
        raise BadInput("measure needs --candidate kernel-source:DIR (or headcount guest measure)")
    candidates.available(scheme)
    from model.kernel.source.build import build  # noqa: PLC0415
    from model.kernel.source.candidate import Source, chosen  # noqa: PLC0415
    from model.kernel.source.measure import Measure  # noqa: PLC0415 - needs the extra

    tree, model, configs = chosen(rest)
    if model != "vmemmap" or configs:
        raise BadInput(f"measure has one configuration: leave {', '.join(configs) or model} out")
    wrong = _wrong(candidates.Spec(candidate, Source(rest, build(tree, model))))
    if wrong:
        console.print(f"not measured, because it counts wrongly: {wrong}")
        console.print(f"see      {command('verify', candidate=candidate)}")
        return FINDING
    measured = Measure(tree)
    found: list[Pages] = []
    with Bar("measure", len(SIZES), quiet=as_json) as bar:
        for order, size in SIZES.items():
            found.append(measured.pages(gib * PAGES_OF_GIB, order, rounds))
            bar.update(len(found), f"pages of {size}")
    if as_json:
        console.json({"sizes": [asdict(pages) for pages in found]})
        return 0
    version = measured.library.version or "of unknown version"
    ratios, bounds = _tables(found, gib * PAGES_OF_GIB)
    console.print(f"{gib} GiB, kernel source {version}, median of {rounds}\n")
    console.print("speedup over one page at a time, and the speedup that the series gives")
    console.print(ratios)
    console.print("\ntime for each page or head, and lower bounds (reading all, one atomic)")
    console.print(bounds)
    words = ["--gib", str(gib)] if gib != GIB else []
    words += ["--rounds", str(rounds)] if rounds != ROUNDS else []
    console.print(f"\nrepeat   {command('measure', *words, candidate=candidate)}")
    return 0


def _wrong(spec: candidates.Spec) -> str:
    """The first finding of a short search, or ""; a measurement alone would rarely show it."""
    tally = Tally()
    search = Search(spec.make, candidates.counting_as(spec, None), watcher=tally)
    for number, name in enumerate(("soak", "soak", "laws", "wide", "soak")):
        registry.load(name)(search, number)
        if tally.failure:
            return tally.failure[1].summary
    return ""


def _tables(found: list[Pages], npages: int) -> tuple[Table, Table]:
    """Two tables about *npages* pages of each size: speedups; times, and lower bounds of times."""
    ratios = table("list", "series", "ranges of 16", "of 512", "of a page", "region", "series")
    bounds = table("one by one", "list", "reading all", "ranges of a page", "one atomic")
    for pages in found:
        size = 1 << pages.order
        lengths = [length for length in (16, 512, size) if length <= size]
        ranges = {length: times(pages.released, pages.ranges.get(length)) for length in lengths}
        ratios.add_row(
            SIZES[pages.order],
            times(pages.singly, pages.listed),
            SERIES_LIST.get(pages.order, "-"),
            ranges.get(16, "-"),
            ranges.get(512, "-"),
            ranges[size],
            times(pages.registered + pages.released, pages.region),
            SERIES_REGION.get(pages.order, "-"),
        )
        heads = npages >> pages.order
        whole = pages.ranges.get(size)
        bounds.add_row(
            SIZES[pages.order],
            *(f"{taken / npages:.1f} ns" for taken in (pages.singly, pages.listed, pages.walk)),
            "-" if whole is None else f"{whole / heads:.0f} ns a head",
            f"{pages.heads / heads:.0f} ns a head",
        )
    return ratios, bounds
