# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.candidate import InProcess
from model.optimised import PARTS, Optimised
from model.semantics import SEMANTICS
from model.steps import STEPS
from properties.candidates import load
from properties.faults import FAULTS, GROUPS
from properties.overrides import Overrides

every = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)

OVERRIDABLE = {
    name
    for cls in (Optimised, InProcess)
    for name, value in vars(cls).items()
    if callable(value) and not name.startswith("__")
}


#: Faults that need what 5.13 lacks.
NEWER = {"CollapseKeepsOne"}


def test_enough():
    """The table has faults and right variants enough to measure a search by."""
    right = [fault for fault in FAULTS.values() if fault.equivalent]

    assert len(FAULTS) - len(right) >= 45
    assert len(right) >= 8


def test_groups():
    """Every group has faults, and they stand together."""
    assert list(GROUPS) == sorted({f.group for f in FAULTS.values()}, key=GROUPS.index)


@every
def test_documented(fault):
    """A fault says in a line what it does wrong, then how that comes about, and its source."""
    first, empty, *rest = fault.story.splitlines()

    assert first.endswith(".")
    assert "" == empty
    assert len(" ".join(rest)) > 60
    assert fault.source
    assert "Compound iterators" not in fault.story


@every
def test_versions(fault):
    """A fault applies to known versions, the last of which has its calls, to 5.13 if it can."""
    overridden = {PARTS.get(name, name) for name in Overrides(fault.candidate).owners}
    calls = [STEPS[name] for name in overridden if name in STEPS]
    having = [v for v, row in SEMANTICS.items() if not any(c.lacked_by(row) for c in calls)]

    assert set(fault.versions) <= SEMANTICS.keys()
    assert fault.versions[-1] in having
    assert "5.13" in fault.versions or "5.13" not in having or fault.name in NEWER


@every
def test_overrides_the_optimised_path(fault):
    """A fault is the optimised path with something in it replaced."""
    own = fault.candidate.__mro__[: fault.candidate.__mro__.index(Optimised)]

    assert OVERRIDABLE & {name for cls in own for name in vars(cls)}


@every
def test_loads(fault):
    """A fault can be put under test by what the table says to write."""
    assert fault.candidate is type(load(fault.spec).make())


def test_names():
    """A fault is found by the name of its class."""
    assert all(name == fault.name == fault.candidate.__name__ for name, fault in FAULTS.items())
