# SPDX-License-Identifier: MIT

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase, settings

from model.optimised import Optimised
from model.parse import parse_program
from properties import layouts
from properties.coverage.mapped import MAPPED
from properties.coverage.matrices import COMBINATIONS, combinations
from properties.coverage.points import SITUATIONS
from properties.coverage.situations import situations
from properties.judging.judge import Run
from properties.pytest_items import ROUNDS as ROUNDS_OF_PYTEST
from properties.pytest_items import quietly, rounds
from properties.pytest_plugin import PROFILES
from properties.search import Search, Watcher
from properties.searches.machine import machine, run_by_seed
from properties.searches.registry import TURNS, load
from properties.strategies.steps import RandomSteps
from tests.helpers import HEADER

#: So many rounds of `headcount verify`, ten seconds of it, reach everything.
ROUNDS = 48


def reached(text):
    """The situations that the last step of *text* is in."""
    program = parse_program(HEADER + text)
    run = Run(Optimised(), program.mappings, program.semantics)
    names = set()
    for step in program.steps:
        assert run.step(step) is None
        names = situations(run.record)
    return names


HUGE = 'a = mapping("thp", orders=[9])\n'
PIN = (
    'a = mapping("driver", orders=[2, 2, 1, 0])\nb = mapping("base", orders=[0])\n'
    "h1 = pin_user_pages(a[0:11])\n"
)


MANY_REFS = 'a = mapping("base", orders=[0])\nget_page(a[0:1], n={})\n'


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # Ranges.
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
            PIN + "unpin_user_page_range_dirty_lock(h1[0:10], make_dirty=False)\n",
            {
                "range-exact",
                "range-three-heads",
                "order-1",
                "order-2",
                "bias-and-exact",
                "last-pin",
            },
        ),
        (
            (
                'a = mapping("hugetlb", orders=[18, 9])\nh1 = pin_user_pages(a[262143:262145])\n'
                "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=False)\n"
            ),
            {
                "range-from-tail",
                "range-across",
                "range-stops-short",
                "range-huge-across",
                "order-9",
                "order-18",
                "last-pin",
            },
        ),
        # Lists.
        (
            PIN + "unpin_user_pages(h1[8:9] + h1[10:11] + h1[9:10])\n",
            {"a-b-a", "falling", "order-0", "order-1", "last-pin", "backwards"},
        ),
        (
            PIN + "unpin_user_pages(h1[0:1] + h1[10:11])\n",
            {"gap", "bias-and-exact", "order-0", "order-2", "last-pin", "partly-unpinned"},
        ),
        (PIN + "unpin_user_pages(h1[4:5]*2)\n", {"repeated-page", "order-2", "partly-unpinned"}),
        (
            PIN + "unpin_user_pages((h1[4:5] + h1[0:1])*2)\n",
            {"a-b-a", "a-b-a-b", "falling", "repeated-page", "order-2", "partly-unpinned"},
        ),
        (PIN + "unpin_user_pages(h1[3:1:-1])\n", {"backwards", "order-2", "partly-unpinned"}),
        (
            PIN + "unpin_user_pages(h1[7:9])\n",
            {"bias-and-exact", "order-1", "order-2", "partly-unpinned"},
        ),
        (PIN + "unpin_user_pages(h1[0:1], npages=-14)\n", {"error-npages"}),
        (
            PIN + "h2 = pin_user_pages(a[1:2])\nunpin_user_pages(h1[0:1] + h2[0:1])\n",
            {"several-handles", "shared-head", "order-2", "partly-unpinned"},
        ),
        (
            (
                'a = mapping("thp", orders=[9])\nh1 = pin_user_pages(a[0:4])\n'
                "unpin_user_pages(h1[0:2])\nunpin_user_pages(h1[2:4])\n"
            ),
            {"rest-of-handle", "order-9", "last-pin"},
        ),
        (
            # Not the rest: the front was not unpinned before.
            (
                'a = mapping("thp", orders=[9])\nh1 = pin_user_pages(a[0:4])\n'
                "unpin_user_pages(h1[2:4])\n"
            ),
            {"order-9", "partly-unpinned"},
        ),
        (
            (
                'a = mapping("thp", orders=[9, 9])\nh1 = pin_user_pages(a[0:600])\n'
                "h2 = pin_user_pages(a[0:1])\nunpin_user_pages(h1[0:600] + h2[0:1])\n"
            ),
            {
                "one-call-batches",
                "several-handles",
                "shared-head",
                "a-b-a",
                "falling",
                "order-9",
                "last-pin",
                "repeated-page",
            },
        ),
        (
            (
                'a = mapping("thp", orders=[9])\nh1 = pin_user_pages(a[0:1]*1025)\n'
                "unpin_user_pages(h1[0:1025])\n"
            ),
            {"one-call-batches", "long-run", "order-9", "last-pin", "repeated-page"},
        ),
        # What is unpinned.
        (
            PIN + "set_page_dirty(a[10:11])\nunmap(a[10:11])\n"
            "unpin_user_page_range_dirty_lock(a[10:11], make_dirty=True)\n",
            {"order-0", "last-pin", "unpin-frees", "dirty-dirty"},
        ),
        (
            PIN + "unmap(a[10:11])\nunpin_user_pages(h1[9:11])\n",
            {
                "order-0",
                "order-1",
                "last-pin",
                "partly-unpinned",
                "unpin-frees",
                "one-of-two-freed",
            },
        ),
        (
            (
                'a = mapping("device-dax", orders=[0], refs=2)\nh1 = pin_user_pages(a[0:1])\n'
                "get_page(a[0:1])\nunpin_user_page(a[0:1])\n"
            ),
            {"device-dax", "order-0", "last-pin", "mapped-twice", "pinned-and-got"},
        ),
        (
            MANY_REFS.format(2147483000) + "h1 = pin_user_pages(a[0:1])\nunpin_user_page(a[0:1])\n",
            {"order-0", "last-pin", "unpin-wrapped", "pinned-and-got"},
        ),
        # Dirt.
        (
            PIN + "set_page_dirty(a[0:1])\n"
            "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=False)\n",
            {"dirty-left", "order-2", "partly-unpinned", "range-stops-short"},
        ),
        (
            PIN + "set_page_dirty(a[0:1])\nclean(a[0:1])\n"
            "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)\n",
            {"dirty-again", "dirty-clean", "order-2", "partly-unpinned"},
        ),
        # Pinning.
        (
            PIN + "h2 = pin_user_pages(a[0:1] + b[0:1])\n",
            {"several-mappings"},
        ),
        (PIN + "unmap(a[10:11])\nh2 = pin_user_pages(a[9:11])\n", {"partial-pin"}),
        (PIN + "unmap(a[10:11])\nh2 = pin_user_pages(a[10:11])\n", {"no-pin", "pin-unmapped"}),
        (
            'a = mapping("base", orders=[0])\nunmap(a[0:1])\nh1 = pin_user_pages(a[0:1])\n',
            {"no-pin"},
        ),
        (
            (
                'a = mapping("base", orders=[0])\nunmap(a[0:1])\nalloc_pages(a[0:1], orders=[0])\n'
                "h1 = pin_user_pages(a[0:1])\n"
            ),
            {"pinned-again"},
        ),
        (
            PIN + "h2 = pin_user_pages_fast_only(a[0:3], changed=1)\n",
            {"partial-pin", "grab-undone"},
        ),
        (PIN + "h2 = pin_user_pages_fast(a[0:3], changed=1)\n", {"grab-undone"}),
        (MANY_REFS.format(2147483646), {"count-at-limit"}),
        (
            MANY_REFS.format(2147483600) + "h1 = pin_user_pages(a[0:1]*2)\n",
            {"partial-pin", "grab-refused", "count-wrapped"},
        ),
        # RDMA memory regions.
        (PIN + "unmap(a[10:11])\nm1 = ib_umem_get(a[9:11])\n", {"umem-pin-fails"}),
        (PIN + "unmap(a[10:11])\nm1 = ib_umem_get(a[10:11])\n", set()),
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
            PIN + "m1 = ib_umem(sg(h1[0:1], 4096) + sg(h1[1:2], 4096), writable=False)\n"
            "ib_umem_release(m1)\n",
            {"umem-shared-head", "umem-read-only", "order-2", "partly-unpinned"},
        ),
        ('a = mapping("thp", orders=[9, 9])\nm1 = ib_umem_get(a[0:513])\n', {"umem-batches"}),
        # What the world does.
        (PIN + "unmap(a[10:11])\n", {"unmap-pinned"}),
        (
            'a = mapping("base", orders=[0])\nget_page(a[0:1])\nunmap(a[0:1])\nput_page(a[0:1])\n',
            {"put-frees"},
        ),
        (HUGE + "split_huge_page(a[3:4])\n", {"split-done"}),
        (
            HUGE + "h1 = pin_user_pages(a[0:1])\nsplit_huge_page(a[3:4])\n",
            {"split-refused"},
        ),
        (
            HUGE + "h1 = pin_user_pages(a[0:1])\nunpin_user_page(a[0:1])\n"
            "split_huge_page(a[3:4])\n",
            {"split-done", "split-unpinned"},
        ),
        (
            (
                'a = mapping("driver", orders=[1])\nunmap(a[0:1])\n'
                "alloc_pages(a[0:2], orders=[0, 0])\n"
            ),
            {"other-order"},
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


class Listener(Watcher):
    """Counts what is reached."""

    def __init__(self):
        self.steps = 0
        self.reached = Counter()

    def step(self, run, reached):
        self.steps += 1
        self.reached.update(reached)
        self.reached.update(combinations(run.record))


def unreached(listener):
    """What had to be reached and was not."""
    return set(SITUATIONS) - set(listener.reached)


@pytest.mark.slow("makes all programs that pytest makes in CI")
def test_ci_reaches_every_situation():
    """What CI runs by default, the machine and some rounds beside it, leaves no situation empty."""
    listener = Listener()
    search = Search(Optimised, captured=layouts.shipped(), watcher=listener)
    ci = PROFILES["ci"]

    run_by_seed(machine(search), settings(quietly(ci), phases=[Phase.generate]))
    by_machine = listener.steps
    for name in ROUNDS_OF_PYTEST:
        for number in range(rounds(name, ci)):
            load(name)(search, number)

    assert listener.steps > 5 * by_machine > 10_000
    assert set() == unreached(listener)


def test_rounds_reach_every_situation():
    """Some rounds of `headcount verify` reach every situation and most combinations."""
    listener = Listener()
    search = Search(Optimised, captured=layouts.shipped(), watcher=listener)
    for number in range(ROUNDS):
        load(TURNS[number % len(TURNS)])(search, number)

    assert set() == unreached(listener)
    assert set() == set(listener.reached) - {*SITUATIONS, *COMBINATIONS, *MAPPED}
    assert len(set(listener.reached) & set(COMBINATIONS)) >= 0.8 * len(COMBINATIONS)


def test_nothing_to_split():
    """Where no page can be split the draw gives None, whoever asks."""
    program = parse_program(HEADER + 'a = mapping("base", orders=[0])\nmap(a[0:1])\n')
    run = Run(Optimised(), program.mappings, program.semantics)

    assert RandomSteps(run.ledger).split_huge_page(None) is None
