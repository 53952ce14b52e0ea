# SPDX-License-Identifier: MIT

"""What of the candidate was under test, told at the end of a run of pytest that searched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from attrs import evolve

from model.under_test import UnderTest
from properties.candidates import Tested
from properties.reports.under_test import Extent
from properties.reports.visible import visible

#: The keys under which a worker of pytest-xdist hands over which lines ran, and the calls.
RAN = "headcount_ran"
CALLS = "headcount_calls"

#: How the tests of the searches are named.
SEARCHES = "headcount::"

#: What is said if all ran: of a kernel tree, and of a sketch.
WHOLE = ("all that was changed ran", "all that is overridden was called")


class ExtentReport:
    """Tells which changed lines ran, and how often what a sketch overrides was called.

    Fails the run if some never did.

    :param fails: Whether changed code that did not run makes a run fail that would pass.
    """

    def __init__(self, tested: Tested, *, fails: bool) -> None:
        self._tested = tested
        self._fails = fails
        self._searched = self._failed = False
        self._elsewhere: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        self._calls: Counter[str] | None = None
        self._extent = Extent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Listen to a search."""
        searches = item.nodeid.startswith(SEARCHES)
        with self._tested.listening(None) if searches else nullcontext():
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear that a search ran, in this process or in a worker, and whether it failed."""
        searched = report.when == "call" and report.nodeid.startswith(SEARCHES)
        self._searched |= searched
        self._failed |= searched and report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over which lines ran in a worker of pytest-xdist."""
        output = getattr(node, "workeroutput", {})
        for file, name, lines in output.get(RAN, ()):
            self._elsewhere[file, name].update(lines)
        self._take(output.get(CALLS))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Find out which changed lines ran."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            under = self._tested.under_test()
            output[RAN] = [
                (one.file, one.name, [line for line, count in one.lines.items() if count])
                for one in under.functions
            ]
            output[CALLS] = under.calls if under.calls is None else dict(under.calls)
        elif self._searched:
            under = self._merged(self._tested.under_test())
            self._extent = Extent(under, self._tested.changes(under))
            if self._fails and self._extent.lack and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _merged(self, under: UnderTest) -> UnderTest:
        functions = []
        for one in under.functions:
            more = self._elsewhere[one.file, one.name]
            lines = {line: count + (line in more) for line, count in one.lines.items()}
            functions.append(evolve(one, lines=lines))
        self._take(under.calls)
        return evolve(under, functions=functions, calls=self._calls)

    def _take(self, calls: Mapping[str, int] | None) -> None:
        if calls is not None:
            self._calls = self._calls or Counter()
            self._calls.update(calls)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what became of the changed lines, and what was called of a sketch."""
        extent = self._extent
        if extent.changed is None and (extent.under is None or extent.under.calls is None):
            return
        if extent.changed is None and self._failed:
            return  # a finding says more than what was called, and its process took that along
        said = extent.lack or WHOLE[extent.changed is None]
        terminalreporter.section(f"headcount: {said}", red=bool(extent.lack))
        for line in extent.lines():
            terminalreporter.write_line(visible(line))
