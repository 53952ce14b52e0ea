# SPDX-License-Identifier: MIT

"""Lines of sketches that ran. Where Python has sys.monitoring, that is used."""

from __future__ import annotations

import sys

import pytest

from properties import candidates
from properties.coverage import sketch as module

TEXT = '''\
import functools

from model.optimised import Optimised


def kept(function):
    @functools.wraps(function)
    def inner(*arguments):
        return function(*arguments)

    return inner


class Sketch(Optimised):
    """A sketch."""

    def put_compound_head(self, head, refs):
        """Put."""
        if refs > 9:
            refs = [
                r for r in [refs]
            ][0]
        super().put_compound_head(head, refs)

    @staticmethod
    def npages_of_entry(sg): return sg

    @property
    def size(self):
        return 2

    @kept
    def _wrapped(self):
        return 3
'''


@pytest.fixture
def spec(tmp_path):
    """The sketch, from a file of its own."""
    (tmp_path / "sketch_with_lines.py").write_text(TEXT)
    yield candidates.load(f"{tmp_path}/sketch_with_lines.py:Sketch")
    sys.modules.pop("sketch_with_lines")


def ran(spec):
    return {one.name: dict(one.lines) for one in spec.tested.under_test().functions}


def test_lines(spec):
    """Lines of functions and methods that ran in a round are known, and those that did not."""
    sketch = spec.make()
    with spec.tested.listening(0):
        assert 5 == sketch.size + sketch._wrapped()

    assert {
        "kept": {7: 0, 8: 0, 9: 1, 11: 0},
        "Sketch.put_compound_head": {19: 0, 20: 0, 21: 0, 22: 0, 23: 0},
        "Sketch.npages_of_entry": {26: 0},
        "Sketch.size": {30: 1},
        "Sketch._wrapped": {34: 1},
    } == ran(spec)
    assert spec.tested.changes(spec.tested.under_test()) is None


def test_outside_of_rounds(spec):
    """What runs outside of a round is not heard of."""
    with spec.tested.listening(0):
        pass
    spec.make()._wrapped()

    assert {34: 0} == ran(spec)["Sketch._wrapped"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only older versions need coverage")
def test_some_rounds(spec):
    """Without sys.monitoring some rounds are looked at, which is told."""
    for number in (0, module.TRACED_FIRST, module.TRACED_ONE_IN):
        with spec.tested.listening(number):
            if number == module.TRACED_FIRST:
                spec.make()._wrapped()
    assert {34: 0} == ran(spec)["Sketch._wrapped"]
    assert "the first 4 rounds and one in 32" == spec.tested.under_test().sample


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only older versions need coverage")
def test_no_more_than_all(tmp_path, monkeypatch):
    """Once all lines have run, no round is traced."""
    (tmp_path / "sketch_of_one_line.py").write_text(
        "from model.optimised import Optimised\n\n\nclass Sketch(Optimised):\n"
        "    def _one(self):\n        return 1\n"
    )
    spec = candidates.load(f"{tmp_path}/sketch_of_one_line.py:Sketch")
    with spec.tested.listening(0):
        spec.make()._one()
    monkeypatch.setattr(module, "find_spec", None)
    with spec.tested.listening(1):
        spec.make()._one()

    under = spec.tested.under_test()
    assert (1, 1, "") == (under.ran, under.lines, under.sample)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only older versions need coverage")
@pytest.mark.parametrize("why", ["coverage", "debugger"])
def test_unknown(spec, monkeypatch, why):
    """Without the package coverage, or under a debugger, nothing is known, and it is told why."""
    if why == "coverage":
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(sys, "gettrace", lambda: print)
    for number in (0, 1):
        with spec.tested.listening(number):
            pass

    assert why in spec.tested.under_test().unknown


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")
def test_no_place(spec, monkeypatch):
    """If other tools use all of sys.monitoring, nothing is known."""
    monkeypatch.setattr(sys.monitoring, "get_tool", lambda number: "other")
    with spec.tested.listening(0):
        pass

    assert "sys.monitoring" in spec.tested.under_test().unknown


def test_calls(spec):
    """Calls of what is overridden are counted in each round, and in those that nobody numbers."""
    assert spec.tested.under_test().calls is None
    sketch = spec.make()
    for number in (0, 5, None):
        with spec.tested.listening(number):
            assert 3 == sketch.npages_of_entry(3)

    assert {"put_compound_head": 0, "npages_of_entry": 3} == spec.tested.under_test().calls
    assert 3 == sketch.npages_of_entry(3)
    assert {"put_compound_head": 0, "npages_of_entry": 3} == spec.tested.under_test().calls


def test_no_lines(spec):
    """If no round was looked at, no line is said to have run, or not to have."""
    with spec.tested.listening(None):
        spec.make()._wrapped()

    assert not spec.tested.under_test().functions
