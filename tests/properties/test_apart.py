# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.optimised import Optimised
from properties.apart import UNCONTAINED, apart
from properties.candidates import Spec
from properties.judging.contained import Container
from properties.judging.judge import judge
from tests.helpers import program
from tests.misbehaving import EndsProcess


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


def test_contained_at_once():
    """What has ended a process is contained from the beginning in the next task."""
    ends = program(
        'a = mapping("driver", orders=[0])\nh1 = pin_user_pages(a[0:1])\nunpin_user_page(h1[0:1])\n'
    )
    spec = Spec("x", EndsProcess, own=True)
    heard = []

    def task(make, tell):
        tell(isinstance(make, Container))
        return judge(ends, make()).finding.what

    assert ["exited"] * 2 == [apart(task, spec, heard.append) for _ in range(2)]
    assert [False, True, True] == heard
