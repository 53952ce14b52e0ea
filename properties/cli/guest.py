# SPDX-License-Identifier: MIT

"""``headcount guest``: prepare a kernel to boot, record programs on it, measure in it."""

import time
from pathlib import Path

import click
from attrs import asdict
from rich.table import Table

from model.errors import BadInput, about
from model.kernel.guest.booted import load
from model.kernel.guest.emulator import emulator
from model.kernel.guest.image import build
from model.kernel.guest.measure import Measure, Ways
from model.kernel.guest.packages import VERSIONS, unpack
from model.memory import NoProgress, Panic
from model.recording import RecordedKernel, Recording, write_recordings
from model.semantics import semantics
from properties.cli import options
from properties.cli.console import FINDING, Bar, console, reported, table, times
from properties.judging.judge import judge
from properties.recordings import draw, groups
from properties.reports.failure import Failure
from properties.search import SEED_STRIDE, Search

#: Number of recordings of each group: more than a hundred for the seven groups together.
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
        console.print(f"{what} ...")

    image = build(unpack(version, progress), progress)
    spec = "kernel-guest" if version == VERSIONS[0] else f"kernel-guest:{version}"
    emulator()
    took = f"{time.monotonic() - began:.1f} s"
    state = f"ready in {took}" if done else f"was ready ({took})"
    console.print(f"kernel   {image.abi}, {state}")
    console.print(f"in       {image.initrd.parent}")
    console.print(f"try      headcount verify --candidate {spec}")
    return 0


@guest.command(name="record")
@kernel_option
@click.option("--gigantic", is_flag=True, help="Record on pages of 1 GiB only; the guest has 2.")
@options.count("--each", default=EACH, help="Recordings of each kind of page, and of all together.")
@click.option(
    "--group", default="", help="Record this group only, such as attributes; default: all."
)
@click.option(
    "--seed", type=options.Seed(), default=1, show_default=True, help="Seed of the programs."
)
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    default=Path("recordings"),
    show_default=True,
    help="The directory to write to.",
)
@click.option("--force", is_flag=True, help="Replace recordings that are there.")
@reported
def record_(
    version: str, gigantic: bool, each: int, group: str, seed: int, output: Path, force: bool
) -> int:
    """Record the kernel's results of random programs, to compare models without booting."""
    booted = load(f"{version},1g" if gigantic else version)
    search = Search(booted, semantics(version))
    chosen = [*enumerate(groups(booted.abilities))]
    names = [name for _, (name, _) in chosen]
    if group:
        if group not in names:
            raise BadInput(f"--group {group}: groups are {', '.join(names)}")
        chosen, names = [chosen[names.index(group)]], [group]
    files = {name: output / f"{version}-{name}.recording" for name in names}
    there = next((path for path in files.values() if path.exists()), None)
    if there and not force:
        raise BadInput("is there already; --force replaces it", file=str(there))
    grid = table("recordings", "steps", "bytes", first="file")
    total = 0
    with Bar("record", len(chosen) * each) as bar:
        for number, (name, abilities) in chosen:
            found: list[Recording] = []
            for i in range(number * each, (number + 1) * each):
                program = draw(search, abilities, seed * SEED_STRIDE + i)
                try:
                    snapshots = tuple(booted().execute(program))
                    found.append(Recording(booted.image.abi, program, snapshots))
                    finding = judge(program, RecordedKernel(found[-1])).worst
                except (NoProgress, Panic):
                    finding = judge(program, booted()).worst
                if finding:
                    console.lines(Failure(program, finding).lines(), "bold red")
                    return FINDING
                bar.update(i + 1, f"{name} pages")
            path = files[name]
            with about(path):
                write_recordings(path, found)
            steps = sum(len(one.program.steps) for one in found)
            total += steps
            grid.add_row(str(path), str(len(found)), f"{steps:,}", f"{path.stat().st_size:,}")
    console.print(grid, width=WIDTH)
    steps_of = f"recorded {total:,} steps on {booted.image.abi}"
    console.print(f"\n{steps_of}; the models agree with all of them")
    words = ["--kernel", version, *(["--gigantic"] if gigantic else [])]
    words += ["--group", group] if group else []
    words += ["--each", str(each), "--seed", str(seed), "-o", str(output), "--force"]
    console.print(f"repeat   headcount guest record {' '.join(words)}")
    return 0


@guest.command(name="measure")
@kernel_option
@click.option(
    "--instructions", is_flag=True, help="Count instructions in place of time; exact but slow."
)
@options.count(
    "--mib",
    least=2,
    most=4096,
    help=f"MiB of pages of each kind; default: {CLOCKED >> 8}, or {COUNTED >> 8} for instructions.",
)
@options.rounds(ROUNDS)
@options.json
@reported
def measure_(version: str, instructions: bool, mib: int | None, rounds: int, as_json: bool) -> int:
    """Measure and compare several ways to unpin the same pages, all in one boot."""
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
        console.json({"kinds": [asdict(ways) for ways in found]})
        return 0
    unit = "instructions" if instructions else "ns"
    taken, ratios = _tables(found)
    what = "instructions" if instructions else "time in an emulated machine"
    console.print(f"{npages >> 8} MiB of each, {image.abi}, {what}, median of {rounds}\n")
    console.print(f"{unit} for each page")
    console.print(taken, width=WIDTH)
    console.print("\nspeedup over one page at a time; of ranges, over dirtying one page at a time")
    console.print(ratios, width=WIDTH)
    words = ["--kernel", version] if version != VERSIONS[0] else []
    words += ["--instructions"] if instructions else []
    words += ["--mib", str(mib)] if mib is not None else []
    words += ["--rounds", str(rounds)] if rounds != ROUNDS else []
    console.print(f"\nrepeat   {' '.join(['headcount guest measure', *words])}")
    return 0


def _tables(found: list[Ways]) -> tuple[Table, Table]:
    """Two tables: time or instructions for each page, and the speedups."""
    lengths = sorted({length for ways in found for length in ways.ranges if length > 1})
    titles = ["range of 1", *(f"of {length:,}" for length in lengths)]
    taken = table("one", "list of 512", "one list", "dirty one", *titles)
    ratios = table("list of 512", "one list", *titles)
    for ways in found:
        lists = (ways.batches, ways.listed)
        ranges = [ways.ranges.get(length) for length in (1, *lengths)]
        values = (ways.one, *lists, ways.dirty_one, *ranges)
        each = ("-" if value is None else f"{value / ways.npages:.3g}" for value in values)
        taken.add_row(NAMES[ways.kind], *each)
        speedups = [times(ways.one, value) for value in lists]
        speedups += [times(ways.dirty_one, value) for value in ranges]
        ratios.add_row(NAMES[ways.kind], *speedups)
    return taken, ratios
