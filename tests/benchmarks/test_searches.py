# SPDX-License-Identifier: MIT

"""Steps a second of each search, the same oracles after each step; all do as many steps.

The times of a row are for `STEPS` steps on the optimised model, so that they
compare as they stand:

    pytest tests/benchmarks/test_searches.py --benchmark-enable --benchmark-only
"""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties import layouts
from properties.search import Search, Watcher
from properties.searches import registry

STEPS = 20_000

STEPS_UNMEASURED = 500

#: Maximum number of steps that the last round takes beyond what was asked for.
MAX_STEPS_BEYOND = 4_000


class Counter(Watcher):
    """Counts steps up to *enough*."""

    def __init__(self, enough):
        self.steps = 0
        self.maximum = enough
        self.programs = 0
        self.failures = []

    def step(self, run, reached):
        """One more."""
        self.steps += 1

    def ended(self, run):
        """A program was right to its end."""
        self.programs += 1

    def found(self, program, finding):
        """There is nothing to be found."""
        self.failures.append(finding)

    def enough(self):
        """Whether it is time to stop."""
        return self.steps >= self.maximum


def search(name, steps):
    """What the search *name* does in at least *steps* steps."""
    counter = Counter(steps)
    watched = Search(Optimised, captured=layouts.shipped(), watcher=counter)
    number = 0
    while not counter.enough():
        registry.load(name)(watched, number)
        number += 1
    return counter


@pytest.mark.benchmark(group="searches")
@pytest.mark.parametrize("name", ["machine", "soak", "laws", "tests.benchmarks.plain:plain"])
def test_search(benchmark, name):
    """Each search makes its steps, and finds nothing in what is right."""
    steps = STEPS if benchmark.enabled else STEPS_UNMEASURED
    counter = benchmark.pedantic(search, (name, steps), rounds=5 if benchmark.enabled else 1)
    benchmark.extra_info["steps"] = counter.steps

    assert counter.steps < steps + MAX_STEPS_BEYOND
    assert 0 < counter.programs
    assert [] == counter.failures
