# SPDX-License-Identifier: MIT

"""What failing programs are reduced to."""

from __future__ import annotations

from itertools import count

import pytest

from model.optimised import Optimised
from properties.faults import FAULTS
from properties.judging.applicable import MAX_PAGE_VISITS, visits
from properties.judging.judge import judge
from properties.reduce import reduce
from properties.search import Search, Tally
from properties.searches.machine import explore
from properties.searches.soak import soak
from tests.helpers import program, text_of
from tests.properties.reduce.programs import found, reduced

TO_TEXT = {
    "steps and what uses them go": (
        "NoTailOffset",
        (
            'a = mapping("driver", orders=[0, 0, 2, 0], pfn=0x1002, refs=3)\n'
            'b = mapping("thp", orders=[9])\n'
            "h1 = pin_user_pages(b[3:400], FOLL_WRITE)\n"
            "h2 = pin_user_pages(a[0:7], FOLL_LONGTERM)\n"
            "clean(a[0:1])\n"
            "unpin_user_pages(h1[5:9])\n"
            "unpin_user_page_range_dirty_lock(h2[4:7], make_dirty=True)\n"
        ),
        (
            'a = mapping("driver", orders=[2, 0])\n'
            "h1 = pin_user_pages(a[3:5])\n"
            "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
        ),
    ),
    "two pins become one": (
        "NoTailOffset",
        (
            'a = mapping("driver", orders=[2, 2])\n'
            "h1 = pin_user_pages(a[3:4])\n"
            "h2 = pin_user_pages(a[4:5])\n"
            "unpin_user_page_range_dirty_lock(a[3:5], make_dirty=False)\n"
        ),
        (
            'a = mapping("driver", orders=[2, 0])\n'
            "h1 = pin_user_pages(a[3:5])\n"
            "unpin_user_page_range_dirty_lock(a[3:5], make_dirty=True)\n"
        ),
    ),
    "orders go down around a boundary": (
        "NoTailOffset",
        (
            'a = mapping("hugetlb", orders=[18, 18])\n'
            "m1 = ib_umem_get(a[262000:262500])\n"
            "ib_umem_release(m1)\n"
        ),
        'a = mapping("driver", orders=[2, 0])\nm1 = ib_umem_get(a[3:5])\nib_umem_release(m1)\n',
    ),
    "what is right but dearer": (
        "OrderOneUnbatched",
        (
            'a = mapping("driver", orders=[2, 1, 1, 0])\n'
            "h1 = pin_user_pages(a[0:8])\n"
            "unpin_user_page_range_dirty_lock(h1[1:7], make_dirty=True)\n"
        ),
        (
            'a = mapping("driver", orders=[1])\n'
            "h1 = pin_user_pages(a[0:2])\n"
            "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
        ),
    ),
}


@pytest.mark.parametrize(("sketch", "before", "after"), TO_TEXT.values(), ids=TO_TEXT)
def test_text(sketches, sketch, before, after):
    assert after == text_of(reduced(program(before), getattr(sketches, sketch)).program)


def no_larger(program, size):
    """Whether each number of the size of *program* is at most the one in *size*."""
    return all(a <= b for a, b in zip(program.size().counts, size, strict=True))


def noise(times, *lines):
    """*lines* repeated, with ``{n}`` for the number of the repetition."""
    return "".join(f"{line.format(n=n)}\n" for n in range(times) for line in lines)


#: A fault or sketch, a program, and what it comes to at most: steps, compound pages,
#: sum of orders, pages named; and executions.
TO_SIZE = {
    "a list of 2^15 entries": (
        "MergesAcross",
        (
            'a = mapping("driver", orders=[0, 2])\n'
            "h1 = pin_user_pages(a[0:1]*16384 + a[1:2]*16384)\n"
            "unpin_user_pages((h1[0:1] + h1[16384:16385])*16000)\n"
        ),
        (2, 2, 2, 6),
        500,
    ),
    "half a tebibyte": (
        "NoTailOffset",
        (
            'a = mapping("hugetlb", orders=[18]*512)\n'
            "h1 = pin_user_pages(a[0:134217728])\n"
            "unpin_user_page_range_dirty_lock(h1[5:134217728], make_dirty=True)\n"
        ),
        (2, 2, 36, 4),
        500,
    ),
    "800 steps that leave nothing held": (
        "NoTailOffset",
        'a = mapping("driver", orders=[2, 0])\n'
        + noise(
            200, "get_page(a[0:1])", "put_page(a[0:1])", "set_page_dirty(a[4:5])", "clean(a[4:5])"
        )
        + "h1 = pin_user_pages(a[3:5])\n"
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n",
        (2, 2, 2, 4),
        60,
    ),
    "a history of one page": (
        "StaleHead",
        'a = mapping("thp", orders=[9])\n'
        "h1 = pin_user_pages(a[505:506])\nunpin_user_pages(h1[0:1])\n"
        + "".join(
            f"h{n} = pin_user_pages(a[{n % 500}:{n % 500 + 4}])\n"
            f"unpin_user_pages(a[{n % 500 + 2}:{n % 500 + 3}]*4)\n"
            for n in range(10, 800)
        )
        + "split_huge_page(a[0:1])\n"
        "h2 = pin_user_pages(a[505:506])\nunpin_user_pages(h2[0:1])\n",
        (5, 1, 9, 5),
        150,
    ),
}


def candidate_of(name, sketches):
    """The planted fault, or the sketch, of that name."""
    return FAULTS[name].candidate if name in FAULTS else getattr(sketches, name)


def to_size(name):
    """A row of `TO_SIZE` as a parameter."""
    marks = [pytest.mark.slow("names 2^27 pages")] if name == "half a tebibyte" else []
    return pytest.param(*TO_SIZE[name], marks=marks, id=name)


@pytest.mark.parametrize(("name", "before", "size", "most"), [to_size(name) for name in TO_SIZE])
def test_size(sketches, name, before, size, most):
    result = reduced(program(before), candidate_of(name, sketches))

    assert no_larger(result.program, size)
    assert result.executions <= most


def test_half_a_tebibyte_is_not_visited():
    assert visits(program(TO_SIZE["half a tebibyte"][1])) > MAX_PAGE_VISITS


#: A fault, a seed to soak from, with so many steps, and what it comes to at most.
SOAKED = {
    ("EightHeads", 130, 300): (2, 3, 2, 18),
    ("PartialPinIsError", 0, 300): (3, 2, 2, 4),
    ("GetUnchecked", 90, 1000): (3, 1, 0, 3),
    ("GetUnchecked", 160, 1000): (3, 1, 0, 3),
    ("GetUnchecked", 0, 200): (2, 1, 0, 3),
    ("RoomRoundedDown", 2, 200): (2, 1, 0, 2),
    ("NoTailOffset", 2, 200): (2, 2, 2, 4),
    ("CutAtNpages", 2, 200): (2, 2, 2, 4),
    ("RunsOf512", 90, 150): (2, 1, 0, 1026),
}


@pytest.mark.parametrize(("fault", "size"), SOAKED.items(), ids=[f"{n}-{s}" for n, s, _ in SOAKED])
def test_soaked(fault, size):
    """Where two things have to change at once, it comes close to the smallest known size."""
    name, seed, steps = fault
    candidate = FAULTS[name].candidate
    failing, _ = found(candidate, seed, steps, strict=FAULTS[name].group == "cost only")

    assert no_larger(reduced(failing, candidate).program, size)


#: The smallest known size for each signature.
SMALLEST = {
    "ReleasesNmap": {
        "refcount-ib_umem_get": (1, 1, 0, 1),
        "pincount-ib_umem_get": (1, 1, 2, 1),
        "refcount-ib_umem_release": (2, 1, 0, 2),
        "pincount-ib_umem_release": (2, 1, 2, 2),
    },
    "NoTailOffset": {
        "pincount-ib_umem_get": (1, 2, 2, 2),
        "pincount-ib_umem_release": (2, 2, 2, 2),
        "pincount-unpin_user_page_range_dirty_lock": (2, 2, 2, 4),
        "refcount-ib_umem_get": (1, 2, 1, 2),
        "refcount-ib_umem_release": (2, 2, 1, 2),
        "refcount-unpin_user_page_range_dirty_lock": (2, 2, 1, 4),
    },
    "DirtiesAfterPut": {
        "dirty_before_put-unpin_user_page_range_dirty_lock": (2, 1, 0, 2),
        "dirty_before_put-ib_umem_release": (2, 1, 0, 1),
    },
    "RunOfZero": {
        "no_progress-ib_umem_get": (1, 1, 2, 4),
        "no_progress-ib_umem_release": (2, 1, 2, 4),
        "no_progress-unpin_user_page_range_dirty_lock": (2, 1, 2, 8),
    },
}


@pytest.mark.slow("reduces twenty programs of the machine")
def test_smallest_known(sketches):
    """Nine reductions in ten end at the smallest known size, none below, in few executions."""
    hits, executions = [], []
    for name, smallest in SMALLEST.items():
        candidate = getattr(sketches, name)
        for seed in range(0, 500, 100):
            result = reduce(*found(candidate, seed, 25, explore), candidate)
            size = result.program.size().counts
            assert size >= smallest[result.finding.signature]
            hits.append(size == smallest[result.finding.signature])
            executions.append(result.executions)

    assert sum(hits) >= 0.9 * len(hits)
    assert sorted(executions)[len(executions) // 2] <= 300


@pytest.mark.slow("reduces six programs of 200 steps and more")
def test_history_by_soak():
    """A failure hidden behind hundreds of steps becomes a few."""
    candidate = FAULTS["StaleHead"].candidate
    lengths = []
    for seed in count():
        tally = Tally()
        soak(Search(candidate, watcher=tally), seed, 1_000)
        if tally.failure and len(tally.failure[0].steps) >= 200:
            lengths.append(len(reduced(tally.failure[0], candidate).program.steps))
        if len(lengths) == 6:
            break
    lengths.sort()

    # A page is pinned, unpinned, split or freed and allocated, and pinned again.
    assert lengths[-1] <= 9
    assert lengths[3] <= 6


def test_long_history_costs_few_executions():
    """Steps that do not touch the pages of the last step go in less than two executions.

    The state alone does not bring the failure about: a head must be looked up before
    its page is freed, two thousand steps ago.
    """
    long = program(
        'a = mapping("driver", orders=[2]*100)\n'
        "h1 = pin_user_pages(a[2:3] + a[7:8])\n"
        "unpin_user_pages(h1[0:2])\n"
        "unmap(a[0:1] + a[4:5])\n"
        + "".join(
            f"h{n} = pin_user_pages(a[{n % 90 + 8}:{n % 90 + 9}])\nunpin_user_pages(h{n}[0:1])\n"
            for n in range(2, 1000)
        )
        + "alloc_pages(a[0:8], orders=[0]*4 + [1, 0, 0])\n"
        "h1000 = pin_user_pages(a[7:8])\n"
        "unpin_user_pages(h1000[0:1])\n"
    )
    judged = []

    class StaleHead(FAULTS["StaleHead"].candidate):
        def execute(self, program):
            for snapshot in super().execute(program):
                judged.append(None)
                yield snapshot

    finding = judge(long, StaleHead()).worst
    judged.clear()

    assert (6, 1, 1, 7) == reduce(long, finding, StaleHead).program.size().counts
    assert len(judged) < 2 * len(long.steps)


class ShortPut(Optimised):
    """A put of a large folio drops one reference too few."""

    def put_page_refs(self, head, refs):
        super().put_page_refs(head, refs - (self.memory.compound_order(head) > 0))


@pytest.mark.parametrize(
    ("pages", "named"),
    [
        ("a[0:1]*16382 + a[1:2]*5", "h1[16384:16385]"),
        ("a[2:3]*9000 + a[0:1]*9000", "h1[17999:2:-1]"),
        ("(a[0:1] + a[2:3])*9000", "h1[17999:18000]"),
    ],
)
def test_long_repeats(pages, named):
    """Of lists that repeat a page thousands of times, and of pages, is left what is needed."""
    whole = program(
        f'a = mapping("driver", orders=[0, 1])\nh1 = pin_user_pages({pages})\n'
        f"unpin_user_pages({named})\n"
    )

    assert (2, 1, 1, 2) == reduced(whole, ShortPut).program.size().counts
