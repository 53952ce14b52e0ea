# SPDX-License-Identifier: MIT

"""What batching is for: unpinning 1 and 16 GiB, one page at a time and by runs.

Wall time in these models is Python's; the ratio between two rows of a group is
what counts, and the puts are exact:

    pytest tests/benchmarks/test_batching.py --benchmark-enable --benchmark-only
"""

from __future__ import annotations

import pytest

from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.memory import Memory
from model.optimised import Optimised
from model.reference import Reference
from model.semantics import DEFAULT

GIB = 1 << 18

#: Part of a GiB that is unpinned where nothing is measured, if a page is no larger.
UNMEASURED = 1 / 64
SIZES = {0: "4 KiB", 9: "2 MiB", 18: "1 GiB"}
KINDS = {0: "base", 9: "thp", 18: "hugetlb"}


def pinned(path, gib, order):
    """A memory of *gib* GiB in pages of *order*, each pinned once, for *path* to unpin."""
    extents = placed([(order, int(gib * GIB) >> order)], align_up(FIRST_PFN, order))
    mapping = Mapping("a", KINDS[order], extents)
    memory = Memory(DEFAULT, [mapping], journal=False)
    both = Optimised()
    both.memory = path.memory = memory
    memory.begin_step(mapping.npages)
    assert both.pin_user_pages(mapping.pages) == mapping.npages
    memory.begin_step(mapping.npages)
    return mapping.pages


def unpin(path, call, pages):
    """Unpin all of *pages* with *call*."""
    if call == "list":
        path.unpin_user_pages(pages, len(pages))
    else:
        path.unpin_user_page_range_dirty_lock(pages[0], len(pages), make_dirty=False)


@pytest.mark.parametrize("path", [Reference, Optimised])
@pytest.mark.parametrize("call", ["list", "range"])
@pytest.mark.parametrize("order", SIZES)
@pytest.mark.parametrize("gib", [1, 16])
def test_unpin(benchmark, gib, order, call, path):
    """The reference puts every page, the optimised model every head once."""
    if benchmark.disabled:
        if gib > 1:
            pytest.skip("16 GiB only when measured: add --benchmark-enable")
        gib = max(UNMEASURED, (1 << order) / GIB)
    benchmark.group = f"{gib:2g} GiB of {SIZES[order]} pages, {call}"
    candidate = path()
    pages = None

    def setup():
        nonlocal pages
        pages = list(pinned(candidate, gib, order))
        return (candidate, call, pages), {}

    benchmark.pedantic(unpin, setup=setup, rounds=1 if gib > 1 else 3)
    heads = int(gib * GIB) >> order
    puts = len(pages) if path is Reference else heads
    benchmark.extra_info["puts"] = puts
    assert puts == candidate.memory.puts
    assert 0 == sum(state.pincount for state in candidate.memory.looks()[0].values())
