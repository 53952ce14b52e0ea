# SPDX-License-Identifier: MIT

from __future__ import annotations

import re
import time
from contextlib import nullcontext

import pytest
from attrs import evolve

from model.optimised import Optimised
from model.parse import parse_program
from model.under_test import Changed, Fate, UnderTest
from properties.candidates import load as load_spec
from properties.frontier import GENERATION
from properties.grading.known import SLACK, found_within, load
from properties.judging.judge import Run
from properties.judging.oddities import ODDITIES
from properties.judging.watchdog import STEP_SECONDS_AGAIN
from properties.reports.outcome import Outcome
from properties.reports.store import Store
from properties.reports.under_test import Extent
from properties.rounds import RARE
from properties.search import SEED_STRIDE, Search, Watcher
from properties.searches import registry
from properties.verify import LOOK_EVERY, Means, verify
from tests.helpers import MISBEHAVING, SKETCHES, TOY, run


class Told:
    """A candidate of which the function put was changed; its line runs with the round *runs*."""

    def __init__(self, runs):
        self.runs = runs
        self.looked = 0
        self.rounds = []

    def listening(self, number):
        self.rounds.append(number)
        return nullcontext()

    def heard(self):
        return None

    def hear(self, heard):
        pass

    def under_test(self):
        self.looked += 1
        return UnderTest()

    def changes(self, ran):
        fate = Fate.RAN if len(self.rounds) > self.runs else Fate.NEVER
        return [Changed("a.c", 1, "put", fate), Changed("a.c", 9, "other", Fate.RAN)]


def test_changed_functions_are_wanted(home):
    """Code of a changed function that has not run whole is rare, however often it ran."""
    rare = []
    told = Told(runs=LOOK_EVERY + 1)

    def searcher(search, number):
        for _ in range(RARE):
            search.watcher.ran(["put#1", "other#1"])
        rare.append([search.watcher.ran([name]) for name in ("put#1", "other#1")])

    search = Search(Optimised)
    verify([searcher], search, Store(Optimised), 1, rounds=4 * LOOK_EVERY, tested=told)

    assert [[True, False]] * 2 * LOOK_EVERY + [[False, False]] * 2 * LOOK_EVERY == rare
    assert 3 == told.looked
    assert [*range(4 * LOOK_EVERY)] == told.rounds


def test_rare_code(home):
    """Code is rare until a number of steps have run it."""
    found = []

    def searcher(search, number):
        found.extend(search.watcher.ran(["put#1"]) for _ in range(RARE + 2))
        found.append(search.watcher.ran(["put#1", "put#2"]))

    verify([searcher], Search(Optimised), Store(Optimised), 1, rounds=1)

    assert [True] * RARE + [False] * 2 + [True] == found
    assert not Watcher().ran(["put#1"])


def test_steps_of_each_search(home):
    """Steps are counted by search."""

    def searcher(search, number):
        for _ in range(number % 2 + 1):
            search.watcher.step(type("Run", (), {"record": None, "corrected": None})(), set())

    ended = verify([searcher, searcher], Search(Optimised), Store(Optimised), 0, rounds=5)
    coverage = ended.coverage

    assert {0: 3, 1: 4} == coverage.by_turn
    assert 7 == coverage.steps


def test_found_within():
    """A fault counts as found if a search may take no fewer steps than it took on any seed."""
    known = load()
    name, budget = max((one.budgets.get("soak", 0), name) for name, one in known.items())[::-1]
    soaked = sum("soak" in one.budgets for one in known.values())

    assert (0, len(known)) == found_within({})
    assert soaked == found_within({"soak": budget // SLACK})[0]
    assert soaked > found_within({"soak": budget // SLACK - 1})[0]
    every = dict.fromkeys(("soak", "wide", "orders"), 10**9)
    assert len(known) == found_within(every)[0], name


def printed(jobs, *words):
    """What is printed with *jobs* processes, without times."""
    result = run("verify", "--jobs", jobs, *words)
    lines = [re.sub(r" in [\d.]+ s .*", "", line) for line in result.stdout.splitlines()]
    # Other failures of later rounds are told too, if they were found in time.
    return result.exit_code, [line for line in lines if ".headcount/" not in line]


@pytest.mark.parametrize(
    "words",
    [
        ("--search", "soak", "--rounds", "12"),
        ("--candidate", f"{SKETCHES}:NoTailOffset", "--rounds", "9"),
        ("--candidate", f"{SKETCHES}:PageByPage", "--rounds", "9", "--search", "soak"),
        ("--candidate", f"kernel-source:{TOY}", "--rounds", "40", "--search", "soak"),
    ],
    ids=["agrees", "fails", "dearer", "kernel"],
)
def test_any_number_of_jobs(home, words):
    """The same seed and rounds give the same, whatever the number of processes."""
    words = (*words, "--seed", "3")

    assert printed(1, *words) == printed(3, *words)


def test_first_round_counts(home):
    """The failure is that of the first round that has one, though a later one is found before."""
    program = parse_program(
        '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\nmap(a[0:1])\n'
    )

    def searcher(search, number):
        if number % SEED_STRIDE == 0:
            time.sleep(1)
        run = Run(search.candidate(), program.mappings, program.semantics)
        run.step(program.steps[0])
        what = "early" if number % SEED_STRIDE == 0 else "late"
        search.watcher.found(run.so_far, run.record.finding("invariants", what, what))

    means = Means(jobs=2)
    ended = verify([searcher], Search(Optimised), Store(Optimised), 0, rounds=6, means=means)

    assert "early" == ended.reduced.finding.what
    assert 1 == ended.coverage.rounds
    assert ["late-map.trace"] == [path.name for path in ended.also]


def test_later_rounds_end_when_one_has_failed(home):
    """Nothing of a later round counts, and it may never end: it takes no time from reducing."""
    program = parse_program(
        '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\nmap(a[0:1])\n'
    )
    late = home / "late"

    class Slow(Optimised):
        def execute(self, program):
            time.sleep(1)
            yield from super().execute(program)

    def searcher(search, number):
        if number % SEED_STRIDE:
            time.sleep(0.5)
            late.touch()
        else:
            run = Run(Optimised(), program.mappings, program.semantics)
            run.step(program.steps[0])
            search.watcher.found(run.so_far, run.record.finding("invariants", "early", "early"))

    ended = verify([searcher], Search(Slow), Store(Slow), 0, rounds=6, means=Means(jobs=2))

    assert "early" == ended.reduced.finding.what
    assert not late.exists()


def test_store_waits_less(home):
    """Once a step is known not to end, the store waits less long for what it runs again."""
    spec = load_spec(f"{MISBEHAVING}:SleepsForever")
    searchers = [registry.load("soak")]
    means = Means(2, spec.container, spec.memory)
    ended = verify(searchers, Search(spec.make), Store(spec.safe), 1, seconds=4, means=means)

    assert "no_progress" == ended.reduced.finding.what
    assert STEP_SECONDS_AGAIN == spec.container._limit


def test_guidance_does_not_depend_on_jobs(home):
    """What guides a round is what rounds before a fixed one met, though later ones have ended."""
    seen = {}

    def searcher(search, number):
        search.watcher.ran(["put#1"])
        seen[number % SEED_STRIDE] = dict(search.watcher._guidance.met)

    verify([searcher], Search(Optimised), Store(Optimised), 0, rounds=3 * GENERATION)
    met = [seen[number].get("put#1", 0) for number in range(3 * GENERATION)]

    assert [0] * 2 * GENERATION + [GENERATION] * GENERATION == met


def test_process_that_ends(home):
    """A round that ends its process is repeated with a contained candidate, and found."""
    result = run("verify", "--candidate", f"{MISBEHAVING}:EndsProcess", "--seed", 1, "--jobs", 2)

    assert 1 == result.exit_code
    assert "\nCRASHED at step " in result.stdout
    assert "ended its process, which exited with status 0" in " ".join(result.stdout.split())


def test_cut_rounds_are_told(home):
    """What the end cuts short is not counted, but told."""

    def searcher(search, number):
        for _ in range(10):
            search.watcher.step(type("Run", (), {"record": None, "corrected": None})(), set())
        while number % SEED_STRIDE == 1:
            time.sleep(0.05)
            search.watcher.step(type("Run", (), {"record": None, "corrected": None})(), set())

    means = Means(jobs=1)
    ended = verify([searcher], Search(Optimised), Store(Optimised), 0, seconds=2, means=means)

    assert 1 == ended.coverage.rounds
    assert 10 == ended.coverage.steps
    assert 10 < ended.cut


def test_corrected_steps_are_told(home):
    """Steps that show a known oddity of a statistic are counted, and told with its story."""

    def searcher(search, number):
        for oddity in (None, ODDITIES["uncounted-pin"]):
            search.watcher.step(type("Run", (), {"record": None, "corrected": oddity})(), set())

    means = Means(jobs=1)
    ended = verify([searcher], Search(Optimised), Store(Optimised), 0, rounds=3, means=means)
    outcome = Outcome(Search(Optimised), ended, None, Extent(), 0, "", (0, 0))
    told = [line for line in outcome.lines(uncovered=False) if line.startswith("known ")]

    assert ["known    3 steps compared but for the known oddity uncounted-pin:"] == told
    assert {"uncounted-pin": 3} == outcome.json()["corrected"]


def cut(ended):
    """The line that says what the end cut short."""
    outcome = Outcome(Search(Optimised), ended, None, Extent(), 0, "", (0, 0))
    return [line for line in outcome.lines(uncovered=False) if line.startswith("cut ")]


def test_no_round_has_ended(home):
    """If no round has ended, what was cut short is all that was counted, and no more."""

    def searcher(search, number):
        while True:
            time.sleep(0.05)
            search.watcher.step(type("Run", (), {"record": None, "corrected": None})(), set())

    means = Means(jobs=1)
    begun = verify([searcher], Search(Optimised), Store(Optimised), 0, seconds=1, means=means)

    assert begun.cut == begun.coverage.steps
    assert ["cut      all these steps, in rounds that the end cut short"] == cut(begun)
    assert ["cut      7 more steps, in rounds that the end cut short"] == cut(
        evolve(begun, begun=False, cut=7)
    )


def test_some_step_is_executed(home, monkeypatch):
    """The time is over only when something has run: starting processes may take longer."""
    monkeypatch.setattr("properties.verify.LAST_WORDS", 0.01)

    def searcher(search, _number):
        time.sleep(0.3)
        search.watcher.step(type("Run", (), {"record": None, "corrected": None})(), set())

    means = Means(jobs=1)
    ended = verify([searcher], Search(Optimised), Store(Optimised), 0, seconds=0.01, means=means)

    assert ended.coverage.steps
