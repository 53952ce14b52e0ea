# SPDX-License-Identifier: MIT

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.umem import BATCH, Scatterlist, Umem, append_pages

LARGE = 1 << 30


def test_batch():
    """512 pointers of 8 bytes fit into one page."""
    assert 512 == BATCH


@pytest.mark.parametrize(("npages", "length"), [(1, 1), (1, 4096), (2, 4097), (3, 12288)])
def test_partial_page(npages, length):
    """A page of which only some bytes are in the entry counts whole."""
    assert npages == Scatterlist(0x10, length).npages


def test_no_entries_at_first():
    """A region begins with no entries, neither as the CPU nor as the device sees them."""
    umem = Umem(True)

    assert (0, 0) == (umem.sg_nents, umem.nmap)


def test_sg_nents():
    """The CPU sees every entry, however many the IOMMU made of them."""
    assert 2 == Umem(True, [Scatterlist(1, 4096), Scatterlist(3, 4096)], nmap=1).sg_nents


@pytest.mark.parametrize(
    ("entries", "pages", "max_segment"),
    [
        ([], [], LARGE),
        ([(5, 3)], [5, 6, 7], LARGE),
        ([(5, 1), (7, 1)], [5, 7], LARGE),
        ([(7, 1), (6, 1), (5, 1)], [7, 6, 5], LARGE),
        ([(5, 1), (5, 2)], [5, 5, 6], LARGE),
        ([(5, 2), (7, 1)], [5, 6, 7], 8192),
        ([(5, 1), (6, 1)], [5, 6], 8191),  # rounded down to whole pages
        ([(5, 2), (7, 2), (9, 1)], range(5, 10), 12287),
    ],
)
def test_append(entries, pages, max_segment):
    """Contiguous frames form one entry, as long as it is no longer than it may be."""
    sgl = []
    append_pages(sgl, pages, max_segment)

    assert entries == [(sg.page, sg.npages) for sg in sgl]
    assert all(sg.length == sg.npages * 4096 for sg in sgl)


@pytest.mark.parametrize(
    ("entries", "pages", "max_segment"),
    [
        ([(5, 4)], [7, 8], LARGE),  # goes on
        ([(5, 2), (8, 1)], [8], LARGE),  # leaves a gap
        ([(5, 2), (6, 1)], [6], LARGE),  # repeats
        ([(5, 3), (8, 1)], [7, 8], 12288),  # fills it up
        ([(5, 2), (7, 2)], [7, 8], 8192),  # is full already
    ],
)
def test_append_to_the_batch_before(entries, pages, max_segment):
    """The first pages of a batch join the last entry of the one before."""
    sgl = [Scatterlist(5, 8192)]
    append_pages(sgl, pages, max_segment)

    assert entries == [(sg.page, sg.npages) for sg in sgl]


@given(
    st.lists(st.lists(st.integers(0, 6), max_size=12), max_size=4),
    st.integers(4096, 5 * 4096),
)
def test_append_loses_nothing(batches, max_segment):
    """Entries list the pages in their order, and part only where they must."""
    sgl = []
    for batch in batches:
        append_pages(sgl, batch, max_segment)

    assert [page for batch in batches for page in batch] == [
        sg.page + i for sg in sgl for i in range(sg.npages)
    ]
    assert all(sg.length <= max_segment for sg in sgl)
    for before, after in pairwise(sgl):
        full = before.length + 4096 > max_segment
        assert full or before.page + before.npages != after.page
