# SPDX-License-Identifier: MIT

from __future__ import annotations

from model.parse import parse_program
from tests.benchmarks.passes import compare


def test_compare():
    """A step that does not matter is dropped by one pass, and stays without it."""
    program = parse_program(
        '# headcount 1\nsemantics("5.13")\n'
        'a = mapping("driver", orders=[2, 0])\n'
        "map(a[4:5])\n"
        "h1 = pin_user_pages(a[3:5])\n"
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
    )
    lines = {line.split()[0]: line.split() for line in compare([("NoTailOffset", program)])}

    assert ["1", "1", "1"] == lines["drop_steps"][2:5]
    assert ["0", "0", "0"] == lines["merge"][2:5]
    assert {"without:", "larger,"} <= set(lines["drop_steps"])
    assert "1" == lines["drop_steps"][6]
