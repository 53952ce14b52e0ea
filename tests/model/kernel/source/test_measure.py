# SPDX-License-Identifier: MIT

"""That the passes do what they measure; how long they take is nobody's affair here."""

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.kernel.source.measure import Measure
from model.kernel.source.process import OPS


@pytest.fixture(scope="module")
def measure(toy):
    """The toy, to be measured."""
    return Measure(toy)


@pytest.mark.parametrize(("order", "segments"), [(0, {1}), (2, {4}), (9, {16, 512})])
def test_passes(measure, order, segments):
    """Each pass takes some time, and ranges are as long as compound pages allow."""
    pages = measure.pages(1 << 12, order, 2)

    assert order == pages.order
    assert segments == pages.ranges.keys()
    assert min(pages.singly, pages.listed, pages.released, pages.walk, pages.heads) > 0
    assert min(pages.ranges.values()) > 0
    assert 0 < pages.registered < pages.region


def test_passes_release(measure):
    """After a pass every pin is gone: as many as there are pages were counted as released."""
    lib, ffi = measure._lib, measure._ffi
    ffi.cdef("extern long hc_measured[2];")
    lib.hc_measure_on(1 << 10, 2)
    for op, each in (
        ("HC_UNPIN_USER_PAGE", 1),
        ("HC_UNPIN_USER_PAGES", 1 << 10),
        ("HC_UNPIN_USER_PAGES_DIRTY_LOCK", 1),
        ("HC_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK", 4),
    ):
        before = lib.hc_measured[1]
        lib.hc_unpinned(OPS[op], each)

        assert before + (1 << 10) == lib.hc_measured[1]


def test_without_ranges(edited):
    """A tree from before the range call has none to measure."""
    before = edited(
        ("void unpin_user_page_range_dirty_lock", "void toy_range"),
        ("static unsigned long compound_range_next", "static unsigned long toy_next"),
        ("compound_range_next(page", "toy_next(page"),
    )
    umem = before.files["drivers/infiniband/core/umem.c"]
    before.files["drivers/infiniband/core/umem.c"] = umem.replace(
        "unpin_user_page_range_dirty_lock", "toy_range"
    )

    assert {} == Measure(before).pages(1 << 10, 2, 1).ranges


def test_no_memory(measure):
    """More struct pages than there is memory for are refused in one line."""
    with pytest.raises(BadInput, match="not enough memory for 70368744177664 struct pages"):
        measure.pages(1 << 46, 0, 1)


def test_what_counts_wrong_has_no_speed(edited):
    """A pass that leaves pins is not told as a fast one."""
    lazy = edited(("\twhile (npages) {", "\twhile (npages && 0) {"))

    with pytest.raises(BadInput, match="ranges of 4: 256 heads have a wrong count"):
        Measure(lazy).pages(1 << 10, 2, 1)
