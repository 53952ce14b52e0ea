# SPDX-License-Identifier: MIT

"""What of the candidate was under test, told at the end of a run of pytest that searched."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from attrs import evolve

from model.under_test import UnderTest
from properties.candidates import Tested
from properties.reports.under_test import Extent

#: The key under which a worker of pytest-xdist hands over which lines ran.
RAN = "headcount_ran"


class ExtentReport:
    """Tells which changed lines ran, if any were changed; fails the run if some did not.

    :param fails: Whether changed code that did not run makes a run fail that would pass.
    """

    def __init__(self, tested: Tested, *, fails: bool) -> None:
        self._tested = tested
        self._fails = fails
        self._searched = False
        self._elsewhere: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        self._extent = Extent()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear that a search ran, in this process or in a worker."""
        self._searched |= report.when == "call" and report.nodeid.startswith("headcount::")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over which lines ran in a worker of pytest-xdist."""
        for file, name, lines in getattr(node, "workeroutput", {}).get(RAN, ()):
            self._elsewhere[file, name].update(lines)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Find out which changed lines ran."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[RAN] = [
                (one.file, one.name, [line for line, count in one.lines.items() if count])
                for one in self._tested.under_test().functions
            ]
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
        return evolve(under, functions=functions)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell what became of the changed lines."""
        extent = self._extent
        if extent.changed is None:
            return
        said = extent.lack or "all that was changed ran"
        terminalreporter.section(f"headcount: {said}", red=bool(extent.lack))
        for line in extent.lines():
            terminalreporter.write_line(line)
