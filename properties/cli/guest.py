# SPDX-License-Identifier: MIT

"""``headcount guest``: prepare a kernel to boot, record programs on it, measure in it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import asdict

from model.errors import BadInput
from model.kernel.guest.booted import load
from model.kernel.guest.emulator import emulator
from model.kernel.guest.image import build
from model.kernel.guest.measure import Measure, Ways
from model.kernel.guest.packages import VERSIONS, unpack
from model.memory import NoProgress, Panic
from model.recording import RecordedKernel, Recording, write_recordings
from model.semantics import semantics
from properties.cli.bar import Bar
from properties.cli.common import (
    FINDING,
    PATH,
    Seed,
    console,
    json_option,
    print_failure,
    reported,
    table,
    times,
)
from properties.judging.judge import judge
from properties.recordings import draw, groups, record
from properties.reports.failure import Failure
from properties.search import SEED_STRIDE, Search


if TYPE_CHECKING:
    from rich.table import Table

#: Recordings of each group: more than a hundred for seven groups.
EACH = 16

#: Pages to measure: 1 GiB by the clock, and 64 MiB if instructions are counted, which is
#: exact but slow.
CLOCKED = 1 << 18
COUNTED = 1 << 14
ROUNDS = 5

#: Width of a table in columns.
WIDTH = 100

NAMES = {"base": "4 KiB", "thp": "THP", "hugetlb": "hugetlb", "gigantic": "1 GiB"}

kernel_option = click.option(
    "--kernel",
    "version",
    type=click.Choice(VERSIONS),
    default=VERSIONS[0],
    show_default=True,
    help="The kernel version.",
)


@click.group()
def guest() -> None:
    """Prepare a Debian kernel to boot, record programs on it, measure in it."""


@guest.command()
@kernel_option
@reported
def prepare(version: str) -> int:
    """Download a kernel, and build the module and the agent for it.

    All files are in the user's cache; nothing is installed.
    """
    began = time.monotonic()
    done: list[str] = []

    def progress(what: str) -> None:
        done.append(what)
        console.print(f"{what} ...", markup=False)

    image = build(unpack(version, progress), progress)
    spec = "kernel-guest" if version == VERSIONS[0] else f"kernel-guest:{version}"
    emulator()
    took = f"{time.monotonic() - began:.1f} s"
    state = f"ready in {took}" if done else f"was ready ({took})"
    console.print(f"kernel   {image.abi}, {state}", markup=False)
    console.print(f"in       {image.initrd.parent}", markup=False)
    console.print(f"try      headcount verify --candidate {spec}", markup=False)
    return 0


@guest.command(name="record")
@kernel_option
@click.option("--gigantic", is_flag=True, help="Record on pages of 1 GiB only; the machine has 2.")
@click.option(
    "--each",
    type=click.IntRange(min=1),
    default=EACH,
    show_default=True,
    help="Recordings of each group.",
)
@click.option("--seed", type=Seed(), default=1, show_default=True, help="Seed of the programs.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("recordings"),
    show_default=True,
    help="The directory to write to.",
)
@reported
def record_(version: str, gigantic: bool, each: int, seed: int, output: Path) -> int:
    """Record the kernel's results of random programs, to compare models without booting."""
    booted = load(f"{version},1g" if gigantic else version)
    search = Search(booted, semantics(version))
    chosen = [*groups(booted.abilities)]
    rows: list[tuple[Path, list[Recording]]] = []
    with Bar("record", len(chosen) * each) as bar:
        for name, abilities in chosen:
            found: list[Recording] = []
            for i in range(each):
                program = draw(search, abilities, seed * SEED_STRIDE + len(rows) * each + i)
                try:
                    found.append(record(search, booted.image.abi, program))
                    finding = judge(program, RecordedKernel(found[-1])).worst
                except (NoProgress, Panic):
                    finding = judge(program, booted()).worst
                if finding:
                    print_failure(Failure(program, finding))
                    return FINDING
                bar.update(len(rows) * each + i + 1, f"{name} pages")
            path = output / f"{version}-{name}.recording"
            try:
                write_recordings(path, found)
            except OSError as err:
                raise BadInput(err.strerror or str(err), file=str(path)) from None
            rows.append((path, found))
    steps = sum(len(one.program.steps) for _, found in rows for one in found)
    grid = table("recordings", "steps", "bytes", first="file")
    for path, found in rows:
        length = sum(len(one.program.steps) for one in found)
        grid.add_row(str(path), str(len(found)), f"{length:,}", f"{path.stat().st_size:,}")
    console.print(grid, width=WIDTH)
    console.print()
    console.print(
        f"recorded {steps:,} steps on {booted.image.abi}; the models agree with all of them"
    )
    words = ["--kernel", version, *(["--gigantic"] if gigantic else [])]
    words += ["--each", str(each), "--seed", str(seed), "-o", str(output)]
    console.print(f"repeat   headcount guest record {' '.join(words)}", markup=False)
    return 0


@guest.command(name="measure")
@kernel_option
@click.option(
    "--instructions", is_flag=True, help="Count instructions in place of time; exact but slow."
)
@click.option(
    "--mib",
    type=click.IntRange(2, 4096),
    help=f"MiB of pages of each kind; default: {CLOCKED >> 8}, or {COUNTED >> 8} for instructions.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=ROUNDS,
    show_default=True,
    help="Measurements; the result is their median.",
)
@json_option
@reported
def measure_(version: str, instructions: bool, mib: int | None, rounds: int, as_json: bool) -> int:
    """Compare ways to unpin the same pages, in one boot."""
    usual = COUNTED if instructions else CLOCKED
    npages = usual if mib is None else mib << 8
    image = load(version).image
    measured = Measure(image, npages, count=instructions)
    found: list[Ways] = []
    try:
        with Bar("measure", len(measured.kinds), quiet=as_json) as bar:
            for kind in measured.kinds:
                found.append(measured.ways(kind, rounds))
                bar.update(len(found), NAMES[kind])
    finally:
        measured.close()
    if as_json:
        click.echo(json.dumps([asdict(ways) for ways in found], indent=2))
        return 0
    unit = "instructions" if instructions else "ns"
    what = "instructions" if instructions else "time in an emulated machine"
    console.print(f"{npages >> 8} MiB of each, {image.abi}, {what}, median of {rounds}")
    console.print()
    console.print(f"{unit} for each page")
    console.print(_taken(found), width=WIDTH)
    console.print()
    console.print("speedup over one page at a time; of ranges, over dirtying one page at a time")
    console.print(_ratios(found), width=WIDTH)
    console.print()
    words = ["--kernel", version] if version != VERSIONS[0] else []
    words += ["--instructions"] if instructions else []
    words += ["--mib", str(mib)] if mib is not None else []
    words += ["--rounds", str(rounds)] if rounds != ROUNDS else []
    console.print(f"repeat   {' '.join(['headcount guest measure', *words])}", markup=False)
    return 0


def _lengths(found: list[Ways]) -> list[int]:
    return sorted({length for ways in found for length in ways.ranges if length > 1})


def _taken(found: list[Ways]) -> Table:
    lengths = _lengths(found)
    titles = [f"of {length:,}" for length in lengths]
    grid = table("one", "list of 512", "one list", "dirty one", "range of 1", *titles)
    for ways in found:
        ranges = [ways.ranges.get(length) for length in (1, *lengths)]
        values = (ways.one, ways.batches, ways.listed, ways.dirty_one, *ranges)
        grid.add_row(NAMES[ways.kind], *(_each(value, ways.npages) for value in values))
    return grid


def _each(value: float | None, npages: int) -> str:
    return "-" if value is None else f"{value / npages:.3g}"


def _ratios(found: list[Ways]) -> Table:
    lengths = _lengths(found)
    titles = [f"of {length:,}" for length in lengths]
    grid = table("list of 512", "one list", "range of 1", *titles)
    for ways in found:
        grid.add_row(
            NAMES[ways.kind],
            times(ways.one, ways.batches),
            times(ways.one, ways.listed),
            *(times(ways.dirty_one, ways.ranges.get(length)) for length in (1, *lengths)),
        )
    return grid
