# SPDX-License-Identifier: MIT

"""``headcount exhaustive``: judge every program of a scope."""

import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

import click
from attrs import evolve, frozen

from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program
from model.steps import STEPS
from properties import candidates
from properties.apart import apart
from properties.cli import options
from properties.cli.console import Bar, console, exit_status, finding_json, reported
from properties.cli.told import tell
from properties.enumeration.exhaustive import judge_scope, nodes, with_calls
from properties.enumeration.scope import CALLS, UNBOUNDED, Scope
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.processes.crew import Tell
from properties.processes.interrupts import Interrupts
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT
from properties.reports.failure import command
from properties.reports.labels import TEXT_WIDTH, labelled
from properties.reports.outcome import verdict_of
from properties.reports.store import Store
from properties.reports.under_test import about_lines, extent
from properties.search import Search, Tally
from properties.shrink import reduced


@frozen
class _Judged:
    """What judging a scope gave: the number of programs, and the first failure."""

    programs: int
    worst: tuple[Program, Finding] | None


class _Counter(Tally):
    """Tells the number of programs."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(lambda *found: tell(found))
        self._tell = tell

    def ended(self, run: Run) -> None:
        super().ended(run)
        if self.programs % 500 == 0:
            self._tell(self.programs)


def _judged(scope: Scope, make: Callable[[], Candidate], tell: Tell) -> _Judged:
    """Judge each program of *scope* on candidates that *make* makes."""
    counter = _Counter(tell)
    judge_scope(Search(make, scope.semantics, watcher=counter), scope)
    return _Judged(counter.programs, counter.worst)


@click.command()
@options.candidate
@options.semantics
@options.count("--steps", default=2, help="Maximum steps of a program.")
@options.count("--compound", default=2, help="Maximum number of compound pages; all are adjacent.")
@options.count("--order", least=0, most=6, default=2, help="Maximum order.")
@options.count("--listed", default=2, help="Maximum pages in a list, including repeats.")
@options.count(
    "--frames", show_default="no limit", help="Maximum pages of all compound pages together."
)
@click.option(
    "--call",
    "calls",
    multiple=True,
    type=click.Choice(sorted(STEPS)),
    metavar="CALL",
    help=f"A call to use; can be repeated. Default: {', '.join(CALLS)}.",
)
@options.prove(MAX_TRIES_FOR_REPORT)
@options.cost
@options.json
@reported
def exhaustive(
    candidate: str,
    version: str | None,
    steps: int,
    compound: int,
    order: int,
    listed: int,
    frames: int | None,
    calls: tuple[str, ...],
    prove: int,
    cost: str,
    as_json: bool,
) -> int:
    """Judge every program within these bounds, and print what that proves."""
    spec = candidates.load(candidate, cost)
    console.lines(() if as_json else about_lines(spec), "")
    scope = Scope(
        steps,
        compound,
        order,
        listed,
        frames or UNBOUNDED,
        calls=calls or CALLS,
        semantics=candidates.counting_as(spec, version),
    )
    scope = with_calls(scope, spec.make().abilities.calls)
    if not scope.calls:
        raise BadInput(f"{candidate} has none of the requested calls")
    total = sum(1 for _ in nodes(scope))
    if not total:
        reason = f"there is no program with {scope.text()}, of the calls {', '.join(scope.calls)}"
        raise BadInput(reason)
    words = ["--steps", str(steps), "--compound", str(compound), "--order", str(order)]
    words += ["--listed", str(listed)] + (["--frames", str(frames)] if frames else [])
    words += [part for call in calls for part in ("--call", call)]
    again = command("exhaustive", *words, candidate=candidate, version=version, cost=cost)
    store = Store(spec.safe, (f"found by {again}",))

    def hears(news: Any) -> None:
        if isinstance(news, int):
            bar.update(news, f"{news:,} of {total:,} programs")
        else:
            store.keep(*news)

    with Interrupts() as interrupted:
        with Bar("exhaustive", total, quiet=as_json) as bar:
            judged = apart(partial(_judged, scope), spec, hears, interrupted, listens=True)
        failure = None
        if judged.worst:
            failure = tell(
                reduced(*judged.worst, spec, store.keep, interrupted),
                spec,
                store,
                lambda failure: evolve(failure, found=again),
                prove=prove,
                quiet=as_json,
                interrupted=interrupted,
            )
    ran = extent(spec)
    if as_json:
        said: dict[str, Any] = {
            "verdict": verdict_of(failure, ran),
            "programs": judged.programs,
            "of": total,
            "scope": scope.text(),
            "repeat": again,
        }
        said |= {"under_test": ran.json()} if ran.under else {}
        if failure:
            said["finding"] = finding_json(failure)
        console.json(said)
    elif not failure:
        said_first = ran.lack or "agreed"
        style = "bold yellow" if ran.lack else "bold green"
        first = f"[{style}]{said_first:<8}[/] in every one of {total:,} programs, which proves"
        console.print(first, markup=True)
        sets = ", ".join(call for call in scope.calls if STEPS[call].unordered)
        proves = (
            f"no disagreement in any program with {scope.text()}, of the calls "
            f"{', '.join(scope.calls)}, with default values of other arguments; "
            + (f"lists of {sets} are sets of heads; " if sets else "")
            + "compound pages are adjacent in one driver mapping, up to the exchange of equal "
            f"ones; semantics {scope.semantics.version}"
        )
        console.lines(labelled("", textwrap.wrap(proves, TEXT_WIDTH)), "")
        console.lines(ran.lines(), "")
        console.print(f"repeat   {again}")
    return exit_status(failure, cost, ran)
