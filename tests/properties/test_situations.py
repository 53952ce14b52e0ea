# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.optimised import Optimised
from model.parse import parse_program
from properties.judge import Run
from properties.situations import SITUATIONS, situations


HEADER = '# headcount 1\nsemantics("5.13")\n'


def reached(text):
    """The situations that the last step of *text* is in."""
    program = parse_program(HEADER + text)
    run = Run(Optimised(), program.mappings, program.semantics)
    for step in program.steps:
        assert run.step(step) is None
    return set(situations(run.record))


HUGE = 'a = mapping("thp", orders=[9])\n'
PIN = 'a = mapping("driver", orders=[2, 2, 1, 0])\nh1 = pin_user_pages(a[0:11])\n'


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            PIN + "unpin_user_page_range_dirty_lock(h1[1:6], make_dirty=True)\n",
            {
                "range-from-tail",
                "range-across",
                "range-stops-short",
                "order-2",
                "partly-unpinned",
                "dirty-clean",
            },
        ),
        (
            PIN + "unpin_user_pages(h1[8:9] + h1[10:11] + h1[9:10])\n",
            {"a-b-a", "order-0", "order-1", "last-pin", "backwards"},
        ),
        (PIN + "unpin_user_pages(h1[4:5]*2)\n", {"repeated-page", "order-2", "partly-unpinned"}),
        (
            PIN + "unpin_user_pages(h1[7:9])\n",
            {"bias-and-exact", "order-1", "order-2", "partly-unpinned"},
        ),
        (PIN + "unpin_user_pages(h1[0:1], npages=-14)\n", {"error-npages"}),
        (
            PIN + "set_page_dirty(a[10:11])\nunmap(a[10:11])\n"
            "unpin_user_page_range_dirty_lock(a[10:11], make_dirty=True)\n",
            {"order-0", "last-pin", "unpin-frees", "dirty-dirty"},
        ),
        (PIN + "unmap(a[10:11])\nh2 = pin_user_pages(a[9:11])\n", {"partial-pin"}),
        (PIN + "unmap(a[10:11])\nh2 = pin_user_pages(a[10:11])\n", {"no-pin"}),
        (
            PIN + "h2 = pin_user_pages_fast_only(a[0:3], changed=1)\n",
            {"partial-pin", "grab-undone"},
        ),
        (PIN + "m1 = ib_umem_get(a[0:4], nmap=0)\n", {"umem-map-fails"}),
        (PIN + "m1 = ib_umem_get(a[0:4], append_fails=0)\n", {"umem-append-fails"}),
        (PIN + "m1 = ib_umem_get(a[0:4], max_segment=8192)\n", {"umem-segments"}),
        (PIN + "m1 = ib_umem(sg(h1[0:2], 5000))\n", {"umem-partial-page"}),
        (
            PIN
            + "m1 = ib_umem(sg(h1[0:1], 4096) + sg(h1[4:5], 4096), nmap=1)\nib_umem_release(m1)\n",
            {"umem-merged", "order-2", "partly-unpinned", "dirty-clean"},
        ),
        (
            (
                'a = mapping("base", orders=[0])\nget_page(a[0:1], n=2147483600)\n'
                "h1 = pin_user_pages(a[0:1]*2)\n"
            ),
            {"partial-pin", "grab-refused", "count-wrapped"},
        ),
        (HUGE + "split_huge_page(a[3:4])\n", {"split-done"}),
        (
            HUGE + "h1 = pin_user_pages(a[0:1])\nsplit_huge_page(a[3:4])\n",
            {"split-refused"},
        ),
        (
            'a = mapping("thp", orders=[9, 9])\nm1 = ib_umem_get(a[0:513])\n',
            {"umem-batches"},
        ),
        (
            (
                'a = mapping("driver", orders=[1])\n'
                "unmap(a[0:1])\nalloc_pages(a[0:2], orders=[0, 0])\n"
            ),
            {"other-order"},
        ),
        (
            (
                'a = mapping("thp", orders=[9, 9])\nh1 = pin_user_pages(a[0:600])\n'
                "h2 = pin_user_pages(a[0:1])\nunpin_user_pages(h1[0:600] + h2[0:1])\n"
            ),
            {
                "one-call-many",
                "one-call-batches",
                "several-handles",
                "a-b-a",
                "order-2",
                "last-pin",
                "repeated-page",
            },
        ),
    ],
)
def test_situations(text, names):
    """Each step is in just the situations that it is in."""
    assert names == reached(text)


def test_each_is_described():
    """The table says of each in a few words what it is."""
    assert 60 >= len(SITUATIONS)
    assert all(10 < len(words) < 80 for words in SITUATIONS.values())
