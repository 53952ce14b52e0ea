# SPDX-License-Identifier: MIT

"""What pytest needs to put a candidate under test: options, profiles, the report."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from model.errors import BadInput
from properties import candidates, layouts
from properties.judging.finding import Diverged
from properties.reports.command_line import CANDIDATE
from properties.reports.store import Store
from properties.search import Search, Watcher
from properties.verify import failure_of


if TYPE_CHECKING:
    from collections.abc import Generator

    from model.program import Program
    from properties.judging.finding import Finding

settings.register_profile("dev", max_examples=100, deadline=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, print_blob=True, database=None
)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

SPEC = pytest.StashKey[candidates.Spec]()
SEARCH = pytest.StashKey[Search]()
STORE = pytest.StashKey[Store]()


class _Keeper(Watcher):
    """Keeps each failing program as soon as the machine finds it, or a smaller one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def found(self, program: Program, finding: Finding) -> None:
        self._store.keep(program, finding)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the command ``headcount`` has too."""
    group = parser.getgroup("headcount")
    group.addoption(
        "--candidate", default=CANDIDATE, help=f"what to put under test: {candidates.FORMS}"
    )
    group.addoption("--semantics", help="kernel version to follow; 5.13, or the candidate's own")
    group.addoption(
        "--layout", action="append", default=[], help="search on windows of this captured layout"
    )
    group.addoption(
        "--cost",
        choices=["strict", "report"],
        default="strict",
        help="whether 'agreed but dearer' fails",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the candidate, so that one that cannot be used ends the run in one line."""
    try:
        spec = candidates.load(config.getoption("--candidate"))
        version = candidates.counting_as(spec, config.getoption("--semantics"))
        files = [Path(name) for name in config.getoption("--layout")]
        captured = layouts.load(files) if files else layouts.shipped()
    except BadInput as err:
        raise pytest.UsageError(str(err)) from None
    store = Store(spec.make, (f"found by pytest, candidate {spec.text}",))
    config.stash[SPEC] = spec
    config.stash[STORE] = store
    config.stash[SEARCH] = Search(
        spec.make,
        version,
        captured,
        captured_only=bool(files),
        strict=config.getoption("--cost") == "strict",
        watcher=_Keeper(store),
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is under test."""
    search = config.stash[SEARCH]
    name = config.getoption("--candidate")
    return f"headcount: candidate {name}, semantics {search.semantics.version}"


@pytest.fixture(scope="session")
def search(request: pytest.FixtureRequest) -> Search:
    """What the options put under test, and where it is searched."""
    return request.config.stash[SEARCH]


class Told:
    """A counterexample as pytest prints it: whole where it failed, one line in the summary."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.reprcrash = SimpleNamespace(message=lines[0])

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, writer: Any) -> None:
        """Write it to the terminal."""
        for number, line in enumerate(self._lines):
            writer.line(line, red=number == 0, bold=number == 0)


#: Hypothesis's statistics print a rule with all that belongs to it, once for
#: every rule there is.
RULES = re.compile(r"sampled_from\(\[Rule\(.*\]\)\.filter\(.*?_rule_is_enabled\)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the counterexample, reduced, in the place of Hypothesis's listing."""
    statistics = getattr(item, "hypothesis_statistics", None)
    if statistics:
        item.hypothesis_statistics = RULES.sub("the rules", statistics)  # type: ignore[attr-defined]
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Diverged) and not report.passed:
        report.longrepr = _told(item.config, error)  # type: ignore[assignment]
    return report


def _told(config: pytest.Config, error: Diverged) -> Told:
    failure = failure_of(error.program, error.finding, config.stash[SPEC], config.stash[STORE])
    blob = [note.strip() for note in getattr(error, "__notes__", ()) if "reproduce_failure" in note]
    return Told([*failure.lines(), *blob])
