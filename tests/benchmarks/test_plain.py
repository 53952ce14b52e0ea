# SPDX-License-Identifier: MIT

"""The yardstick is fair only if it works: it finds a bug of the series, and no other."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.search import Search
from properties.searches.registry import load
from tests.helpers import ROOT, Listener


@pytest.fixture
def plain(monkeypatch):
    """The yardstick, as the command line takes it from the checkout's root."""
    monkeypatch.chdir(ROOT)
    return load("tests.benchmarks.plain:plain")


def test_finds(plain):
    """It finds a run as long as the compound page within some rounds, and that fails again."""
    listener = Listener()
    candidate = FAULTS["NoTailOffset"].candidate
    for number in range(10):
        plain(Search(candidate, watcher=listener), number)
        if listener.failures:
            break

    program, finding = listener.failures[0]
    assert finding.signature == judge(program, candidate()).finding.signature


def test_nothing_in_what_is_right(plain):
    """It reports nothing on the optimised model."""
    listener = Listener()
    for number in range(3):
        plain(Search(Optimised, watcher=listener), number)

    assert [] == listener.failures
    assert listener.steps > 500
