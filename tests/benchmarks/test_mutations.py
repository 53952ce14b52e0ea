# SPDX-License-Identifier: MIT

from __future__ import annotations

import time

import pytest

from model.errors import BadInput
from tests.benchmarks import mutations as module
from tests.benchmarks.mutations import NONE, Summary, inputs, run
from tests.helpers import HEADER

GOOD = f'{HEADER}a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\n'


@pytest.mark.parametrize("kind", ["trace", "layout", "recording"])
def test_mutations(kind):
    """What is mutated is read, or refused in one line."""
    summary = Summary()
    for used in run(kind, 1, range(300)):
        summary.add(used)

    assert 300 == summary.kinds.total()
    assert not [used for used in summary.failed if used.trace]
    assert {"refused", "no text"} < summary.kinds.keys()


@pytest.mark.parametrize("kind", ["trace", "long", "layout", "recording"])
def test_repeatable(kind):
    """An input depends on the seed and on its number alone; both levels of mutations are used."""
    assert [*inputs(kind, 3, range(40, 60))] == [*inputs(kind, 3, range(60))][40:]
    assert len({text for _, text in inputs(kind, 3, range(20))}) > 15


def test_what_ends_badly_is_counted(monkeypatch):
    """A traceback, an error of several lines, and a process that ends are told by their numbers."""

    def texts(kind, seed, numbers):
        return ((number, str(number)) for number in numbers)

    def read(kind, text):
        if text == "1":
            raise KeyError(text)
        if text == "2":
            raise BadInput("two\nlines")
        if text == "3":
            module.os._exit(1)
        if text == "4":
            module.time.process_time = lambda: time.monotonic() + 100

    monkeypatch.setattr(module, "inputs", texts)
    monkeypatch.setattr(module, "read", read)
    found = [*run("trace", 1, range(6))]

    assert [*range(6)] == [used.number for used in found]
    assert ["no text", "traceback", "refused", "ended"] == [used.what for used in found[:4]]
    assert [1, 2, 3, 4] == [used.number for used in found if used.failed]
    assert NONE.number < 0
