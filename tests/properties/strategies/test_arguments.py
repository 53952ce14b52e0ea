# SPDX-License-Identifier: MIT

"""Every argument that a step can have is drawn, with its default and with another value."""

from __future__ import annotations

import pytest
from attrs import NOTHING

from model.optimised import Optimised
from model.semantics import SEMANTICS
from model.step import shown
from model.steps import STEPS
from properties.search import Search
from properties.searches.soak import soak
from tests.helpers import Listener

#: (call, argument) of each argument that a step of its call can have in the latest version.
ARGUMENTS = {
    (call, a.name)
    for call, cls in STEPS.items()
    for a in shown(cls)
    # A range call takes any number of pages for a length: an error value breaks the contract.
    if not (cls.takes_range and a.name == "npages")
}


class Values(Listener):
    """Remembers whether each argument had its default, and another value."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def step(self, run, reached):
        step = run.steps[-1]
        for a in shown(step):
            default = a.default is not NOTHING and getattr(step, a.name) == a.default
            self.seen.add((step.call, a.name, default))


@pytest.fixture(scope="module")
def seen():
    """(call, argument, whether it had its default) of the steps of some rounds of soak."""
    values = Values()
    for number in range(120):
        soak(Search(Optimised, SEMANTICS["7.3"], watcher=values), number)
    return values.seen


def test_drawn(seen):
    """Nobody draws less than a step can say."""
    assert ARGUMENTS == {(call, name) for call, name, default in seen if not default}


def test_defaults_too(seen):
    """An argument that has a default is drawn with it."""
    usual = {
        (c, a.name) for c, cls in STEPS.items() for a in shown(cls) if a.default is not NOTHING
    }

    assert usual == {(call, name) for call, name, default in seen if default}
