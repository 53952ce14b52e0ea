# SPDX-License-Identifier: MIT

from __future__ import annotations

from contextlib import nullcontext

from model.optimised import Optimised
from model.under_test import Changed, Fate, UnderTest
from properties.grading.known import SLACK, found_within, load
from properties.reports.store import Store
from properties.rounds import RARE
from properties.search import Search, Watcher
from properties.verify import LOOK_EVERY, verify


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
            search.watcher.step(type("Run", (), {"record": None})(), set())

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
    assert len(known) == found_within({"soak": 10**9, "wide": 10**9})[0], name
