# SPDX-License-Identifier: MIT

"""``headcount measure``: the series' own tables, as ratios on a tree's real functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from attrs import asdict
from rich.table import Table

from model.errors import BadInput
from properties import candidates
from properties.cli.bar import Bar
from properties.cli.common import candidate_option, console, json_option, reported
from properties.commands import command


if TYPE_CHECKING:
    from model.kernel.measure import Pages

#: What the cover letter and the patches of the series say, by the order of the pages:
#: the list call (patch 2, v1 to v4), and a region registered and given back (patch 4, v2).
SERIES_LIST = {9: "3.78", 18: "3.19"}
SERIES_REGION = {9: "4.71", 18: "4.71"}

SIZES = {0: "4 KiB", 9: "2 MiB", 18: "1 GiB"}
PAGES_OF_GIB = 1 << 18


@click.command()
@candidate_option
@click.option("--gib", type=click.IntRange(min=1, max=64), default=16, help="GiB of pages.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="Passes; the median counts.")
@json_option
@reported
def measure(candidate: str, gib: int, rounds: int, as_json: bool) -> int:
    """Measure unpinning on a kernel tree's functions."""
    scheme, _, rest = candidate.partition(":")
    if scheme != "kernel-source":
        reason = "measure needs --candidate kernel-source:DIR"
        raise BadInput(reason)
    candidates.available(scheme)
    from model.kernel.measure import Measure  # noqa: PLC0415 - needs the extra
    from model.kernel.source import chosen  # noqa: PLC0415

    tree, model = chosen(rest)
    if model != "vmemmap":
        reason = "measure has struct pages in one array: leave classic out"
        raise BadInput(reason)
    measured = Measure(tree)
    found: list[Pages] = []
    with Bar("measure", len(SIZES), quiet=as_json) as bar:
        for order in SIZES:
            found.append(measured.pages(gib * PAGES_OF_GIB, order, rounds))
            bar.update(len(found), f"pages of {SIZES[order]}")
    if as_json:
        click.echo(json.dumps([asdict(pages) for pages in found], indent=2))
        return 0
    version = measured.library.version or "of no version"
    console.print(
        f"{gib} GiB, kernel source {version}, median of {rounds}; times are page by page over batched"
    )
    console.print(_ratios(found))
    console.print("nanoseconds a page, and the bound that each is near")
    console.print(_bounds(found, gib * PAGES_OF_GIB))
    words = [part for name, value, usual in (("--gib", gib, 16), ("--rounds", rounds, 7))
             if value != usual for part in (name, str(value))]  # fmt: skip
    console.print(f"repeat   {command('measure', *words, candidate=candidate)}", markup=False)
    return 0


def _ratios(found: list[Pages]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("pages of")
    for title in ("list", "series", "range by 16", "by 512", "by page", "register+release", "series"):
        table.add_column(title, justify="right")
    for pages in found:
        segments = [16, 512, 1 << pages.order]
        ranges = [
            _times(pages.released, pages.ranges.get(segment))
            if segment <= 1 << pages.order and segment not in segments[:i]
            else "-"
            for i, segment in enumerate(segments)
        ]
        table.add_row(
            SIZES[pages.order],
            _times(pages.singly, pages.listed),
            SERIES_LIST.get(pages.order, "-"),
            *ranges,
            _times(pages.registered + pages.released, pages.region),
            SERIES_REGION.get(pages.order, "-"),
        )
    return table


def _times(before: float, after: float | None) -> str:
    if not after:
        return "-"
    ratio = before / after
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}"


def _bounds(found: list[Pages], npages: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("pages of")
    titles = ("one by one", "list", "reading each", "range by page", "one atomic a head")
    for title in titles:
        table.add_column(title, justify="right")
    for pages in found:
        whole = pages.ranges.get(1 << pages.order)
        table.add_row(
            SIZES[pages.order],
            *(
                "-" if taken is None else f"{taken / npages:.4f}" if small else f"{taken / npages:.1f}"
                for taken, small in (
                    (pages.singly, False),
                    (pages.listed, False),
                    (pages.walk, False),
                    (whole, True),
                    (pages.heads, True),
                )
            ),
        )
    return table
