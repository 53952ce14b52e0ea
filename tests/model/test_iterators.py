# SPDX-License-Identifier: MIT

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.iterators import compound_next, compound_range_next
from model.mapping import Mapping, placed
from model.memory import Memory
from model.semantics import DEFAULT

START = 0x40


def memory_of(*orders):
    """Memory whose compound pages are of *orders*, from frame 0x40 on."""
    return Memory(DEFAULT, [Mapping("a", "driver", placed(((o, 1) for o in orders), START))])


def list_runs(memory, pages):
    """All runs of a list."""
    runs, i = [], 0
    while i < len(pages):
        runs.append(compound_next(memory, i, len(pages), pages))
        i += runs[-1][1]
    return runs


def range_runs(memory, page, npages):
    """All runs of a range."""
    runs, i = [], 0
    while i < npages:
        runs.append(compound_range_next(memory, i, npages, page))
        i += runs[-1][1]
    return runs


A, B, C = 0x40, 0x44, 0x48


@pytest.mark.parametrize(
    ("runs", "pages"),
    [
        ([(A, 1)], [A]),
        ([(A, 4)], [A, A + 1, A + 2, A + 3]),
        ([(A, 3)], [A + 3, A + 1, A + 2]),
        ([(A, 3)], [A + 1, A + 1, A + 1]),
        ([(A, 1), (B, 1), (A, 1)], [A, B, A]),
        ([(A, 2), (B, 1), (A, 1), (C, 2)], [A, A + 3, B + 1, A, C, C]),
    ],
    ids=["one", "all", "any order", "repeated", "A-B-A", "mixed"],
)
def test_list(runs, pages):
    """A run is the adjacent entries of one head; an entry of another head ends it."""
    assert runs == list_runs(memory_of(2, 2, 0), pages)


def test_list_from_the_middle():
    """A run begins where it is asked for, whatever stands before."""
    assert (A, 2) == compound_next(memory_of(2, 2), 1, 3, [A, A + 1, A + 2])


def test_list_stops_at_npages():
    """Entries past *npages* are not looked at, even of the same head."""
    assert (A, 2) == compound_next(memory_of(2, 2), 0, 2, [A, A, A, B])


@pytest.mark.parametrize(
    ("runs", "page", "npages"),
    [
        ([(A, 4)], A, 4),
        ([(A, 1)], A + 3, 1),
        ([(A, 2)], A + 1, 2),  # begins in a tail and ends in one
        ([(A, 1), (B, 1)], A + 3, 2),
        ([(A, 3), (B, 4), (C, 1), (C + 1, 1), (C + 2, 1)], A + 1, 10),
    ],
)
def test_range(runs, page, npages):
    """A run is what is left of the compound page, or of the range."""
    assert runs == range_runs(memory_of(2, 2, 0, 0, 1), page, npages)


ORDERS = st.lists(st.integers(0, 4), min_size=1, max_size=8).map(lambda o: sorted(o, reverse=True))


@given(ORDERS, st.data())
def test_list_partitions(orders, data):
    """The runs are those that grouping entries by their head gives."""
    memory = memory_of(*orders)
    frames = st.integers(START, START + sum(1 << order for order in orders) - 1)
    pages = data.draw(st.lists(frames, max_size=30))
    grouped = [(head, len(list(run))) for head, run in groupby(map(memory.compound_head, pages))]

    assert grouped == list_runs(memory, pages)


@given(ORDERS, st.data())
def test_range_partitions(orders, data):
    """The runs cover each page of the range once, each within one head, each maximal."""
    memory = memory_of(*orders)
    stop = START + sum(1 << order for order in orders)
    page = data.draw(st.integers(START, stop - 1))
    npages = data.draw(st.integers(0, stop - page))

    runs = range_runs(memory, page, npages)

    assert [memory.compound_head(page + i) for i in range(npages)] == [
        head for head, ntails in runs for _ in range(ntails)
    ]
    assert all(before != after for (before, _), (after, _) in pairwise(runs))


@given(ORDERS, st.data())
def test_range_as_list(orders, data):
    """A range has the runs of the list of its pages."""
    memory = memory_of(*orders)
    stop = START + sum(1 << order for order in orders)
    page = data.draw(st.integers(START, stop - 1))
    npages = data.draw(st.integers(0, stop - page))

    assert list_runs(memory, range(page, page + npages)) == range_runs(memory, page, npages)


HUGE = st.lists(st.sampled_from([18, 9, 9, 4, 1]), min_size=1, max_size=6).map(
    lambda o: sorted(o, reverse=True)
)
HUGE_START = 1 << 18


@st.composite
def huge(draw):
    """Memory of huge pages, its compound pages, and a frame at the edge of one or amid it."""
    orders = draw(HUGE)
    extents = placed(((order, 1) for order in orders), HUGE_START)
    chosen = draw(st.sampled_from(extents))
    size = 1 << chosen.order
    offset = draw(st.sampled_from([0, 1, size // 2, size - 1]) | st.integers(0, size - 1))
    return Memory(DEFAULT, [Mapping("a", "hugetlb", extents)]), extents, chosen.pfn + offset


@given(huge(), st.data())
def test_range_over_huge_pages(drawn, data):
    """From a tail of a huge page too, runs cover the range: at least a page each, up to an edge."""
    memory, extents, page = drawn
    left = extents[-1].stop - page
    npages = data.draw(st.integers(0, min(left, 3)) | st.integers(0, left))

    i = 0
    while i < npages:
        head, ntails = compound_range_next(memory, i, npages, page)
        (inside,) = (e for e in extents if e.pfn <= page + i < e.stop)
        assert inside.pfn == head
        assert 1 <= ntails <= npages - i
        # Maximal: it ends with the compound page or with the range, and no sooner or later.
        assert page + i + ntails == min(inside.stop, page + npages)
        i += ntails
    assert npages == i


@given(huge(), st.data())
def test_list_over_huge_pages(drawn, data):
    """Any pages of huge pages: each run is of one head, of one entry at least, and maximal."""
    memory, extents, page = drawn
    frames = st.sampled_from([e.pfn for e in extents] + [e.stop - 1 for e in extents] + [page])
    pages = [page, *data.draw(st.lists(frames, max_size=12))]

    i = 0
    while i < len(pages):
        head, ntails = compound_next(memory, i, len(pages), pages)
        assert 1 <= ntails <= len(pages) - i
        assert {head} == set(map(memory.compound_head, pages[i : i + ntails]))
        i += ntails
        assert i == len(pages) or head != memory.compound_head(pages[i])
    assert len(pages) == i
