# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadInput
from model.mapping import (
    MAX_PFN,
    MAX_REFS,
    MAX_SCATTERED,
    Extent,
    Mapping,
    Scattered,
    align_up,
    default_pfn,
    orders_text,
    overlap,
    placed,
)
from model.parse import parse_layout


@st.composite
def mappings(draw):
    """Mappings whose frames rise, fall or scatter, with gaps or without."""
    runs = st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(0, 5))
    extents = []
    pfn = draw(st.integers(0, 0x2000))
    for order, count, gap in draw(st.lists(runs, min_size=1, max_size=6)):
        extents.append(Extent(align_up(pfn + gap, order), order, count))
        pfn = extents[-1].stop
    order = draw(st.sampled_from(["rising", "falling", "scattered"]))
    if order == "falling":
        extents.reverse()
    elif order == "scattered":
        extents = draw(st.permutations(extents))
    return Mapping("a", "driver", tuple(extents), draw(st.sampled_from([1, 2, MAX_REFS])))


@pytest.mark.parametrize(
    ("fits", "pfn", "order"), [(5, 5, 0), (8, 5, 2), (8, 8, 2), (12, 9, 2), (0, 0, 18)]
)
def test_align_up(fits, pfn, order):
    """A compound page is naturally aligned: its first frame is a multiple of its size."""
    assert fits == align_up(pfn, order)


def test_extent_stop():
    """Three compound pages of order 2 end twelve frames on."""
    assert 0x10 + 12 == Extent(0x10, 2, 3).stop


def test_placed():
    """Each run stands at the next frame that fits it."""
    assert (Extent(1, 0, 1), Extent(4, 2, 2), Extent(12, 0, 1)) == placed(
        [(0, 1), (2, 2), (0, 1)], 1
    )


def test_joined():
    """Equal compound pages side by side are one extent."""
    split = (Extent(8, 1, 1), Extent(10, 1, 2), Extent(14, 0, 1), Extent(16, 0, 1))
    joined = (Extent(8, 1, 3), Extent(14, 0, 1), Extent(16, 0, 1))

    assert joined == Mapping("a", "driver", split).extents
    assert Mapping("a", "driver", joined) == Mapping("a", "driver", split)


@pytest.mark.parametrize(
    ("complaint", "extents", "kwargs"),
    [
        ("unknown kind 'slab'; kinds are base, thp, ", [(0, 0, 1)], {"kind": "slab"}),
        (f"refs=0 is not in 1..{2**31 - 1}", [(0, 0, 1)], {"refs": 0}),
        (f"refs={2**31} is not in 1..{2**31 - 1}", [(0, 0, 1)], {"refs": 2**31}),
        ("no compound pages", [], {}),
        ("order -1 is not in 0..18", [(0, -1, 1)], {}),
        ("order 19 is not in 0..18", [(0, 19, 1)], {}),
        ("0 compound pages of order 3", [(0, 3, 0)], {}),
        ("frame 0x6 is not aligned to order 2", [(6, 2, 1)], {}),
        ("frame -0x4 is not in 0..0xffffffffff", [(-4, 2, 1)], {}),
        ("frame 0xfffffffffc is not in 0..0xffffffffff", [(MAX_PFN - 4, 2, 2)], {}),
        ("two of its compound pages hold frame 0x8", [(8, 0, 1), (8, 2, 1)], {}),
        ("two of its compound pages hold frame 0x9", [(9, 0, 1), (8, 1, 1)], {}),
        (
            f"more than {1 << 24} pages with frames that are not contiguous",
            [(0, 18, 64), (1 << 26, 0, 1)],
            {},
        ),
    ],
)
def test_complaints(complaint, extents, kwargs):
    """A mapping that cannot be is refused in one line, which names it."""
    with pytest.raises(BadInput) as caught:
        Mapping("a", **{"kind": "driver", **kwargs}, extents=tuple(Extent(*e) for e in extents))

    assert str(caught.value).startswith(f"mapping a: {complaint}")
    assert 1 == len(str(caught.value).splitlines())


def test_bounds():
    """The last frame, the most references and the longest scattered list are good."""
    assert MAX_PFN == Mapping("a", "driver", (Extent(MAX_PFN - 4, 2, 1),), MAX_REFS).stop
    assert (
        MAX_SCATTERED
        == Mapping("a", "hugetlb", (Extent(1 << 26, 18, 32), Extent(0, 18, 32))).npages
    )


def test_contiguous_is_a_range():
    """16 GiB of contiguous frames take no list of them."""
    mapping = Mapping("a", "hugetlb", (Extent(0x40000, 18, 16),))

    assert range(0x40000, 0x40000 + (1 << 22)) == mapping.pages


@given(mappings())
def test_pages(mapping):
    """Page by page, the mapping is its compound pages one after another."""
    pages = [
        e.pfn + (nth << e.order) + tail
        for e in mapping.extents
        for nth in range(e.count)
        for tail in range(1 << e.order)
    ]

    assert pages == list(mapping.pages)
    assert len(pages) == mapping.npages
    assert max(pages) + 1 == mapping.stop
    assert sum(e.count for e in mapping.extents) == mapping.ncompound
    assert [e.pfn for e in mapping.extents] == [pages[at] for at in mapping.offsets]
    assert list(range(len(pages))) == [mapping.offset(pfn) for pfn in pages]


def test_offset_of_no_page():
    """A frame in a gap, or past the end, is none of the mapping's pages."""
    mapping = Mapping("a", "driver", (Extent(8, 0, 1), Extent(10, 0, 1)))

    assert [None, 0, None, 1, None] == [mapping.offset(pfn) for pfn in range(7, 12)]


@pytest.mark.parametrize(
    ("text", "extents"),
    [
        ("orders=[0, 0, 1]", [(0x10, 0, 2), (0x12, 1, 1)]),
        ("orders=[0, 0, 0]", [(0x10, 0, 3)]),
        ("orders=[0]*4", [(0x10, 0, 4)]),
        ("orders=[0]*4 + [2] + [1]*5", [(0x10, 0, 4), (0x14, 2, 1), (0x18, 1, 5)]),
        # A gap that alignment asks for is no gap.
        ("orders=[0, 2]", [(0x10, 0, 1), (0x14, 2, 1)]),
        ("orders=[0, 2], pfn=0x20", [(0x20, 0, 1), (0x24, 2, 1)]),
        ("orders=[0] + [2], pfn=[0x10, 0x18]", [(0x10, 0, 1), (0x18, 2, 1)]),
        ("orders=[0] + [0], pfn=[0x11, 0x10]", [(0x11, 0, 1), (0x10, 0, 1)]),
        (
            "orders=[0]*4 + [1] + [0], pfn=[0x20, 0x24, 0x10]",
            [(0x20, 0, 4), (0x24, 1, 1), (0x10, 0, 1)],
        ),
    ],
)
def test_text(text, extents):
    """The statement names frames only where they are not the next that fit."""
    mapping = Mapping("a", "driver", tuple(Extent(*e) for e in extents))

    assert f'a = mapping("driver", {text})' == mapping.text(0x10)


def test_text_of_refs():
    """References are written where there is not just one."""
    mapping = Mapping("a", "thp", (Extent(0x200, 9, 1),), refs=3)

    assert 'a = mapping("thp", orders=[9], pfn=0x200, refs=3)' == mapping.text(0)


@given(mappings())
def test_text_parses_back(mapping):
    """The text of a mapping makes an equal one, whose text is the same."""
    text = mapping.text(default_pfn(0xFFF, (e.order for e in mapping.extents)))

    (parsed,) = parse_layout(f"# headcount 1\n{text}\n")

    assert mapping == parsed
    assert text == parsed.text(default_pfn(0xFFF, (e.order for e in mapping.extents)))


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("[3]", [3]),
        ("[0, 0, 0]", [0, 0, 0]),
        ("[0]*4", [0, 0, 0, 0]),
        ("[2, 0, 0] + [1]*5 + [0, 2]", [2, 0, 0, 1, 1, 1, 1, 1, 0, 2]),
        ("[0]*4 + [1]*4", [0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_orders_text(text, orders):
    """Four equal orders are counted, fewer are listed."""
    assert text == orders_text(orders)


@pytest.mark.parametrize(
    ("clash", "extents"),
    [
        (None, []),
        (None, [(8, 0, 1)]),
        (None, [(12, 2, 1), (8, 2, 1)]),
        (9, [(8, 0, 2), (9, 0, 1)]),
        (8, [(8, 2, 1), (8, 2, 1)]),
        (0x100, [(0, 9, 1), (0x300, 0, 1), (0x100, 0, 1)]),
    ],
)
def test_overlap(clash, extents):
    """A frame that two extents hold is found, whatever their order."""
    assert clash == overlap(Extent(*e) for e in extents)


@pytest.mark.parametrize(
    ("pfn", "end", "orders"),
    [(0x1001, 0x1000, []), (0x1002, 0x1001, [0]), (0x1200, 0x1001, [0, 9])],
)
def test_default_pfn(pfn, end, orders):
    """A mapping lies past those before it, a frame between, aligned to its largest order."""
    assert pfn == default_pfn(end, orders)


@given(st.data())
def test_scattered(data):
    """Frames that are not stored are the same as those that are."""
    extents = [Extent(0x100, 2, 2), Extent(0x200, 3, 1), Extent(0x10, 0, 5), Extent(0x17, 0, 1)]
    mapping = Mapping("a", "driver", tuple(data.draw(st.permutations(extents))))
    stored = [frame for e in mapping.extents for frame in range(e.pfn, e.stop)]
    pages = Scattered(mapping.extents, mapping.offsets)
    some = data.draw(st.slices(len(stored)))
    at = data.draw(st.integers(0, len(stored) - 1))

    assert len(stored) == len(pages)
    assert stored == [*pages]
    assert stored[at] == pages[at]
    assert stored[-1] == pages[-1]
    assert stored[some] == pages[some]
    with pytest.raises(IndexError):
        pages[len(stored)]


def test_large_scattered_mapping():
    """The frames of a large mapping are not stored, though they are not contiguous."""
    mapping = Mapping("a", "driver", (Extent(0x100000, 10, (1 << 14) - 1), Extent(0x10, 0, 1)))
    few = Mapping("a", "driver", (Extent(0x100000, 10, 1), Extent(0x10, 0, 1)))

    assert isinstance(few.pages, list)
    assert isinstance(mapping.pages, Scattered)
    assert [0x100000 + mapping.npages - 2, 0x10] == mapping.pages[mapping.npages - 2 :]
