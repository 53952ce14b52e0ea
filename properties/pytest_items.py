# SPDX-License-Identifier: MIT

"""The tests that the pytest plugin adds: each search on the candidate, and each saved trace."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import Flaky

from model.candidate import Candidate, Unavailable
from model.errors import BadInput
from model.parse import read_program
from model.program import Program
from properties.apart import apart
from properties.candidates import Spec
from properties.judging.finding import Finding, diverged
from properties.judging.replay import replayed
from properties.processes.crew import Tell
from properties.reports.failure import Failure
from properties.reports.visible import visible
from properties.search import SEED_STRIDE, Search, Tally
from properties.searches.machine import machine, run_by_seed
from properties.searches.registry import load

#: Rounds of the other searches, for each hundred programs of the search machine.
ROUNDS = {"soak": 40, "wide": 10, "laws": 40, "orders": 10}


def quietly(profile: settings) -> settings:
    """*profile* without Hypothesis's shrinking and output: headcount reduces and reports."""
    return settings(
        profile,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )


def rounds(name: str, profile: settings) -> int:
    """The number of rounds of the search *name* in a session with *profile*."""
    return max(1, ROUNDS[name] * profile.max_examples // 100)


class Searches(pytest.Collector):
    """The searches on the candidate as tests: ``headcount::machine`` and so on."""

    def __init__(self, *, spec: Spec, search: Search, profile: settings, **kwargs: Any) -> None:
        super().__init__("headcount", nodeid="headcount", **kwargs)
        self.spec = spec
        self.search = search
        self.profile = profile

    def collect(self) -> Iterator[pytest.Item]:
        """The tests."""
        yield MachineItem.from_parent(self, name="machine")
        for name in ROUNDS:
            yield RoundsItem.from_parent(self, name=name)


class SearchItem(pytest.Item):
    """A search on the candidate. It raises `Diverged` if a program fails."""

    parent: Searches

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The location that pytest shows for the test."""
        return self.path, None, self.nodeid

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The failure as text: one line if this machine lacks what the candidate needs."""
        if isinstance(excinfo.value, Unavailable):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class MachineItem(SearchItem):
    """The search machine: a Hypothesis state machine."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        drawn = machine(self.parent.search)
        quiet = quietly(self.parent.profile)

        def run() -> None:
            run_by_seed(drawn, quiet)

        # Hypothesis's own plugin gathers statistics of tests with these attributes.
        run.is_hypothesis_test = True  # type: ignore[attr-defined]
        run._hypothesis_internal_use_settings = quiet  # type: ignore[attr-defined]  # noqa: SLF001
        self.obj = run

    def runtest(self) -> None:
        """Run the state machine."""
        try:
            self.obj()
        except Flaky:
            # What the candidate did once it did not do again; it failed, all the same.
            watcher = self.parent.search.watcher
            if not isinstance(watcher, Tally) or watcher.failure is None:
                raise
            program, finding = watcher.failure
            raise diverged(finding.signature)(program, finding) from None


class RoundsItem(SearchItem):
    """A search other than machine, for a number of rounds."""

    def runtest(self) -> None:
        """Run the rounds, in a process that the candidate may end."""
        spec, search = self.parent.spec, self.parent.search
        failed = apart(self._rounds, spec, lambda found: search.watcher.found(*found), listens=True)
        if failed:
            program, finding = failed
            raise diverged(finding.signature)(program, finding)

    def _rounds(self, make: Callable[[], Candidate], tell: Tell) -> tuple[Program, Finding] | None:
        """The program that failed in a round, with its finding; None if none did."""
        search = self.parent.search
        drawn = self.config.getoption("--hypothesis-seed", None) or "0"
        seed = int(drawn) if drawn.isdecimal() else 0
        tally = Tally(lambda *found: tell(found))
        listening = evolve(search, candidate=make, watcher=tally)
        for number in range(rounds(self.name, self.parent.profile)):
            load(self.name)(listening, seed * SEED_STRIDE + number)
            failed = tally.failure or (tally.dearer if search.strict else None)
            if failed:
                return failed
        return None


class TraceFile(pytest.File):
    """A saved trace, with one test, which replays the trace on the candidate."""

    def __init__(self, *, search: Search, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.search = search

    def collect(self) -> Iterator[pytest.Item]:
        """The test."""
        yield TraceItem.from_parent(self, name="replay")


class TraceItem(pytest.Item):
    """Replays a trace on the candidate, with the trace's semantics if the candidate has them."""

    parent: TraceFile

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The location that pytest shows for the test."""
        return self.path, 0, f"replay of {self.path.name}"

    def runtest(self) -> None:
        """Replay the trace.

        :raises BadInput: if the file is no trace, or the candidate cannot carry it out.
        """
        search = self.parent.search
        program = read_program(self.path)
        done = replayed(program, search.candidate(), search.semantics)
        program, verdict = done.program, done.verdict
        name = self.path.name
        if verdict.kind in {"inapplicable", "misuse"}:
            pytest.skip(visible(f"{name}: {verdict.inapplicable or verdict.harm}"))
        if verdict.oddity:
            pytest.xfail(f"{verdict.oddity.name}: {verdict.oddity.story}")
        failed = verdict.finding or (verdict.dearer if search.strict else None)
        if failed:
            saved = os.path.relpath(self.path)
            pytest.fail("\n".join(Failure(program, failed, saved=saved).lines()), pytrace=False)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The failure as text: one line if the trace is malformed or cannot be carried out."""
        if isinstance(excinfo.value, BadInput | Unavailable):
            return visible(str(excinfo.value))
        return super().repr_failure(excinfo, style)
