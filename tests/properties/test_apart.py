# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.optimised import Optimised
from properties.apart import UNCONTAINED, apart
from properties.candidates import Spec
from properties.judging.judge import judge
from tests.helpers import program


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
