# SPDX-License-Identifier: MIT

"""The command ``headcount``. Only this module prints.

Exit status: 0 agreed, 1 finding, 2 bad input or use.
"""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
from attrs import evolve
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from model.capture import capture_machine, capture_process
from model.errors import BadInput
from model.parse import read_program
from model.semantics import DEFAULT, SEMANTICS, semantics
from properties import candidates, layouts
from properties.judge import judge
from properties.machine import Search
from properties.reduce import forget
from properties.reduce import reduce as reduce_program
from properties.report import Failure
from properties.show import shown_steps
from properties.situations import SITUATIONS
from properties.store import DIRECTORY, Store, write
from properties.verify import verify as run_verify


if TYPE_CHECKING:
    from collections.abc import Callable

    from properties.judge import Verdict
    from properties.verify import Coverage, Outcome

FINDING = 1
BAD_INPUT = 2

#: Plain where it is no terminal, and never wrapped: lines are cut for 100 columns.
console = Console(highlight=False, soft_wrap=True)


class Seed(click.ParamType):  # type: ignore[type-arg]
    """A whole number that is not negative."""

    name = "seed"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number that *value* says."""
        try:
            number = int(value)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 64:
            self.fail(f"{value!r} is no number from 0 to 2^64-1", param, ctx)
        return number


def _reported(command: Callable[..., int]) -> Callable[..., None]:
    """Exit with what *command* returns; bad input is one line and status 2."""

    @wraps(command)
    def run(**kwargs: Any) -> None:
        try:
            status = command(**kwargs)
        except BadInput as err:
            click.echo(f"headcount: {err}", err=True)
            status = BAD_INPUT
        except BrokenPipeError:
            status = 0
            sys.stderr.close()
        sys.exit(status)

    return run


_candidate = click.option(
    "--candidate",
    default="optimised",
    metavar="SPEC",
    help=f"What to put under test: {candidates.FORMS}.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
_cost = click.option(
    "--cost",
    type=click.Choice(["strict", "report"]),
    default="strict",
    help="Whether 'agreed but dearer' fails (exit 1), or is only reported (exit 0).",
)
_path = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headcount")
def main() -> None:
    """Tell whether an unpin path counts exactly as one page at a time would."""


@main.command()
@_candidate
@click.option("--semantics", "version", default=DEFAULT.version, help="Kernel version to follow.")
@click.option("--seconds", type=click.FloatRange(min=0), default=10.0, help="How long to search.")
@click.option("--examples", type=click.IntRange(min=1), help="Search this many programs instead.")
@click.option("--seed", type=Seed(), help="Repeat a search; drawn anew if left out.")
@click.option(
    "--layout",
    "layout_files",
    type=_path,
    multiple=True,
    help="Search on windows of this captured layout alone.",
)
@_cost
@_json
@_reported
def verify(
    candidate: str,
    version: str,
    seconds: float,
    examples: int | None,
    seed: int | None,
    layout_files: tuple[Path, ...],
    cost: str,
    as_json: bool,
) -> int:
    """Search random programs for one on which the candidate counts wrongly."""
    spec = candidates.load(candidate)
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    search = Search(
        spec.make,
        semantics(version),
        layouts.load(layout_files) if layout_files else layouts.kept(),
        captured_only=bool(layout_files),
    )
    base = ["headcount", "verify"]
    base += ["--candidate", candidate] if candidate != "optimised" else []
    base += ["--semantics", version] if version != DEFAULT.version else []
    base += [part for path in layout_files for part in ("--layout", str(path))]
    base += ["--cost", cost] if cost != "strict" else []
    base += ["--seed", str(seed)]
    store = Store(spec.make, (f"found by {shlex.join(base)}",))
    with _Bar(seconds, examples, quiet=as_json) as bar:
        outcome = run_verify(
            search, store, seed, examples=examples, seconds=seconds, progress=bar.update
        )
    command = shlex.join([*base, "--examples", str(outcome.examples)])
    failure = None
    if outcome.reduced:
        failure = _failure(outcome, store, candidate)
    if as_json:
        _print_json(outcome, failure, seed, command)
    else:
        _print_outcome(outcome, failure, search, command)
    if outcome.reduced is None:
        return 0
    dearer = outcome.reduced.finding.oracle == "cost"
    return 0 if dearer and cost == "report" else FINDING


def _failure(outcome: Outcome, store: Store, candidate: str) -> Failure:
    reduced = outcome.reduced
    assert reduced is not None
    path = store.path(reduced.finding.signature) or DIRECTORY
    smallest = f"smallest found ({reduced.executions} programs tried in reducing it)"
    if not reduced.repeats:
        smallest = "it did not fail again: the candidate does not do the same thing twice"
    return Failure(
        reduced.program,
        reduced.finding,
        smallest,
        str(path),
        _replay_command(path, candidate),
    )


def _replay_command(path: Path, candidate: str) -> str:
    command = ["headcount", "replay", str(path)]
    command += ["--candidate", candidate] if candidate != "optimised" else []
    return shlex.join(command)


class _Bar:
    """The progress bar: steps, their rate, and situations. Nothing where no terminal is."""

    def __init__(self, seconds: float, examples: int | None, *, quiet: bool) -> None:
        self._examples = examples
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("verify", total=examples or seconds, state="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, coverage: Coverage) -> None:
        """Show what *coverage* says."""
        state = (
            f"{coverage.steps:,} steps, {_rate(coverage)} a second, "
            f"{len(coverage.situations)} of {len(SITUATIONS)} situations"
        )
        done = coverage.programs if self._examples else coverage.seconds
        self._progress.update(self._task, completed=done, state=state)


def _rate(coverage: Coverage) -> str:
    return f"{coverage.steps / max(coverage.seconds, 1e-6):,.0f}"


def _print_outcome(outcome: Outcome, failure: Failure | None, search: Search, command: str) -> None:
    coverage = outcome.coverage
    if failure:
        _print_failure(evolve(failure, found=command))
        return
    missed = [name for name in SITUATIONS if name not in coverage.situations]
    console.print(
        f"[bold green]agreed[/]   {coverage.programs:,} programs, {coverage.steps:,} steps in "
        f"{coverage.seconds:.1f} s ({_rate(coverage)} a second)"
    )
    where = f"semantics {search.semantics.version}, captured layouts"
    console.print(f"on       {where}{'' if search.captured_only else ' and random ones'}")
    reached = len(SITUATIONS) - len(missed)
    console.print(f"reached  {reached} of {len(SITUATIONS)} situations")
    for name in missed:
        console.print(f"         not reached: {name} ({SITUATIONS[name]})", markup=False)
    console.print(f"repeat   {command}", markup=False)


def _print_failure(failure: Failure) -> None:
    for number, line in enumerate(failure.lines()):
        console.print(line, style="bold red" if number == 0 else None, markup=False)


def _print_json(outcome: Outcome, failure: Failure | None, seed: int, command: str) -> None:
    coverage = outcome.coverage
    verdict = "agrees"
    if failure:
        verdict = "dearer" if failure.finding.oracle == "cost" else "diverges"
    result: dict[str, Any] = {
        "verdict": verdict,
        "programs": coverage.programs,
        "steps": coverage.steps,
        "seconds": round(coverage.seconds, 3),
        "seed": seed,
        "command": command,
        "situations": {name: coverage.situations.get(name, 0) for name in SITUATIONS},
        "rejected": dict(sorted(coverage.rejected.items())),
    }
    if failure:
        result["finding"] = _finding_json(failure)
    click.echo(json.dumps(result, indent=2))


def _finding_json(failure: Failure) -> dict[str, Any]:
    finding = failure.finding
    return {
        "signature": finding.signature,
        "oracle": finding.oracle,
        "step": finding.index + 1,
        "summary": finding.summary,
        "rows": [
            {name: getattr(row, name) for name in ("where", "order", "what", "expected", "shown")}
            for row in finding.rows
        ],
        "saved": failure.saved,
        "replay": failure.replay,
        "trace": failure.program.text(),
    }


@main.command()
@click.argument("files", nargs=-1, required=True, type=_path)
@_candidate
@click.option("--semantics", "version", help="Judge as this version counts, or 'all'.")
@_cost
@_json
@_reported
def replay(
    files: tuple[Path, ...], candidate: str, version: str | None, cost: str, as_json: bool
) -> int:
    """Judge saved traces again: still diverges, agrees now, or no longer applies."""
    spec = candidates.load(candidate)
    versions = list(SEMANTICS) if version == "all" else [version] if version else [None]
    for name in versions:
        if name:
            semantics(name)
    programs = [(path, read_program(path)) for path in files]
    status = 0
    results = []
    for path, original in programs:
        for name in versions:
            program = evolve(original, semantics=semantics(name)) if name else original
            try:
                verdict = judge(program, spec.make())
            except BadInput as err:
                raise err.at(file=str(path)) from None
            failed = verdict.kind == "diverges" or (verdict.kind == "dearer" and cost == "strict")
            status = max(status, FINDING if failed else 0)
            results.append(
                {
                    "file": str(path),
                    "semantics": program.semantics.version,
                    "verdict": verdict.kind,
                    "detail": _detail(verdict),
                }
            )
            if as_json:
                continue
            style = "bold red" if failed else "bold green" if verdict.kind == "agrees" else "yellow"
            console.print(f"{path}  semantics {program.semantics.version}", markup=False)
            console.print(f"  {_said(verdict)}", style=style, markup=False)
            if verdict.worst and len(versions) == 1:
                for line in Failure(program, verdict.worst).lines():
                    console.print(f"  {line}".rstrip(), markup=False)
    if as_json:
        click.echo(json.dumps(results, indent=2))
    return status


def _said(verdict: Verdict) -> str:
    detail = _detail(verdict)
    return {
        "diverges": f"still diverges: {detail}",
        "agrees": f"agrees now, {detail}",
        "dearer": f"agrees but dearer: {detail}",
        "inapplicable": f"no longer applies: {detail}",
        "unjudged": f"not judged, as it misuses the calls: {detail}",
    }[verdict.kind]


def _detail(verdict: Verdict) -> str:
    if verdict.worst:
        return verdict.worst.summary
    return verdict.inapplicable or verdict.unjudged or f"{verdict.steps} steps"


@main.command()
@click.argument("file", type=_path)
@_candidate
@click.option("-o", "--output", type=_path, help="Where to put it; into .headcount/ if left out.")
@_reported
def reduce(file: Path, candidate: str, output: Path | None) -> int:
    """Make a failing trace as small as it gets."""
    spec = candidates.load(candidate)
    program = read_program(file)
    try:
        verdict = judge(program, spec.make())
    except BadInput as err:
        raise err.at(file=str(file)) from None
    if verdict.worst is None:
        reason = f"nothing to reduce: {_said(verdict)}"
        raise BadInput(reason, file=str(file))
    store = Store(spec.make, (f"reduced from {file.name}",))
    better = store.keep if output is None else forget
    reduced = reduce_program(program, verdict.worst, spec.make, better)
    if output is not None:
        write(output, evolve(reduced.program, comments=program.comments).text())
    path = output or store.path(reduced.finding.signature) or DIRECTORY
    before, after = program.size(), reduced.program.size()
    _print_failure(
        Failure(
            reduced.program,
            reduced.finding,
            f"smallest found: {before[0]} steps to {after[0]}, {before[3]} pages named to "
            f"{after[3]}, in {reduced.executions} programs",
            str(path),
            _replay_command(path, candidate),
        )
    )
    return FINDING


@main.command()
@click.argument("file", type=_path)
@_candidate
@_reported
def show(file: Path, candidate: str) -> int:
    """Draw the page map, and what changed, after each step of a trace."""
    spec = candidates.load(candidate)
    program = read_program(file)
    try:
        for line in shown_steps(program, spec.make()):
            console.print(line, markup=False)
    except BadInput as err:
        raise err.at(file=str(file)) from None
    return 0


@main.command()
@click.option("-o", "--output", type=_path, help="Where to put the layout; printed if left out.")
@click.option("--pid", type=click.IntRange(min=1), help="The pages of one process alone.")
@click.option("--limit", type=click.IntRange(min=1), help="Keep at most this many mappings.")
@click.option("--when", default="", help="The date to note in it.")
@_reported
def capture(output: Path | None, pid: int | None, limit: int | None, when: str) -> int:
    """Read this machine's own page layout from /proc/kpageflags. Needs root."""
    when = when or "a day that was not noted"
    found = capture_process(pid, when) if pid else capture_machine(when, limit=limit)
    if output is None:
        click.echo(found.text(), nl=False)
        return 0
    write(output, found.text())
    pages = sum(m.npages for m in found.mappings)
    console.print(f"captured {len(found.mappings)} mappings, {pages:,} pages into {output}")
    console.print(f"search   headcount verify --layout {shlex.quote(str(output))}", markup=False)
    return 0
