# SPDX-License-Identifier: MIT

"""The candidate under test: what CI runs, and what ``pytest --candidate`` is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings

from model.parse import read_program
from properties.judge import judge
from properties.machine import Machine
from properties.report import Failure


TRACES = sorted((Path(__file__).parent / "traces").glob("*.trace"))


class Candidate(Machine):
    """The machine on whatever the options name."""


TestMachine = Candidate.TestCase
# The report is ours (see the root conftest.py), so Hypothesis prints nothing.
TestMachine.settings = settings(
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


@pytest.fixture(autouse=True, scope="module")
def _under_test(search):
    Candidate.search = search


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_saved_trace(path, search):
    """What a saved trace once broke holds on this candidate."""
    program = read_program(path)
    verdict = judge(program, search.candidate())
    if verdict.kind in {"inapplicable", "unjudged"}:
        pytest.skip(verdict.inapplicable or verdict.unjudged)
    failed = verdict.finding or (verdict.dearer if search.strict else None)
    if failed:
        pytest.fail("\n".join(Failure(program, failed, saved=str(path)).lines()), pytrace=False)
