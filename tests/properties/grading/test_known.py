# SPDX-License-Identifier: MIT

"""CI's part of the grading: each fault is still found within its recorded steps."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.optimised import Optimised
from model.parse import parse_program
from properties.faults import FAULTS
from properties.grading.grade import SHARES
from properties.grading.known import FILE, LEAST_BUDGET, Known, load, text
from properties.grading.trial import Found, Result, Trial, run
from properties.judging.judge import judge
from properties.search import Search, Watcher
from properties.searches.soak import soak
from properties.searches.wide import wide

KNOWN = load()
PLANTED = [name for name, fault in FAULTS.items() if not fault.equivalent]
RIGHT = [name for name, fault in FAULTS.items() if fault.equivalent]

#: Steps of soak up to which a fault is searched for in each run of the tests.
CHEAP = 30_000


@pytest.mark.parametrize("name", PLANTED)
def test_trace_shows_it(name):
    """The smallest trace known fails on the fault, and not on the optimised model."""
    program = parse_program(KNOWN[name].trace)
    found = judge(program, FAULTS[name].candidate()).worst

    assert found is not None
    assert KNOWN[name].sizes[found.signature] == program.size().counts
    assert min(KNOWN[name].sizes.values()) == program.size().counts
    assert "agrees" == judge(program, Optimised()).kind


def cost(name, search):
    """The steps within which *search* found the fault *name*, as steps of soak."""
    return KNOWN[name].budgets[search] * SHARES.get(search, 1)


def cheapest(name):
    """The search that found the fault *name* at the lowest cost."""
    return min(KNOWN[name].budgets, key=lambda search: cost(name, search))


def by_cost(name):
    """The fault *name* as a parameter."""
    dear = cost(name, cheapest(name)) > CHEAP
    marks = [pytest.mark.slow("takes more steps than CHEAP, or as long")] if dear else []
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [by_cost(name) for name in PLANTED])
def test_found_within_its_steps(name):
    """The cheapest search that found it when it was recorded does so within the same steps."""
    budgets = KNOWN[name].budgets
    search = cheapest(name)
    version = FAULTS[name].versions[-1]
    trial = Trial(
        search, FAULTS[name].spec, version, 0, budgets[search], levels=False, reduce=False
    )

    result = run(trial)

    assert result.found
    assert result.steps <= budgets[search]


class Alarms(Watcher):
    """Keeps what is reported."""

    def __init__(self):
        self.steps = 0
        self.findings = []

    def step(self, run, reached):
        self.steps += 1

    def ended(self, run):
        self.findings += [run.dearer] if run.dearer else []

    def found(self, program, finding):
        self.findings.append(finding)


@pytest.mark.parametrize(
    ("programs", "wides"),
    [(1, 0), pytest.param(8, 2, marks=pytest.mark.slow("four seconds for each variant"))],
)
@pytest.mark.parametrize("name", RIGHT)
def test_right_is_not_reported(name, programs, wides):
    """A variant that is right though different is right in every step."""
    alarms = Alarms()
    search = Search(FAULTS[name].candidate, strict=True, watcher=alarms)
    for number in range(programs):
        soak(search, 7_000 + number, 1_000)
    for number in range(wides):
        wide(search, 7_000 + number)

    assert [] == alarms.findings
    assert 1_000 * programs <= alarms.steps


def result(steps, *, size=(2, 1, 0, 2), trace="t\n", found=True):
    """What a trial of soak came to."""
    shown = Found("refcount-x", size, trace, steps, 1, 0.0, proved=True) if found else None
    return Result(Trial("soak", "x:Y", "5.13", 0, 100), 1, steps, 0.0, shown)


def test_learn():
    """The smallest trace is kept, and four times the steps that were needed at worst."""
    known = Known()
    known.learn([result(900, size=(2, 1, 0, 2), trace="bb\n"), result(2_000, size=(2, 2, 0, 2))])

    assert "bb\n" == known.trace
    assert {"refcount-x": (2, 1, 0, 2)} == known.sizes
    assert {"soak": 8_000} == known.budgets

    known.learn([result(10, trace="a\n"), result(10, size=(3, 1, 0, 2), trace="\n")])
    assert ("a\n", 8_000) == (known.trace, known.budgets["soak"])
    known.learn([result(3_000)])
    assert 12_000 == known.budgets["soak"]
    known.learn([evolve(result(10), trial=evolve(result(10).trial, search="wide"))])
    assert LEAST_BUDGET == known.budgets["wide"]


def test_no_budget_where_a_seed_missed():
    """A search that does not find a fault on every seed gets no budget for it."""
    known = Known()
    known.learn([result(10), result(100, found=False)])

    assert {} == known.budgets


def test_text_reads_back(tmp_path):
    """What is recorded reads back as the same text, one line for each fault."""
    path = tmp_path / "known.json"
    path.write_text(text(KNOWN))

    assert load(path) == KNOWN
    assert text(load(path)) == text(KNOWN) == FILE.read_text()
    assert len(KNOWN) + 2 == len(text(KNOWN).splitlines())
