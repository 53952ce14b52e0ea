# SPDX-License-Identifier: MIT

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.frames import Block, Frames
from model.mapping import Extent, Mapping


def heads(frames, pfns):
    """The head and the order of the compound page that each frame belongs to."""
    found = {}
    for pfn in pfns:
        block = frames.block(pfn)
        if block is not None:
            found[pfn] = (pfn & -(1 << block.order), block.order)
    return found


@st.composite
def fillings(draw, start, stop):
    """Extents that fill frames [start, stop), naturally aligned."""
    extents = []
    while start < stop:
        orders = [o for o in range(4) if start % (1 << o) == 0 and start + (1 << o) <= stop]
        order = draw(st.sampled_from(orders))
        extents.append(Extent(start, order, 1))
        start = extents[-1].stop
    return extents


def test_block():
    """A frame is found in the mapping that holds it, with its references and kind."""
    a = Mapping("a", "driver", (Extent(0x10, 2, 2), Extent(0x18, 0, 1)), refs=3)
    b = Mapping("b", "base", (Extent(0x8, 0, 2),))
    frames = Frames([a, b])

    assert Block(0x10, 0x18, 2, 3, "driver") == frames.block(0x17)
    assert Block(0x18, 0x19, 0, 3, "driver") == frames.block(0x18)
    assert Block(0x8, 0xA, 0, 1, "base") == frames.block(0x8)


def test_no_block():
    """Below, between and above the mappings there is nothing."""
    frames = Frames([Mapping("a", "driver", (Extent(0x14, 0, 1), Extent(0x10, 0, 1)))])

    assert [None] * 3 == [frames.block(pfn) for pfn in (0xF, 0x11, 0x15)]


def test_replace_in_the_middle():
    """What stands before and after in the same block stays as it was."""
    frames = Frames([Mapping("a", "driver", (Extent(0x10, 2, 3),), refs=2)])
    frames.replace([Extent(0x14, 1, 1), Extent(0x16, 0, 2)])

    assert [
        Block(0x10, 0x14, 2, 2, "driver"),
        Block(0x14, 0x16, 1, 2, "driver"),
        Block(0x16, 0x18, 0, 2, "driver"),
        Block(0x18, 0x1C, 2, 2, "driver"),
    ] == [frames.block(pfn) for pfn in (0x10, 0x14, 0x16, 0x18)]


@given(st.data())
def test_replace_as_page_by_page(data):
    """Whatever compound pages are replaced, each frame belongs to its newest one."""
    first = data.draw(fillings(0x10, 0x20))
    second = data.draw(fillings(0x20, 0x2A))
    beyond = Extent(0x40, 3, 2)
    frames = Frames(
        [Mapping("a", "driver", tuple(first)), Mapping("b", "driver", (*second, beyond))]
    )
    naive = {pfn: e for e in (*first, *second) for pfn in range(e.pfn, e.stop)}

    for _ in range(data.draw(st.integers(1, 4))):
        pages = sorted(set(naive.values()), key=lambda e: e.pfn)
        low = data.draw(st.integers(0, len(pages) - 1))
        high = data.draw(st.integers(low, len(pages) - 1))
        new = data.draw(fillings(pages[low].pfn, pages[high].stop))
        frames.replace(new)
        naive |= {pfn: e for e in new for pfn in range(e.pfn, e.stop)}

    expected = {pfn: (e.pfn, e.order) for pfn, e in naive.items()}
    expected |= {pfn: (pfn & ~7, 3) for pfn in range(0x40, 0x50)}
    assert expected == heads(frames, range(0x60))
