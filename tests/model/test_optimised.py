# SPDX-License-Identifier: MIT

"""What the series saves. That it counts right is in test_reference.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.optimised import COUNT_LIMIT, Optimised
from model.parse import parse_program
from model.reference import Reference
from model.step import FOLL_LONGTERM, FOLL_WRITE

#: Compound pages of orders 2, 2 and 1, then two single pages.
A = 'a = mapping("driver", orders=[2, 2, 1, 0, 0], pfn=0x10)'
FOUR, NEXT, PAIR, ONE, OTHER = 0x10, 0x14, 0x18, 0x1A, 0x1B


@pytest.fixture(scope="module")
def optimised(carry_out):
    """A function that carries out statements on the optimised model."""
    return lambda *lines, **kwargs: carry_out(Optimised, *lines, **kwargs)


def events(snapshot, *kinds):
    """What happened to which page, for some kinds of event."""
    return [
        (event.what, event.page, event.refs) for event in snapshot.events if event.what in kinds
    ]


# Pinning.


@pytest.mark.parametrize("call", ["pin_user_pages", "get_user_pages", "pin_user_pages_fast_only"])
def test_one_grab_for_each_run(optimised, call):
    """A run of one head is grabbed in one go."""
    world = optimised(A, f"h1 = {call}(a[1:4] + a[4:6] + a[0:1])")

    assert [("grab", FOUR, 3), ("grab", NEXT, 2), ("grab", FOUR, 1)] == events(world.last, "grab")


@pytest.mark.parametrize("call", ["pin_user_pages", "get_user_pages", "pin_user_pages_fast_only"])
def test_every_other_page(optimised, call):
    """A slice that skips pages is grabbed by its entries, not as the range it spans."""
    world = optimised(A, f"h1 = {call}(a[0:8:2])")

    assert [("grab", FOUR, 2), ("grab", NEXT, 2)] == events(world.last, "grab")


def test_bias_in_one_grab(optimised):
    """A grab of several pins by bias adds their 1024 references each at once."""
    world = optimised(A, "h1 = pin_user_pages(a[8:10]*2)")

    assert [("grab", PAIR, 4096)] == events(world.last, "grab")


def test_two_million_pins(optimised):
    """Pin 2,097,152 of a single page carries its count past 2^31, and the next is refused."""
    world = optimised(A, "clean(a[10:11])")

    assert 2_097_152 == world.candidate.try_grab_compound_head(ONE, 2_097_160)
    assert 1 + 1024 * 2_097_152 - 2**32 == world.memory.page_ref_count(ONE)
    assert 1 == len(world.memory.warnings)


@pytest.mark.parametrize("more", [0, 1])
def test_zero_page_at_the_limit(carry_out, more):
    """A pin of the zero page changes no count, and is refused as long as its count is negative."""
    lines = (
        'z = mapping("zero", orders=[0])',
        f"get_page(z[0:1], n={COUNT_LIMIT - 2 + more})",
        "h1 = pin_user_pages(z[0:1]*3)",
    )
    shown = carry_out(Optimised, *lines, semantics="6.1").last
    naive = carry_out(Reference, *lines, semantics="6.1").last

    assert (-12 if more else 3) == shown.returned == naive.returned
    assert bool(more) == bool(shown.warnings)
    assert shown.warnings == naive.warnings
    assert naive.heads == shown.heads


@pytest.mark.parametrize(
    "lines",
    [
        [f"get_page(a[0:1], n={COUNT_LIMIT - 3})", "h1 = pin_user_pages(a[0:4])"],
        [f"get_page(a[0:1], n={COUNT_LIMIT - 3})", "h1 = get_user_pages(a[0:4])"],
        [
            f"get_page(a[0:1], n={COUNT_LIMIT - 3})",
            "h1 = pin_user_pages_fast_only(a[0:4], changed=3)",
        ],
        ["h1 = pin_user_pages(a[0:2])", "unpin_user_pages(h1[0:2], npages=-14)"],
    ],
    ids=["pin", "get", "changed", "error value"],
)
def test_warns_as_the_reference(carry_out, lines):
    """What is refused sets off one WARN, and it says what one page at a time says."""
    reference, optimised = (carry_out(make, A, *lines).last for make in (Reference, Optimised))

    assert 1 == len(optimised.warnings)
    assert reference.warnings == optimised.warnings


# Unpinning.


@pytest.mark.parametrize(
    ("puts", "pages"),
    [
        ([(FOUR, 4)], "h1[0:4]"),
        ([(FOUR, 3)], "h1[1:4]"),
        ([(FOUR, 3), (NEXT, 1)], "h1[1:5]"),
        ([(FOUR, 1), (NEXT, 4), (PAIR, 2048), (ONE, 1024)], "h1[3:11]"),
        ([(NEXT, 4), (FOUR, 4)], "h1[7::-1]"),
        ([(FOUR, 1), (NEXT, 1), (FOUR, 1)], "h1[0:1] + h1[4:5] + h1[1:2]"),  # A-B-A
        ([(ONE, 1024), (OTHER, 1024)], "h1[10:12]"),
    ],
)
@pytest.mark.parametrize(
    "call",
    ["unpin_user_pages({})"]
    + [f"unpin_user_pages_dirty_lock({{}}, make_dirty={dirty})" for dirty in (True, False)],
)
def test_one_put_for_each_run(optimised, call, puts, pages):
    """Adjacent entries of one head are dropped in one put."""
    world = optimised(A, "h1 = pin_user_pages(a[0:12])", call.format(pages))

    assert [("put", *put) for put in puts] == events(world.last, "put")
    assert len(puts) == world.last.puts


@pytest.mark.parametrize(
    ("puts", "pages"),
    [
        ([(FOUR, 4)], "0:4"),
        ([(FOUR, 2)], "1:3"),
        ([(FOUR, 1), (NEXT, 4), (PAIR, 1024)], "3:9"),
        ([(PAIR, 1024), (ONE, 1024), (OTHER, 1024)], "9:12"),
    ],
)
@pytest.mark.parametrize("make_dirty", [True, False])
def test_one_put_for_each_run_of_a_range(optimised, puts, pages, make_dirty):
    """What a range holds of one compound page is dropped in one put."""
    world = optimised(
        A,
        "h1 = pin_user_pages(a[0:12])",
        f"unpin_user_page_range_dirty_lock(h1[{pages}], make_dirty={make_dirty})",
    )

    assert [("put", *put) for put in puts] == events(world.last, "put")


@pytest.mark.parametrize(
    "call", ["unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock"]
)
def test_dirty_before_the_put(optimised, call):
    """A head is dirtied before its put, which may free it, and the statistic moves before, too."""
    world = optimised(
        A, "h1 = pin_user_pages(a[0:5])", "unmap(a[0:1])", f"{call}(h1[0:5], make_dirty=True)"
    )

    assert [
        ("dirty", FOUR, 0),
        ("stat", -1, 4),
        ("put", FOUR, 4),
        ("free", FOUR, 0),
        ("dirty", NEXT, 0),
        ("stat", -1, 1),
        ("put", NEXT, 1),
    ] == events(world.last, "dirty", "stat", "put", "free", "stale")


def test_one_lock_for_each_head(optimised):
    """A run takes the page lock once, a head that is dirty by then not at all."""
    world = optimised(
        A,
        "h1 = pin_user_pages(a[0:8])",
        "unpin_user_pages_dirty_lock(h1[0:2] + h1[4:8] + h1[2:4], make_dirty=True)",
    )

    assert [("dirty", FOUR, 0), ("dirty", NEXT, 0)] == events(world.last, "dirty")
    assert (3, 2) == (world.last.puts, world.last.dirty_locks)


def test_huge_entry_in_one_put(optimised):
    """All references of a huge entry that changed are put back in one put."""
    world = optimised(
        'a = mapping("thp", orders=[9], pfn=0x200)',
        "h1 = pin_user_pages_fast_only(a[0:512], changed=300)",
    )

    assert [("grab", 0x200, 512), ("put", 0x200, 512)] == events(world.last, "grab", "put")


# RDMA memory regions.


@pytest.mark.parametrize(("puts", "semantics"), [(7, "5.11"), (3, "5.13")])
@pytest.mark.parametrize("dirty", [True, False])
def test_release(optimised, puts, semantics, dirty):
    """Before the series a release took a put for each page, then one for each run."""
    world = optimised(
        A,
        "u1 = ib_umem_get(a[2:9])",
        f"ib_umem_release(u1, dirty={dirty})",
        semantics=semantics,
    )

    assert puts == world.last.puts
    assert (3 if dirty else 0) == world.last.dirty_locks


@pytest.mark.parametrize(("writable", "flags"), [(True, FOLL_WRITE), (False, 0)])
def test_pins_of_a_region(optimised, writable, flags):
    """A region asks for long-term pins, and to write if the device may, once a batch."""
    pages = 'b = mapping("driver", orders=[10], pfn=0x400)'
    world = optimised(pages, f"m1 = ib_umem_get(b[0:600], writable={writable})")

    assert [("ask", -1, FOLL_LONGTERM | flags)] * 2 == events(world.last, "ask")


def test_failed_append_first(optimised):
    """The batch that found no memory is unpinned before the batches that did, as in umem.c."""
    world = optimised(
        'a = mapping("driver", orders=[9, 9], pfn=0x200)',
        "u1 = ib_umem_get(a[0:1024], append_fails=1)",
    )

    assert [("put", 0x400, 512), ("put", 0x200, 512)] == events(world.last, "put")


# Iterators that a sketch puts in their place.


def test_a_sketch_of_an_iterator(carry_out):
    """An iterator that is overridden is used to unpin, and not to pin."""

    class ByPage(Optimised):
        def compound_next(self, i, npages, pages):
            return super().compound_next(i, npages, pages)[0], 1

        def compound_range_next(self, i, npages, page):
            return super().compound_range_next(i, npages, page)[0], 1

    world = carry_out(
        ByPage,
        A,
        "h1 = pin_user_pages(a[0:8])",
        "unpin_user_pages(h1[0:2])",
        "unpin_user_pages_dirty_lock(h1[2:4], make_dirty=True)",
        "unpin_user_page_range_dirty_lock(h1[4:8], make_dirty=False)",
    )

    assert 2 == len(events(world.snapshots[0], "grab"))
    assert [2, 2, 4] == [snapshot.puts for snapshot in world.snapshots[1:]]
    assert (8, 8) == world.stats()


# The same as page by page.


UNPINS = [
    "unpin_user_pages(ALL)",
    "unpin_user_pages_dirty_lock(ALL, make_dirty={})",
    "unpin_user_page_range_dirty_lock(ALL, make_dirty={})",
]


@st.composite
def careful(draw):
    """Statements that release no more than is held, in any order."""
    orders = draw(st.lists(st.sampled_from([0, 1, 2, 9]), min_size=1, max_size=5))
    lines = [f'a = mapping("driver", orders={sorted(orders, reverse=True)}, pfn=0x200)']
    npages = sum(1 << order for order in orders)
    handles, regions = [], []
    for n in range(draw(st.integers(1, 8))):
        do = draw(st.sampled_from(["pin", "pin", "fast", "umem", "unpin", "unpin", "release"]))
        start = draw(st.integers(0, npages - 1))
        stop = draw(st.integers(start + 1, min(npages, start + 8)))
        if do == "pin":
            twice = draw(st.sampled_from(["", "*2"]))
            lines.append(f"h{n} = pin_user_pages(a[{start}:{stop}]{twice})")
            handles.append((f"h{n}", stop - start))
        elif do == "fast":
            changed = draw(st.integers(0, stop - start - 1))
            lines.append(f"h{n} = pin_user_pages_fast_only(a[{start}:{stop}], changed={changed})")
        elif do == "umem":
            fails = draw(st.sampled_from(["", ", nmap=1", ", nmap=0", ", append_fails=0"]))
            segment = draw(st.sampled_from(["", ", max_segment=8192"]))
            lines.append(f"u{n} = ib_umem_get(a[{start}:{stop}]{segment}{fails})")
            regions += [] if fails.endswith("=0") else [f"u{n}"]
        elif do == "release" and regions:
            lines.append(f"ib_umem_release({regions.pop()}, dirty={draw(st.booleans())})")
        elif handles:
            handle, length = handles.pop(draw(st.integers(0, len(handles) - 1)))
            call = draw(st.sampled_from(UNPINS)).format(draw(st.booleans()))
            lines.append(call.replace("ALL", f"{handle}[0:{length}]"))
    return [*lines, "clean(a[0:1])"]


@given(careful())
def test_agrees_with_the_reference(lines):
    """Whatever keeps the contract, each step leaves what page by page leaves."""
    program = parse_program("\n".join(["# headcount 1", 'semantics("5.13")', *lines, ""]))
    pairs = zip(Reference().execute(program), Optimised().execute(program), strict=True)
    for reference, optimised in pairs:
        assert reference.heads == optimised.heads
        assert reference.returned == optimised.returned
        assert reference.acquired == optimised.acquired
        assert reference.released == optimised.released
        assert optimised.puts <= reference.puts
        assert optimised.dirty_locks == reference.dirty_locks
