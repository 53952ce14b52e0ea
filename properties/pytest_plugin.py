# SPDX-License-Identifier: MIT

"""The pytest plugin: adds searches, saved traces, Hypothesis profiles and failure reports.

`headcount_pytest` loads this in sessions that use headcount.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.errors import InvalidArgument

from model.errors import BadInput
from model.program import Program
from properties import candidates, layouts
from properties.judging.finding import Diverged, Finding
from properties.pytest_extent import ExtentReport
from properties.pytest_items import Searches, TraceFile
from properties.reports.failure import Failure
from properties.reports.store import Store
from properties.reports.visible import visible
from properties.search import Search, Tally
from properties.shrink import failure_of

#: Hypothesis profiles: how many programs the search machine draws, and how.
PROFILES = MappingProxyType(
    {
        "dev": settings(max_examples=100, deadline=None),
        "ci": settings(
            max_examples=200, deadline=None, derandomize=True, print_blob=True, database=None
        ),
        "nightly": settings(max_examples=20_000, deadline=None, print_blob=True),
    }
)

#: The key under which a worker of pytest-xdist gets the controller's value of `_whole`.
WHOLE = "headcount_whole"

#: The property of a test that names what it kept though it is only dearer.
DEARER = "headcount_dearer"

#: A text that Hypothesis's statistics repeat for each rule; it lists all rules.
RULES = re.compile(r"sampled_from\(\[Rule\(.*\]\)\.filter\(.*?_rule_is_enabled\)")


class Active:
    """The plugin in a session that uses headcount: it knows the candidate.

    :param config: Its options and settings name candidate, semantics, layouts and cost.
    :ivar search: The input of the searches, made from *config*.
    :raises pytest.UsageError: if the candidate, or an option for it, cannot be used.
    """

    def __init__(self, config: pytest.Config) -> None:
        text = _option(config, "candidate") or config.getini("headcount_candidate")
        text = text or candidates.CANDIDATE
        files = [Path(name) for name in _option(config, "layout") or []]
        try:
            self._spec = candidates.load(text, _option(config, "cost") or candidates.COSTS[0])
            version = candidates.counting_as(self._spec, _option(config, "semantics"))
            captured = layouts.load(files) if files else layouts.shipped()
        except BadInput as err:
            raise pytest.UsageError(visible(str(err))) from None
        if self._spec.tested:
            fails = _option(config, "untested") != "report"
            report = ExtentReport(self._spec.tested, fails=fails)
            config.pluginmanager.register(report, "headcount-extent")
        self._store = Store(self._spec.safe, (f"found by pytest, candidate {text}",))
        self._keeper = _Keeper(self._store)
        self._profile = _profile(config)
        self._failures: dict[str, Failure] = {}
        self.search = Search(
            self._spec.safe,
            version,
            captured,
            captured_only=bool(files),
            strict=_option(config, "cost") != "report",
            watcher=self._keeper,
        )

    def trace(self, path: Path, parent: pytest.Collector) -> pytest.Collector:
        """A collector of one test, the replay of the saved trace at *path*."""
        return TraceFile.from_parent(parent, path=path, search=self.search)

    def _failure(self, error: Diverged) -> Failure:
        """The report on *error*; each signature is reduced once."""
        name = error.finding.signature
        if name not in self._failures:
            found = failure_of(error.program, error.finding, self._spec, self._store)
            self._failures[name] = found
        return self._failures[name]

    def pytest_report_header(self) -> list[str]:
        """The candidate and its semantics, and what a sketch overrides, for pytest's header."""
        version = self.search.semantics.version
        named = f"headcount: candidate {self._spec.text}, semantics {version}"
        about = [f"headcount: {self._spec.about}"] if self._spec.about else []
        return [*map(visible, [named, *about])]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the value of `_whole` to a worker of pytest-xdist."""
        node.workerinput[WHOLE] = _whole(node.config)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Put the searches before the other tests that pytest collects."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed and searching(collector.config):
            found = Searches.from_parent(
                collector, spec=self._spec, search=self.search, profile=self._profile
            )
            report.result = [found, *report.result]
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report the reduced counterexample instead of Hypothesis's text."""
        statistics = getattr(item, "hypothesis_statistics", None)
        if statistics:
            item.hypothesis_statistics = RULES.sub("the rules", statistics)  # type: ignore[attr-defined]
        # pytest-xdist takes these from its workers, too.
        item.user_properties += [(DEARER, told) for told in self._keeper.cost]
        self._keeper.cost.clear()
        report = yield
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, Diverged) and not report.passed:
            failure = self._failure(error)
            notes = getattr(error, "__notes__", ())
            blob = [note.strip() for note in notes if "reproduce_failure" in note]
            report.longrepr = Told([*failure.lines(), *blob])  # type: ignore[assignment]
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what a search kept although it passed: what is right but dearer."""
        passed = terminalreporter.stats.get("passed", ())
        kept = {told for one in passed for key, told in one.user_properties if key == DEARER}
        if kept:
            terminalreporter.section("headcount: agreed but dearer")
        for told in sorted(kept):
            terminalreporter.write_line(told)


class _Keeper(Tally):
    """Stores each failing program as soon as a search finds it.

    :ivar cost: A line for each that is only dearer.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self.cost: list[str] = []

    def found(self, program: Program, finding: Finding) -> None:
        self.failure = (program, finding)
        path = self._store.keep(program, finding)
        if finding.oracle == "cost":
            self.cost.append(f"saved    {self._store.trouble or path}: {finding.summary}")


class Told:
    """A failure as pytest prints it: the whole report, and its first line in the summary."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.reprcrash = SimpleNamespace(message=lines[0])

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, writer: Any) -> None:
        """Write the report to *writer*."""
        for number, line in enumerate(self._lines):
            writer.line(line, red=number == 0, bold=number == 0)


def searching(config: pytest.Config) -> bool:
    """Whether this session searches: if ``--candidate`` is given, or `_whole` holds.

    A session that names only single tests does not search, even with ``--candidate``.
    """
    if config.args and all("::" in arg for arg in config.args):
        return False
    return bool(_option(config, "candidate")) or _whole(config)


def _whole(config: pytest.Config) -> bool:
    """Whether ``headcount_candidate`` is set and the user names no files or folders."""
    # pytest-xdist gives every worker file names; only the controller knows if the user named any.
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return bool(config.getini("headcount_candidate")) and workerinput.get(WHOLE, not named)


def _option(config: pytest.Config, name: str) -> Any:
    return config.getoption(f"headcount_{name}", None)


def _profile(config: pytest.Config) -> settings:
    """The settings that ``--hypothesis-profile`` names; by default `usual_profile`.

    Registers `PROFILES` with Hypothesis, except names that the project has registered.
    """
    for name, profile in PROFILES.items():
        try:
            settings.get_profile(name)
        except InvalidArgument:
            settings.register_profile(name, profile)
    named = config.getoption("--hypothesis-profile", None)
    if not named:
        return PROFILES[usual_profile()]
    try:
        return PROFILES.get(named) or settings.get_profile(named)
    except InvalidArgument as err:
        raise pytest.UsageError(str(err)) from None


def usual_profile() -> str:
    """The name of the default profile: ``ci`` if $CI is set, else ``dev``."""
    return "ci" if os.environ.get("CI") else "dev"
