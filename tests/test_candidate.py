# SPDX-License-Identifier: MIT

"""The candidate under test: what CI runs, and what ``pytest --candidate`` is for."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import HealthCheck, Phase, Verbosity, settings

from model.parse import read_program
from properties.judging.finding import diverged
from properties.judging.judge import judge
from properties.reports.failure import Failure
from properties.search import SEED_STRIDE, Tally
from properties.searches.machine import Machine
from properties.searches.registry import load
from tests.helpers import TRACES


#: Rounds of the searches beside the machine, for each hundred of its programs.
ROUNDS = {"soak": 40, "wide": 10, "laws": 40}

EACH_TRACE = sorted(TRACES.glob("*.trace"))


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


@pytest.mark.parametrize("name", ROUNDS)
def test_search(name, search, request):
    """What long, wide and paired programs do agrees too."""
    drawn = request.config.getoption("--hypothesis-seed") or "0"
    seed = int(drawn) if drawn.isdecimal() else 0
    tally = Tally(search.watcher.found)
    listening = evolve(search, watcher=tally)
    for number in range(ROUNDS[name] * settings.default.max_examples // 100):
        load(name)(listening, seed * SEED_STRIDE + number)
        failed = tally.failure or (tally.dearer if search.strict else None)
        if failed:
            program, finding = failed
            raise diverged(finding.signature)(program, finding)


@pytest.mark.parametrize("path", EACH_TRACE, ids=lambda path: path.stem)
def test_saved_trace(path, search):
    """What a saved trace once broke holds on this candidate, as it counts."""
    program = read_program(path)
    candidate = search.candidate()
    if program.semantics.version not in candidate.abilities.semantics:
        program = evolve(program, semantics=search.semantics)
    verdict = judge(program, candidate)
    if verdict.kind in {"inapplicable", "unjudged"}:
        pytest.skip(verdict.inapplicable or verdict.unjudged)
    if verdict.oddity:
        pytest.xfail(f"{verdict.oddity.name}: {verdict.oddity.story}")
    failed = verdict.finding or (verdict.dearer if search.strict else None)
    if failed:
        pytest.fail("\n".join(Failure(program, failed, saved=str(path)).lines()), pytrace=False)
