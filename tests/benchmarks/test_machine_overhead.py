# SPDX-License-Identifier: MIT

"""What judging costs: the machine with its real rules, against a runner that does nothing.

Both machines draw the same programs, so the ledger, which steers the drawing,
works in both; reference, candidate, oracles and situations only in the first.
Calls name up to 64 pages. The rows of the table are the same number of steps:

    pytest tests/benchmarks/test_machine_overhead.py --benchmark-enable --benchmark-only
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from model.optimised import Optimised
from properties.judging.judge import Run
from properties.search import Search, Watcher
from properties.searches.machine import MAX_STEPS, Machine
from properties.strategies import lists, steps


class NoRun(Run):
    """Only keeps the books."""

    def step(self, step):
        """Enter *step* in the ledger, and nothing else."""
        self.ledger.take(step)
        self.steps.append(step)


class Counter(Watcher):
    """Counts steps."""

    def __init__(self):
        self.steps = 0

    def step(self, run, reached):
        """One more."""
        self.steps += 1


def explore(runner, examples):
    """The steps that *examples* programs took, from a fixed seed."""
    counter = Counter()
    attributes = {"search": Search(Optimised, watcher=counter), "runner": runner}
    machine = type("Bench", (Machine,), attributes)
    quiet = settings(
        max_examples=examples,
        stateful_step_count=MAX_STEPS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    run_state_machine_as_test(seed(2021)(machine), settings=quiet)
    return counter.steps


@pytest.mark.benchmark(group="machine")
@pytest.mark.parametrize("runner", [Run, NoRun], ids=["real rules", "no-op runner"])
def test_machine(benchmark, monkeypatch, runner):
    """Both machines take the very same steps."""
    monkeypatch.setattr(lists, "ONE_LONG_IN", 1 << 30)
    monkeypatch.setattr(steps, "BATCH", 1 << 40)
    programs = 60 if benchmark.enabled else 10
    taken = benchmark.pedantic(explore, (runner, programs), rounds=9, warmup_rounds=1)
    benchmark.extra_info["steps"] = taken
    assert explore(NoRun, programs) == taken
