# SPDX-License-Identifier: MIT

"""Steps a second of the searches on a compiled kernel; all do as many steps.

    pytest tests/benchmarks/test_kernel.py --benchmark-enable --benchmark-only

On Debian's 6.1, where it is there; else on the toy of tests/model/kernel.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from properties.candidates import counting_as, load
from properties.search import Search, Tally
from properties.searches import registry
from tests.helpers import TOY
from tests.model.kernel.source.needs import lacking

STEPS = 20_000

#: As many where nothing is measured.
STEPS_UNMEASURED = 500

KERNEL = Path("/usr/src/linux-source-6.1.tar.xz")


class Enough(Tally):
    """Counts steps, and has enough of so many."""

    def __init__(self, steps):
        super().__init__()
        self.most = steps

    def enough(self):
        """Whether it is time to stop."""
        return self.steps >= self.most


@pytest.fixture(scope="module")
def spec():
    """A kernel, compiled."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    return load(f"kernel-source:{KERNEL if KERNEL.is_file() else TOY}")


def search(spec, name, steps):
    """What the search *name* does in at least so many *steps*."""
    tally = Enough(steps)
    watched = Search(spec.make, counting_as(spec, None))
    number = 0
    while not tally.enough():
        registry.load(name)(evolve(watched, watcher=tally), number)
        number += 1
    return tally


@pytest.mark.benchmark(group="kernel")
@pytest.mark.parametrize("name", ["machine", "soak"])
def test_search(benchmark, spec, name):
    """Each search makes its steps, and finds nothing in what is right."""
    steps = STEPS if benchmark.enabled else STEPS_UNMEASURED
    tally = benchmark.pedantic(search, (spec, name, steps), rounds=5 if benchmark.enabled else 1)
    benchmark.extra_info["steps"] = tally.steps

    assert steps <= tally.steps
    assert tally.worst is None
