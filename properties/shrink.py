# SPDX-License-Identifier: MIT

"""Reduces a failing program, and proves it the smallest, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.candidate import Candidate
from model.program import Program
from properties.apart import apart
from properties.candidates import Spec
from properties.judging.finding import Finding
from properties.processes.crew import Tell
from properties.reduce import MAX_WAITS_FOR_REPORT, Reduced, reduce
from properties.reduce.smallest import MAX_TRIES_FOR_REPORT, smallest
from properties.reports.failure import Failure
from properties.reports.store import Store

Make = Callable[[], Candidate]


def reduced(
    program: Program,
    finding: Finding,
    spec: Spec,
    better: Callable[[Program, Finding], object],
    interrupted: Callable[[], bool] = bool,
    waits: int = MAX_WAITS_FOR_REPORT,
) -> Reduced:
    """*program*, which fails with *finding*, reduced.

    :param better: Called in this process with each smaller failing program.
    :param waits: Maximum number of executions that are waited for in vain.
    :raises Interrupted: if *interrupted* becomes true.
    """
    best = (program, finding)

    def task(make: Make, tell: Tell) -> Reduced:
        return reduce(*best, make, lambda *found: tell(found), waits=waits)

    def hears(found: Any) -> None:
        nonlocal best
        best = found
        better(*found)

    return apart(task, spec, hears, interrupted, finding)


def proved(
    result: Reduced,
    spec: Spec,
    better: Callable[[Program, Finding], object],
    most: int = MAX_TRIES_FOR_REPORT,
    progress: Callable[[int], object] = lambda _tried: None,
    interrupted: Callable[[], bool] = bool,
) -> Reduced:
    """*result* with a proof that it is the smallest, or a smaller one; see `smallest`.

    :raises Interrupted: if *interrupted* becomes true.
    """

    def task(make: Make, tell: Tell) -> Reduced:
        def told(tried: int) -> None:
            tell(tried)

        return smallest(result, make, lambda *found: tell(found), most, told)

    def hears(news: Any) -> None:
        if isinstance(news, int):
            progress(news)
        else:
            better(*news)

    return apart(task, spec, hears, interrupted, result.finding)


def failure_of(
    program: Program,
    finding: Finding,
    spec: Spec,
    store: Store | None = None,
    *,
    prove: int = MAX_TRIES_FOR_REPORT,
    progress: Callable[[int], object] = lambda _tried: None,
    interrupted: Callable[[], bool] = bool,
) -> Failure:
    """The report on *program*, which fails with *finding*, reduced and proved smallest.

    :param store: Keeps the reduced program; if None, the report names no file.
    :param prove: Maximum number of smaller programs to try, to prove the result smallest.
    :param progress: Called now and then with the number of programs tried.
    :raises Interrupted: if *interrupted* becomes true.
    """
    keep = store.keep if store else lambda _program, _finding: None
    result = reduced(program, finding, spec, keep, interrupted)
    result = proved(result, spec, keep, prove, progress, interrupted)
    return failure(result, spec, store)


def failure(result: Reduced, spec: Spec, store: Store | None, text: str | None = None) -> Failure:
    """The report on *result*, which *store* keeps.

    :param text: How small it is, in place of what the result says.
    """
    found = Failure(result.program, result.finding, result.text() if text is None else text)
    if store is None:
        return found
    path = store.keep(result.program, result.finding)
    return found.kept(path, spec.text, store.trouble)
