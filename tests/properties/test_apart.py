# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from attrs import evolve

from model.candidate import Unavailable
from model.optimised import Optimised
from properties.apart import UNCONTAINED, apart
from properties.candidates import Spec
from properties.judging import contained
from properties.judging.contained import Container
from properties.judging.judge import judge
from properties.processes import crew, forked
from properties.processes.alone import Interrupted
from tests.helpers import program
from tests.misbehaving import EndsProcess, LoopsInC


@pytest.mark.parametrize("what", [*sorted(UNCONTAINED), ""])
def test_candidates_that_need_no_container(sketches, what):
    """What contains its steps itself, as a kernel tree does, is reduced whatever was found."""
    finding = judge(
        program(
            'a = mapping("driver", orders=[2])\nh1 = pin_user_pages(a[0:4])\n'
            "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=False)\n"
        ),
        sketches.RunOfZero(),
    ).finding
    assert finding.what == "no_progress"

    assert 7 == apart(
        lambda _make, _tell: 7, Spec("x", Optimised), finding=evolve(finding, what=what)
    )


def judged(make, tell):
    """Tell whether candidates are contained; what is found of a program that unpins a page."""
    tell(isinstance(make, Container))
    steps = program(
        'a = mapping("driver", orders=[0])\nh1 = pin_user_pages(a[0:1])\nunpin_user_page(h1[0:1])\n'
    )
    return judge(steps, make()).finding


def test_contained_at_once():
    """What has ended a process is contained from the beginning in the next task."""
    spec = Spec("x", EndsProcess, own=True)
    heard = []
    found = [apart(judged, spec, heard.append) for _ in range(2)]
    # So it is where only the finding is known.
    found.append(apart(judged, evolve(spec), heard.append, finding=found[0]))

    assert ["exited"] * 3 == [one.what for one in found]
    assert [False, True, True, True] == heard


def test_step_without_end(monkeypatch):
    """A step that goes on and on ends its process, and is contained in the next one."""
    for module in (contained, crew):
        monkeypatch.setattr(module, "STEP_SECONDS", 0.2)
    monkeypatch.setattr(forked, "GRACE", 0.2)
    heard, looks = [], iter(range(600, -1, -1))
    found = apart(
        judged, Spec("x", LoopsInC, own=True), heard.append, interrupted=lambda: not next(looks)
    )

    assert "no_progress" == found.what
    assert [False, True] == heard


def test_ended_by_the_task():
    """What ends a process though steps are contained is no finding."""
    with pytest.raises(Unavailable, match="a process exited with status 3, and not by a step"):
        apart(lambda _make, _tell: os._exit(3), Spec("x", Optimised, own=True))


@pytest.mark.parametrize("needed", [False, True])
def test_interrupted(needed):
    """A task can be interrupted, whether candidates are contained or not."""
    spec = Spec("x", Optimised, own=True)
    spec.container.needed = needed

    with pytest.raises(Interrupted):
        apart(judged, spec, interrupted=lambda: True)


def test_here():
    """Candidates that cannot leave this process stay in it."""
    assert os.getpid() == apart(lambda *_: os.getpid(), Spec("x", Optimised, forks=False))


class Counts:
    """Counts what runs while it listens."""

    number = 0
    listens = False

    @contextmanager
    def listening(self, _number):
        self.listens = True
        yield
        self.listens = False

    def heard(self):
        number, self.number = self.number, 0
        return number

    def hear(self, heard):
        self.number += heard

    under_test = changes = None


def test_listens():
    """What runs in another process is heard of here, once, beside what was heard before."""
    tested = Counts()
    tested.number = 5

    def task(_make, _tell):
        tested.number += tested.listens
        return "done"

    assert "done" == apart(task, Spec("x", Optimised, tested), listens=True)
    assert 6 == tested.number
