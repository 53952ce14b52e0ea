# SPDX-License-Identifier: MIT

"""The saved traces themselves: each really fails on what it once broke."""

from __future__ import annotations

import pytest

from model.parse import read_program
from properties.judging.judge import judge
from tests.helpers import TRACES

EACH_TRACE = sorted(TRACES.glob("*.trace"))

BROKE = {
    "v1-nmap": "ReleasesNmap",
    "v1-mapping-fails": "ReleasesNmap",
    "no-tail-offset": "NoTailOffset",
    "merges-across": "MergesAcross",
    "dirty-after-put": "DirtiesAfterPut",
    "run-of-zero": "RunOfZero",
    "order-1-unbatched": "OrderOneUnbatched",
}


@pytest.mark.parametrize("path", EACH_TRACE, ids=lambda path: path.stem)
def test_canonical(path):
    """Each saved trace is written as headcount writes it, and says what it broke."""
    program = read_program(path)

    assert path.read_text() == program.text()
    assert program.comments


@pytest.mark.parametrize("name", BROKE)
def test_still_breaks(sketches, name):
    """A trace is worth keeping because it fails on the bug that it was found with."""
    program = read_program(TRACES / f"{name}.trace")

    assert judge(program, getattr(sketches, BROKE[name])()).worst is not None
