# SPDX-License-Identifier: MIT

from __future__ import annotations

from model.parse import parse_program
from model.program import check
from properties.reduce.edge import HIGHEST, edges


HEADER = '# headcount 1\nsemantics("5.13")\n'


def proposed(text):
    """All that is offered for *text* when nothing is taken, without headers."""
    return [p.text().removeprefix(HEADER) for p in edges(parse_program(HEADER + text))]


def test_edges():
    """Pages stay as far from the edge as they were, on either side, or as far as there are any."""
    text = 'a = mapping("driver", orders=[1, 2])\nh1 = pin_user_pages(a[0:5])\n'

    assert {
        'a = mapping("driver", orders=[0, 0])\nh1 = pin_user_pages(a[0:1]*2 + a[1:2]*3)\n',
        'a = mapping("driver", orders=[0, 1])\nh1 = pin_user_pages(a[0:1]*2 + a[1:3] + a[2:3])\n',
        'a = mapping("driver", orders=[1, 0])\nh1 = pin_user_pages(a[0:3] + a[2:3]*2)\n',
        'a = mapping("driver", orders=[0, 2])\nh1 = pin_user_pages(a[0:1]*2 + a[1:4])\n',
        'a = mapping("driver", orders=[1, 1])\nh1 = pin_user_pages(a[0:4] + a[3:4])\n',
        'a = mapping("driver", orders=[2, 0])\nh1 = pin_user_pages(a[2:5] + a[4:5]*2)\n',
    } == set(proposed(text))


def test_they_still_meet():
    """Frames that followed each other do so also where a lower order comes first."""
    text = 'a = mapping("driver", orders=[0, 1, 2, 0], pfn=0x1001)\nh1 = pin_user_pages(a[2:4])\n'
    found = [parse_program(HEADER + text) for text in proposed(text)]

    meeting = 'a = mapping("driver", orders=[0] + [0, 2, 0], pfn=[0x1001, 0x1003])\n'
    assert any(meeting in p.text() for p in found)
    for p in found:
        check(p)


def test_lowest_first():
    """What has the lowest orders is tried first."""
    text = 'a = mapping("driver", orders=[3, 3])\nh1 = pin_user_pages(a[7:9])\n'
    orders = [
        sum(e.order * e.count for m in p.mappings for e in m.extents)
        for p in edges(parse_program(HEADER + text))
    ]

    assert orders == sorted(orders)
    assert 5 == max(orders)


def test_others_move():
    """Pages before the two stay, those behind move up, and every two neighbours are tried."""
    text = 'a = mapping("driver", orders=[0, 1, 0, 1])\nh1 = pin_user_pages(a[0:6])\n'
    found = proposed(text)

    assert (
        'a = mapping("driver", orders=[0, 0, 0, 1])\nh1 = pin_user_pages(a[0:2] + a[1:5])\n'
    ) in found
    assert 'a = mapping("driver", orders=[0, 1, 0, 0])\nh1 = pin_user_pages(a[0:5] + a[4:5])\n' in (
        found
    )
    for text in found:
        check(parse_program(HEADER + text))


def test_single_pages():
    """What is of order 0 on both sides is as low as it can be."""
    assert [] == proposed('a = mapping("base", orders=[0]*3)\nh1 = pin_user_pages(a[0:2])\n')


def test_left_alone():
    """Pages of high orders, and programs that split or allocate pages, are left alone."""
    high = f'a = mapping("driver", orders=[{HIGHEST + 1}, 0])\nh1 = pin_user_pages(a[0:1])\n'
    again = 'a = mapping("driver", orders=[1, 1])\nunmap(a[0:1])\nalloc_pages(a[0:2], orders=[1])\n'
    long = 'a = mapping("driver", orders=[1, 1])\nh1 = pin_user_pages(a[0:1]*100000)\n'

    for text in (high, again, long):
        assert [] == proposed(text)
    assert [] != proposed(high.replace(f"[{HIGHEST + 1}, 0]", f"[{HIGHEST}, 0]"))
