# SPDX-License-Identifier: MIT

"""``headcount replay``, ``reduce`` and ``show``: commands on saved traces."""

from collections.abc import Sequence
from pathlib import Path

import click
from attrs import evolve

from model.errors import BadInput, about
from model.parse import read_program
from model.semantics import SEMANTICS, Semantics, semantics
from properties import candidates
from properties.cli import options
from properties.cli.console import FINDING, NOT_TESTED, Bar, console, put, reported
from properties.cli.options import PATH
from properties.cli.told import tell
from properties.judging.judge import Verdict, judge
from properties.judging.replay import replayed
from properties.processes.interrupts import Interrupts
from properties.reduce import MAX_WAITS
from properties.reduce.smallest import MAX_TRIES
from properties.reports.failure import Failure
from properties.reports.replays import summary
from properties.reports.show import shown_steps
from properties.reports.store import Store
from properties.reports.under_test import about_lines, extent
from properties.search import forget
from properties.shrink import reduced
from properties.start import INTERRUPTED


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@options.candidate
@click.option(
    "--semantics",
    "version",
    help="Judge by the rules of this kernel version, or 'all' versions."
    " Default: the trace's if the candidate follows it, else the candidate's.",
)
@options.cost
@options.json
@reported
def replay(
    files: tuple[Path, ...], candidate: str, version: str | None, cost: str, as_json: bool
) -> int:
    """Judge saved traces again."""
    spec = candidates.load(candidate, cost)
    versions: Sequence[Semantics] = [candidates.counting_as(spec, None)]
    if version:
        versions = [*SEMANTICS.values()] if version == "all" else [semantics(version)]
    console.lines(() if as_json else about_lines(spec), "")
    programs = [(path, read_program(path)) for path in files]
    status = 0
    results = []
    verdicts = []
    for path, original in programs:
        for row in versions:
            with about(path):
                done = replayed(original, spec.safe(), row, ordered=bool(version))
            verdict = done.verdict
            verdicts.append(verdict)
            failed = verdict.kind == "diverges" or (verdict.kind == "dearer" and cost != "report")
            status = max(status, FINDING if failed else 0)
            results.append(
                {
                    "file": str(path),
                    "semantics": done.program.semantics.version,
                    "trace_semantics": original.semantics.version,
                    "verdict": verdict.kind,
                    "detail": _detail(verdict),
                }
            )
            if as_json:
                continue
            style = "bold red" if failed else "bold green" if verdict.kind == "agrees" else "yellow"
            console.print(f"{path}  semantics {done.version}")
            console.print(f"  {_said(verdict)}", style=style)
            if verdict.worst and len(versions) == 1:
                for line in Failure(done.program, verdict.worst).lines():
                    console.print(f"  {line}".rstrip())
    ran = extent(spec)
    nothing = all(verdict.inapplicable for verdict in verdicts)
    if as_json:
        judged = sum(not one.inapplicable for one in verdicts)
        said = {"results": results, "judged": judged, "lack": ran.lack}
        console.json(said | ({"under_test": ran.json()} if ran.under else {}))
        return status or (NOT_TESTED if ran.lack or nothing else 0)
    if len(verdicts) > 1:
        console.lines(summary(verdicts), "")
    if ran.changed is not None or ran.unheard:
        console.lines(ran.lines(), "")
    return status or (NOT_TESTED if ran.lack or nothing else 0)


def _said(verdict: Verdict) -> str:
    detail = _detail(verdict)
    return {
        "diverges": f"still diverges: {detail}",
        "agrees": f"agrees now, {detail}",
        "odd": f"known oddity, expected until fixed upstream: {detail}",
        "dearer": f"agrees but dearer: {detail}",
        "inapplicable": f"no longer applies: {detail}",
        "misuse": f"misuse: {detail}",
    }[verdict.kind]


def _detail(verdict: Verdict) -> str:
    if verdict.oddity:
        return f"{verdict.oddity.name}: {verdict.oddity.story}"
    if verdict.worst:
        return verdict.worst.summary
    steps = f"{verdict.steps} step{'' if verdict.steps == 1 else 's'}"
    if verdict.alone:
        steps += ", checked only by the ledger: too many pages for the reference"
    return verdict.inapplicable or verdict.harm or steps


@click.command()
@click.argument("file", type=PATH)
@options.candidate
@click.option("-o", "--output", type=PATH, help="File to write; default: one in .headcount/.")
@options.prove(MAX_TRIES)
@options.cost
@reported
def reduce(file: Path, candidate: str, output: Path | None, prove: int, cost: str) -> int:
    """Reduce a failing trace to the smallest that fails in the same way."""
    spec = candidates.load(candidate, cost)
    program = read_program(file)
    with about(file):
        verdict = judge(program, spec.safe())
    if verdict.worst is None:
        raise BadInput(f"nothing to reduce: {_said(verdict)}", file=str(file))
    store = None if output else Store(spec.safe, (f"reduced from {file.name}",))

    def kept(failure: Failure) -> Failure:
        if output is not None:
            put(output, evolve(failure.program, comments=program.comments).text())
            return failure.kept(output, candidate)
        return failure

    with Interrupts() as interrupted:
        with Bar("reduce", 0) as bar:
            bar.note("reducing")
            keep = store.keep if store else forget
            result = reduced(program, verdict.worst, spec, keep, interrupted, MAX_WAITS)
        before = program.size()
        failure = tell(result, spec, store, kept, prove=prove, interrupted=interrupted)
        after = failure.program.size()
        console.print(
            f"from     {before.steps} steps to {after.steps}, "
            f"{before.pages_named} pages named to {after.pages_named}"
        )
        if interrupted():
            return INTERRUPTED
    return 0 if verdict.kind == "dearer" and cost == "report" else FINDING


@click.command()
@click.argument("file", type=PATH)
@options.candidate
@reported
def show(file: Path, candidate: str) -> int:
    """Draw the page map at each step of a trace."""
    spec = candidates.load(candidate)
    program = read_program(file)
    with about(file):
        lines = list(shown_steps(program, spec.safe()))
    for line in lines:
        console.print(line)
    return 0
