# SPDX-License-Identifier: MIT

"""How the kernel counts: of the reference, and of the optimised model alike."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadInput
from model.memory import Oops
from model.optimised import Optimised
from model.page import HeadState
from model.reference import Reference, Region

#: Compound pages of orders 2 and 1, then two single pages.
A = 'a = mapping("driver", orders=[2, 1, 0, 0], pfn=0x10)'
FOUR, PAIR, ONE, OTHER = 0x10, 0x14, 0x16, 0x17

#: A huge page, which one entry of the page table maps, and one that is smaller.
T = 'a = mapping("hugetlb", orders=[9, 8], pfn=0x200)'
HUGE, LARGE = 0x200, 0x400

#: Single pages for three batches, the last of them partial.
B = 'a = mapping("base", orders=[0]*1100, pfn=0x1000)'
FIRST = 0x1000

LIMIT = 2**31
EFAULT, ENOMEM = -14, -12


def test_region():
    """A memory region has as many entries as the CPU sees."""
    assert 2 == Region([(1, 4096), (3, 4096)], writable=True, nmap=1).sg_nents


# Pinning.


@pytest.mark.parametrize(
    ("head", "counts", "pages", "n"),
    [
        (ONE, (1 + 1024, 0), "a[6:7]", 1),
        (PAIR, (1 + 1024, 0), "a[5:6]", 1),
        (PAIR, (1 + 2 * 1024, 0), "a[4:6]", 2),
        (FOUR, (1 + 1, 1), "a[3:4]", 1),
        (FOUR, (1 + 4, 4), "a[0:4]", 4),
        (FOUR, (1 + 3, 3), "a[2:3]*3", 3),
        (FOUR, (1 + 2, 2), "a[0:1] + a[6:7] + a[3:4]", 3),
    ],
)
@pytest.mark.parametrize("call", ["pin_user_pages", "pin_user_pages_fast_only"])
def test_pin(run, call, head, counts, pages, n):
    """From order 2 on a pin is one reference and one pin, below it is 1024 references."""
    world = run(A, f"h1 = {call}({pages})")

    assert n == world.last.returned
    assert counts == world.counts(head)
    assert (n, 0) == world.stats()
    assert () == world.last.warnings


@pytest.mark.parametrize(("head", "pages"), [(ONE, "a[6:7]"), (PAIR, "a[5:6]"), (FOUR, "a[1:2]")])
def test_get(run, head, pages):
    """A plain reference is one, whatever the order, and no pin."""
    world = run(A, f"h1 = get_user_pages({pages}*3)")

    assert 3 == world.last.returned
    assert (1 + 3, 0) == world.counts(head)
    assert (0, 0) == world.stats()


@pytest.mark.parametrize("flags", ["FOLL_WRITE", "FOLL_LONGTERM", "FOLL_WRITE | FOLL_LONGTERM"])
def test_flags_do_not_count(run, flags):
    """What a pin is for changes nothing about how it is counted."""
    world = run(A, f"h1 = pin_user_pages(a[3:5], {flags})")

    assert ((2, 1), (1025, 0)) == (world.counts(FOUR), world.counts(PAIR))


@pytest.mark.parametrize(
    ("call", "first"),
    [
        ("pin_user_pages", EFAULT),
        ("get_user_pages", EFAULT),
        ("pin_user_pages_fast_only", 0),  # it leaves errors to the slow path
    ],
)
def test_not_mapped(run, call, first):
    """A page that is not mapped ends the walk: the pages before it, or an error if none."""
    world = run(A, "unmap(a[6:7])", f"h1 = {call}(a[4:8])", f"h2 = {call}(a[6:8])", "clean(a[7:8])")

    assert [2, first] == world.returned[1:3]
    assert 1 == world.memory.page_ref_count(OTHER)
    assert () == world.last.warnings


@pytest.mark.parametrize(
    ("call", "first"),
    [("pin_user_pages", EFAULT), ("get_user_pages", EFAULT), ("pin_user_pages_fast_only", 0)],
)
def test_held_but_not_mapped(run, call, first):
    """A page that only pins hold is not found in the page table."""
    world = run(A, "h1 = pin_user_pages(a[1:2])", "unmap(a[0:1])", f"h2 = {call}(a[1:2])")

    assert first == world.last.returned
    assert (1, 1) == world.counts(FOUR)


@pytest.mark.parametrize(
    ("call", "first"),
    [("pin_user_pages", ENOMEM), ("get_user_pages", ENOMEM), ("pin_user_pages_fast_only", 0)],
)
@pytest.mark.parametrize(("page", "head"), [("a[6:7]", ONE), ("a[3:4]", FOUR)])
def test_past_the_limit(run, call, first, page, head):
    """A count may be carried past 2^31; the grab after that is refused, with a WARN."""
    world = run(
        A,
        f"get_page({page}, n={LIMIT - 2})",
        f"h1 = {call}(a[7:8] + {page}*3 + a[7:8])",
        f"h2 = {call}({page} + a[7:8])",
    )
    each = 1024 if head == ONE and call != "get_user_pages" else 1

    assert [2, first] == world.returned[1:]
    assert LIMIT - 1 + each - 2**32 == world.memory.page_ref_count(head)
    assert [False, True, True] == [bool(snapshot.warnings) for snapshot in world.snapshots]
    assert {} == world.last.heads


@pytest.mark.parametrize(
    ("n", "refs", "call", "page", "head"),
    [
        (1, LIMIT - 1, "pin_user_pages", "a[6:7]", ONE),
        (1, LIMIT - 1024, "pin_user_pages", "a[6:7]", ONE),
        (2, LIMIT - 1025, "pin_user_pages", "a[6:7]", ONE),
        (2, LIMIT - 2048, "pin_user_pages", "a[5:6]", PAIR),
        (3, LIMIT - 3, "pin_user_pages", "a[1:2]", FOUR),
        (3, LIMIT - 3, "get_user_pages", "a[6:7]", ONE),
    ],
)
def test_room(run, n, refs, call, page, head):
    """As many grabs succeed as find a positive count; the last one may overflow it."""
    near = f"get_page({page}, n={refs - 1})"
    exact = run(A, near, f"h1 = {call}({page}*{n})")
    beyond = run(A, near, f"h1 = {call}({page}*{n + 1})")
    each = 1024 if head != FOUR and call == "pin_user_pages" else 1

    assert (n, n) == (exact.last.returned, beyond.last.returned)
    assert (False, True) == (bool(exact.last.warnings), bool(beyond.last.warnings))
    assert exact.last.heads == beyond.last.heads
    assert refs + n * each - 2**32 == exact.memory.page_ref_count(head)


@pytest.mark.parametrize("call", ["pin_user_pages", "get_user_pages"])
def test_refcount_of_zero(run, call):
    """A count that wrapped to nothing is refused like one below, with a WARN."""
    most = f"get_page(a[6:7], n={LIMIT - 1})"
    world = run(A, most, most, "get_page(a[6:7])", f"h1 = {call}(a[6:7])")

    assert 0 == world.memory.page_ref_count(ONE)
    assert ENOMEM == world.last.returned
    assert world.last.warnings


# Pinning without the slow path, where an entry of the page table changes meanwhile.


@pytest.mark.parametrize(
    ("heads", "pages", "changed"),
    [
        ({ONE: (1, 0)}, "a[6:8]", 0),
        ({ONE: (1025, 0), OTHER: (1, 0)}, "a[6:8]", 1),
        ({FOUR: (4, 3)}, "a[0:8]", 3),  # in the middle of a compound page
        ({FOUR: (5, 4), PAIR: (1025, 0)}, "a[0:8]", 5),
        ({ONE: (2049, 0)}, "a[6:7]*3", 2),
    ],
)
def test_small_entry_changed(run, heads, pages, changed):
    """The page of an entry that changed is put back; those before stay pinned."""
    world = run(A, f"h1 = pin_user_pages_fast_only({pages}, changed={changed})")

    assert changed == world.last.returned
    assert heads == {head: state[:2] for head, state in world.last.heads.items()}
    assert (changed + 1, 1) == world.stats()


def test_huge_entry_changed(run):
    """All that a huge entry gave in one go is put back, pages before the change too."""
    world = run(T, "h1 = pin_user_pages_fast_only(a[508:512], changed=2)")

    assert 0 == world.last.returned
    assert {HUGE: (1, 0, False, True)} == world.last.heads
    assert (4, 4) == world.stats()


@pytest.mark.parametrize(
    ("pages", "changed", "kept", "undone"),
    [
        ("g[0:600]", 550, 0, 600),  # a PUD
        ("g[262140:262150]", 6, 4, 6),  # the next page has an entry of its own
        ("p[0:1024]", 600, 512, 512),  # the second PMD of a page of two
        ("p[500:1024]", 20, 12, 512),
        ("p[500:520]", 3, 0, 12),
        ("g[0:512] + g[1024:1536]", 700, 512, 512),  # no PUD maps both parts
        ("g[0:10] + g[522:524]", 11, 11, 1),  # no PMD either
        ("p[0:1]*3", 1, 1, 1),
        ("p[3::-1]", 2, 2, 1),
        ("p[511:512] + p[0:3]", 2, 1, 3),  # a PMD may be mapped twice
        ("p[511:512] + p[1:3]", 2, 2, 1),
        ("p[511:512] + p[512:515]", 2, 1, 3),
        ("p[1:3] + p[5:6] + p[3:5]", 4, 4, 1),
        ("p[0:1] + g[1:4]", 2, 2, 1),  # a PMD cannot map pages of two compound pages
        ("s[511:512] + g[0:4]", 3, 1, 4),
        ("s[510:511] + g[0:4]", 3, 3, 1),  # the address has no room for a PMD
    ],
)
def test_what_an_entry_maps(run, pages, changed, kept, undone):
    """Pages that one entry maps are put back together; what other entries gave stays pinned."""
    world = run(
        'g = mapping("hugetlb", orders=[18, 9], pfn=0x40000)',
        'p = mapping("hugetlb", orders=[10], pfn=0x100000)',
        's = mapping("base", orders=[0]*512, pfn=0x200000)',
        f"h1 = pin_user_pages_fast_only({pages}, changed={changed})",
    )

    assert kept == world.last.returned
    assert (kept + undone, undone) == world.stats()


def test_large_page_of_small_entries_changed(run):
    """A compound page below the size of a PMD is mapped page by page."""
    world = run(T, "h1 = pin_user_pages_fast_only(a[510:516], changed=4)")

    assert 4 == world.last.returned
    assert ((3, 2), (3, 2)) == (world.counts(HUGE), world.counts(LARGE))
    assert (5, 1) == world.stats()


@pytest.mark.parametrize(("pages", "changed"), [("a[0:2] + a[512:513]", 2), ("a[512:513]", 0)])
def test_changed_but_not_mapped(run, pages, changed):
    """An entry that is not there gave nothing to put back."""
    world = run(
        T, "unmap(a[512:513])", f"h1 = pin_user_pages_fast_only({pages}, changed={changed})"
    )

    assert changed == world.last.returned
    assert (changed, 0) == world.stats()


def test_changed_after_the_end(run):
    """A walk that ended before never sees the change."""
    world = run(A, "unmap(a[6:7])", "h1 = pin_user_pages_fast_only(a[4:8], changed=3)")

    assert 2 == world.last.returned
    assert (2, 0) == world.stats()


def test_huge_entry_changed_at_the_limit(run):
    """No more is put back than was grabbed before the count refused."""
    world = run(
        T,
        f"get_page(a[0:1], n={LIMIT - 3})",
        "h1 = pin_user_pages_fast_only(a[0:4], changed=3)",
    )

    assert 0 == world.last.returned
    assert (LIMIT - 2, 0) == world.counts(HUGE)
    assert (2, 2) == world.stats()
    assert world.last.warnings


@pytest.mark.parametrize("changed", [2, 3])
def test_small_entry_changed_at_the_limit(run, changed):
    """Pages whose count refused keep the walk from the change, or the change from its put."""
    world = run(
        A,
        f"get_page(a[0:1], n={LIMIT - 3})",
        f"h1 = pin_user_pages_fast_only(a[0:4], changed={changed})",
    )

    assert 2 == world.last.returned
    assert (2, 0) == world.stats()
    assert world.last.warnings


# GUP-fast, and the slow path after it.

F = (
    'a = mapping("base", orders=[0]*4)',
    'b = mapping("hugetlb", orders=[9])',
    'z = mapping("zero", orders=[0])',
    "unmap(a[3:4])",
)


@pytest.mark.parametrize(
    ("arguments", "returned", "stats"),
    [
        ("a[0:3]", 3, (3, 0)),
        ("a[0:3], changed=1", 3, (4, 1)),
        ("b[0:3], changed=1", 3, (6, 3)),
        ('a[0:3], changed=1, race="fork"', 3, (6, 3)),
        ("a[0:4], changed=1", 3, (4, 1)),
        ("a[0:1] + a[3:4] + a[1:2], changed=2", 1, (1, 0)),  # the slow path ends, too
        ("a[3:4] + a[0:1]", EFAULT, (0, 0)),
        ("a[0:1] + z[0:1] + a[1:2]", 3, (3, 0)),  # what the fast path stops at, the slow path pins
        ("a[0:1] + z[0:1] + a[1:2], changed=2", 3, (3, 0)),
    ],
)
def test_slow_path_pins_the_rest(run, arguments, returned, stats):
    """What an entry or a fork undid is pinned by the slow path, and counted twice."""
    world = run(*F, f"h1 = pin_user_pages_fast({arguments})")

    assert returned == world.last.returned
    assert stats == world.stats()


def test_pins_stay_if_the_slow_path_fails(run):
    """An error of the slow path is returned if the fast path pinned nothing."""
    limit = f"get_page(a[0:1], n={LIMIT - 2})"
    world = run(
        *F, limit, "h1 = pin_user_pages_fast(a[1:2] + a[0:1]*2)", "h2 = pin_user_pages(a[0:1])"
    )

    assert [2, ENOMEM] == world.returned[2:]
    world = run(*F, limit, "h1 = pin_user_pages(a[0:1])", "h2 = pin_user_pages_fast(a[0:2])")

    assert [1, ENOMEM] == world.returned[2:]
    assert world.last.warnings


@pytest.mark.parametrize(
    ("call", "arguments", "returned", "refs"),
    [
        ("get_user_pages_fast_only", "a[0:3]", 3, 4),
        ("get_user_pages_fast_only", "a[0:3], changed=1", 1, 2),
        ("get_user_pages_fast_only", "b[0:3], changed=1", 0, 1),
        ("get_user_pages_fast_only", 'a[0:3], changed=1, race="collapse"', 1, 2),
        ("get_user_pages_fast_only", 'a[0:3], changed=1, race="fork"', 3, 4),  # is for pins alone
        ("get_user_pages_fast_only", "a[0:1] + z[0:1]", 1, 2),
        ("get_user_pages_fast_only", "a[3:4]", 0, 1),
        ("get_user_pages_fast", "a[0:3]", 3, 4),
        ("get_user_pages_fast", "b[0:3], changed=1", 3, 4),
        ("get_user_pages_fast", "a[0:1] + z[0:1] + a[0:1]", 3, 4),
        ("get_user_pages_fast", "a[0:1] + a[3:4]", 1, 2),
        ("get_user_pages_fast", "a[3:4]", EFAULT, 1),
    ],
)
def test_plain_references_fast(run, call, arguments, returned, refs):
    """Plain references are taken and undone as pins are, and no statistic shows them."""
    world = run(*F, f"h1 = {call}({arguments})", semantics="6.1")

    assert returned == world.last.returned
    heads = world.last.heads.values()
    assert refs == 1 + sum(head.refcount - 1 for head in heads if head.refcount)
    assert (0, 0) == world.stats()


def test_plain_references_ask_for_no_copy(run):
    """Neither a page that is shared nor one that should move is in the way of a reference."""
    world = run(
        'a = mapping("base", orders=[0, 0], shared=True)',
        'b = mapping("base", orders=[0, 0], movable=True)',
        "h1 = get_user_pages_fast_only(a[0:1] + b[0:1], FOLL_LONGTERM)",
        "h2 = get_user_pages_fast_only(b[0:1] + a[0:1], FOLL_WRITE)",
        "h3 = pin_user_pages_fast_only(a[0:1])",
        "h4 = get_user_pages_fast(a[0:1] + b[0:1], FOLL_WRITE | FOLL_LONGTERM)",
        semantics="6.12",
    )

    assert [2, 1, 0, 2] == world.returned


S = (
    'a = mapping("thp", orders=[9, 9], mapped="pte", pfn=0x400)',
    'b = mapping("hugetlb", orders=[9])',
    'c = mapping("base", orders=[0]*2)',
    'd = mapping("thp", orders=[9], mapped="pte", movable=True)',
    'e = mapping("thp", orders=[9], mapped="pte", shared=True)',
)


@pytest.mark.parametrize(
    ("arguments", "returned", "stats"),
    [
        ("a[0:3], changed=1", 1, (1, 0)),
        ("a[1:3], changed=0", 0, (0, 0)),
        ("a[0:3], changed=0", 3, (3, 0)),  # a head stays its own
        ("c[0:2], changed=1", 2, (2, 0)),
        ("b[1:4], changed=2", 0, (3, 3)),  # a PMD is split first
        ("b[0:1], changed=0", 0, (1, 1)),
        ("a[1:2] + b[0:1] + a[2:4], changed=2", 2, (2, 0)),
        ("a[1:3] + d[0:2], FOLL_LONGTERM, changed=3", 2, (2, 0)),  # it ends before
        ("d[1:3], FOLL_LONGTERM, changed=0", 0, (0, 0)),
        ("e[1:3], changed=0", 0, (0, 0)),
        ("e[1:3], changed=1", 0, (1, 1)),
        ("e[1:3], FOLL_WRITE, changed=0", 0, (0, 0)),
    ],
)
@pytest.mark.parametrize("semantics", ["6.1", "6.12"])
def test_split(run, arguments, returned, stats, semantics):
    """A tail is not pinned whose compound page is split before the grab; nothing of it shows."""
    step = f'h1 = pin_user_pages_fast_only({arguments}, race="split")'
    world = run(*S, step, semantics=semantics)

    assert returned == world.last.returned
    assert stats == world.stats()
    assert not world.last.warnings


@pytest.mark.parametrize(
    ("refs", "pages", "flags", "semantics", "warns"),
    [
        (LIMIT - 2, "a[0:3], changed=1", "", "6.1", True),
        (LIMIT - 3, "a[0:3], changed=1", "", "6.1", False),
        (LIMIT - 2, "a[0:3], changed=2", "", "6.1", True),  # at the page before
        (LIMIT - 2, "a[1:2], changed=0", "", "6.1", False),
        (LIMIT - 1, "a[1:2], changed=0", "", "6.1", True),
        (LIMIT - 2, "d[0:1] + d[1:3], changed=2", ", FOLL_LONGTERM", "6.1", False),
    ],
)
def test_split_of_a_full_page(run, refs, pages, flags, semantics, warns):
    """A head that is full warns, as its refcount is looked at first."""
    at, _, changed = pages.partition(",")
    world = run(
        *S,
        f"get_page({at[0]}[0:1], n={refs})",
        f'h1 = pin_user_pages_fast_only({at}{flags},{changed}, race="split")',
        semantics=semantics,
    )

    assert warns == bool(world.last.warnings)


@pytest.mark.parametrize(("semantics", "warns"), [("6.1", False), ("6.12", True)])
def test_split_of_a_full_page_that_moves(run, semantics, warns):
    """From 6.12 on a page is grabbed before GUP-fast looks whether it has to move."""
    world = run(
        *S,
        f"get_page(d[0:1], n={LIMIT - 2})",
        "h1 = get_user_pages(d[0:1])",
        'h2 = pin_user_pages_fast_only(d[1:3], FOLL_LONGTERM, changed=0, race="split")',
        semantics=semantics,
    )

    assert 0 == world.last.returned
    assert warns == bool(world.last.warnings)


# A device that goes away.

G = (
    'a = mapping("base", orders=[0]*3, pfn=0x1000)',
    'b = mapping("device-dax", orders=[0, 0], gone=True, pfn=0x13ff)',
    'd = mapping("device-dax", orders=[9], gone=True, mapped="{}", pfn=0x2000)',
)


@pytest.mark.parametrize(
    ("call", "arguments", "returned", "stats"),
    [
        ("pin_user_pages", "a[0:2] + b[0:1]", 2, (2, 0)),
        ("pin_user_pages", "b[0:1] + a[0:2]", EFAULT, (0, 0)),
        ("pin_user_pages_fast_only", "a[0:2] + b[0:1]", 0, (2, 2)),
        ("pin_user_pages_fast_only", "a[0:2] + b[0:1], FOLL_LONGTERM", 2, (2, 0)),
        ("pin_user_pages_fast_only", "a[0:2] + d[0:2]", 0, (2, 2)),  # no PMD maps it there
        ("pin_user_pages_fast_only", "b[0:1] + a[0:2]", 0, (0, 0)),
        ("pin_user_pages_fast_only", "a[0:3]*170 + a[0:2] + b[0:1]", 512, (512, 0)),  # a new table
        ("pin_user_pages_fast_only", "a[0:3]*170 + a[0:3] + b[0:1]", 512, (513, 1)),
        ("pin_user_pages_fast_only", 'a[0:2] + b[0:1], changed=0, race="fork"', 0, (2, 2)),
        ("pin_user_pages_fast", "a[0:2] + b[0:1]", 2, (4, 2)),
        ("pin_user_pages_fast", "b[0:1]", EFAULT, (0, 0)),
        ("get_user_pages_fast_only", "a[0:2] + b[0:1], FOLL_LONGTERM", 0, (0, 0)),
        ("get_user_pages_fast", "a[0:2] + b[0:1]", 2, (0, 0)),
    ],
)
def test_gone(run, call, arguments, returned, stats):
    """What the page table gave before it is given back, and the slow path fails there."""
    world = run(G[0], G[1], G[2].format("pte"), f"h1 = {call}({arguments})", semantics="6.1")

    assert returned == world.last.returned
    assert stats == world.stats()


@pytest.mark.parametrize(
    ("mapped", "pages", "changed"), [("pmd", "d[1:3]", ""), ("pte", "d[1:3]", "1")]
)
def test_gone_and_nothing_else(run, mapped, pages, changed):
    """A PMD gives nothing before its device is asked for; nor is a page split that is not had."""
    race = f', changed={changed}, race="split"' if changed else ""
    world = run(
        *G[:2],
        G[2].format(mapped),
        f"get_page(d[0:1], n={LIMIT - 1})",
        f"h1 = pin_user_pages_fast_only({pages}{race})",
        semantics="6.1",
    )

    assert 0 == world.last.returned
    assert (0, 0) == world.stats()
    assert not world.last.warnings


def test_gone_from_6_18_on(run):
    """No walk asks for the device any more."""
    with pytest.raises(BadInput, match=r"gone=True does not exist in 6\.18"):
        run(G[1], "h1 = pin_user_pages(b[0:1])", semantics="6.18")


# Unpinning.


@pytest.mark.parametrize(
    "call",
    [
        "unpin_user_pages(h1[{}])",
        "unpin_user_pages_dirty_lock(h1[{}], make_dirty=False)",
        "unpin_user_page_range_dirty_lock(h1[{}], make_dirty=False)",
    ],
)
def test_unpin(run, call):
    """Each pin is dropped once: those of part of the pages, then those of the rest."""
    world = run(
        A,
        "h1 = pin_user_pages(a[1:8])",
        call.format("1:4"),  # from the middle of one compound page to that of the next
        call.format("0:1"),
        call.format("4:7"),
    )

    assert {FOUR: (2, 1, False, True), PAIR: (1025, 0, False, True)} == world.snapshots[1].heads
    assert {FOUR: (1, 0, False, True)} == world.snapshots[2].heads
    assert [1] * 4 == [world.memory.page_ref_count(page) for page in (FOUR, PAIR, ONE, OTHER)]
    assert (7, 7) == world.stats()


def test_unpin_one(run):
    """The call for one page drops one pin of its head."""
    world = run(A, "h1 = pin_user_pages(a[3:5])", "unpin_user_page(h1[0:1])")

    assert {FOUR: (1, 0, False, True)} == world.last.heads
    assert (2, 1) == world.stats()


def test_unpin_a_list_in_any_order(run):
    """Entries may come from any handle, in any order, with others between."""
    world = run(
        A,
        "h1 = pin_user_pages(a[0:4])",
        "h2 = pin_user_pages(a[4:8])",
        "unpin_user_pages(h1[3::-1] + h2[0:1])",
        "unpin_user_pages(h2[3:0:-1])",
    )

    assert [1] * 4 == [world.memory.page_ref_count(page) for page in (FOUR, PAIR, ONE, OTHER)]
    assert (8, 8) == world.stats()


@pytest.mark.parametrize("page", ["a[0:1]", "a[4:5]", "a[6:7]"])
def test_unpin_the_last_reference(run, page):
    """A page that nothing maps is freed with its last pin, and clean from then on."""
    world = run(
        A,
        f"h1 = pin_user_pages({page}*2)",
        f"unmap({page})",
        "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)",
        "unpin_user_pages_dirty_lock(h1[1:2], make_dirty=True)",
    )
    (held,) = world.snapshots[2].heads.values()
    (freed,) = world.snapshots[3].heads.values()

    assert (True, True) == (held.dirty, held.allocated)
    assert HeadState(0, 0, dirty=False, allocated=False) == freed


@pytest.mark.parametrize(
    "call",
    [
        "unpin_user_page(a[{0}:{1}])",
        "unpin_user_pages(a[{0}:{1}])",
        "unpin_user_page_range_dirty_lock(a[{0}:{1}], make_dirty=False)",
    ],
)
@pytest.mark.parametrize(
    ("page", "state"),
    [
        (6, (-1023, 0, False, True)),  # past zero
        (4, (-1023, 0, False, True)),
        (0, (0, -1, False, False)),  # freed under its mapping
    ],
)
def test_over_unpin(run, call, page, state):
    """To unpin what is not pinned is silent, until a grab finds the count negative."""
    world = run(A, call.format(page, page + 1), f"h1 = pin_user_pages(a[{page}:{page + 1}])")

    assert {0x10 + page: state} == world.snapshots[0].heads
    assert () == world.snapshots[0].warnings
    assert (0, 1) == world.stats()
    assert (ENOMEM if state[3] else EFAULT) == world.last.returned
    assert state[3] == bool(world.last.warnings)


def test_unpin_wraps(run):
    """A count that falls below -2^31 is positive again."""
    world = run(
        A,
        f"get_page(a[6:7], n={LIMIT - 1})",  # -2^31
        "unpin_user_pages(a[6:7])",
    )

    assert LIMIT - 1024 == world.memory.page_ref_count(ONE)


# npages that is -errno, and none at all.


@pytest.mark.parametrize("npages", [-14, -1, -4095, 2**64 - 14, 2**64 - 4095])
@pytest.mark.parametrize(
    "call",
    [
        "unpin_user_pages(h1[0:2], npages={})",
        "unpin_user_pages_dirty_lock(h1[0:2], make_dirty=False, npages={})",
    ],
)
def test_is_err_value(run, call, npages):
    """A caller that passes on an error gets a WARN, and nothing is released."""
    world = run(A, "h1 = pin_user_pages(a[3:5])", call.format(npages))

    assert 1 == len(world.last.warnings)
    assert {} == world.last.heads
    assert (2, 0) == world.stats()


def test_no_error_value(run):
    """One below the smallest error is a number of pages, if an absurd one."""
    world = run(A, "clean(a[0:1])")

    with pytest.raises(IndexError):
        world.candidate.unpin_user_pages([ONE], 2**64 - 4096)
    assert [] == world.memory.warnings


@pytest.mark.parametrize(
    "call",
    [
        "unpin_user_pages_dirty_lock(h1[0:2], make_dirty=True, npages=-14)",
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True, npages=-14)",
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=False, npages=-14)",
    ],
)
def test_error_value_is_not_noticed(run, call):
    """With dirtying, and for ranges, nobody looks: the walk leaves the pages it was given."""
    with pytest.raises((Oops, IndexError)):
        run(A, "h1 = pin_user_pages(a[3:5])", call)


@pytest.mark.parametrize(
    "call",
    [
        "unpin_user_pages(h1[1:1])",
        "unpin_user_pages_dirty_lock(h1[1:1], make_dirty=True)",
        "unpin_user_page_range_dirty_lock(h1[1:1], make_dirty=True)",
    ],
)
def test_no_pages(run, call):
    """No pages are no work."""
    world = run(A, "h1 = pin_user_pages(a[3:5])", call)

    assert {} == world.last.heads
    assert (0, 0, ()) == (world.last.puts, world.last.dirty_locks, world.last.warnings)


# Dirtying.


@pytest.mark.parametrize(
    "call", ["unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock"]
)
@pytest.mark.parametrize("make_dirty", [True, False])
def test_make_dirty(run, call, make_dirty):
    """Each head that was clean is dirtied under one lock, if that is asked for."""
    world = run(A, "h1 = pin_user_pages(a[1:6])", f"{call}(h1[0:5], make_dirty={make_dirty})")

    state = HeadState(1, 0, dirty=make_dirty, allocated=True)
    assert {FOUR: state, PAIR: state} == world.last.heads
    assert (2 if make_dirty else 0) == world.last.dirty_locks


@pytest.mark.parametrize(
    "call", ["unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock"]
)
def test_already_dirty(run, call):
    """A head that is dirty is not locked again; one that was cleaned is."""
    world = run(
        A,
        "set_page_dirty(a[0:1])",
        "h1 = pin_user_pages(a[0:6])",
        f"{call}(h1[1:5], make_dirty=True)",
        "clean(a[5:6])",
        f"{call}(h1[5:6], make_dirty=True)",
    )

    assert [1, 0, 1] == [snapshot.dirty_locks for snapshot in world.snapshots[2:]]
    assert [True, True] == [world.memory.page_dirty(page) for page in (FOUR, PAIR)]


# RDMA memory regions.


@pytest.mark.parametrize(
    ("sg_nents", "arguments"),
    [
        (1, "a[0:8]"),
        (1, "a[0:8], writable=False"),
        (4, "a[0:8], max_segment=8192"),
        (4, "a[0:8], max_segment=12287"),
        (3, "a[0:8], max_segment=12288"),
        (8, "a[7::-1]"),
        (3, "a[0:2] + a[6:8] + a[2:4]"),
        (3, "a[3:4]*3"),
        (1, "a[0:8], nmap=1"),
        (4, "a[0:8], max_segment=8192, nmap=2"),
        (1, "a[0:8], nmap=5"),
        (1, "a[0:8], append_fails=1"),
    ],
)
def test_umem(run, sg_nents, arguments):
    """A region's pages are pinned, contiguous ones in one entry, and unpinned by its release."""
    world = run(A, f"u1 = ib_umem_get({arguments})", "ib_umem_release(u1, dirty=False)")

    assert [sg_nents, None] == world.returned
    pinned = world.snapshots[0].acquired
    assert (pinned, pinned) == world.stats()
    assert [1] * 4 == [world.memory.page_ref_count(page) for page in (FOUR, PAIR, ONE, OTHER)]
    assert 0 == world.memory.page_pincount(FOUR)


def test_umem_holds_its_pages(run):
    """Until its release a region holds each page by one pin."""
    world = run(A, "u1 = ib_umem_get(a[1:8])")

    assert [(4, 3), (2049, 0), (1025, 0), (1025, 0)] == [
        world.counts(page) for page in (FOUR, PAIR, ONE, OTHER)
    ]
    assert (7, 0) == world.stats()


@pytest.mark.parametrize(
    ("sg_nents", "arguments"),
    [
        (1, "a[0:1100]"),  # the next batch goes on where the one before ended
        (2, "a[0:512] + a[600:1100]"),
        (3, "a[0:500] + a[501:1001] + a[1050:1100]"),
        (3, "a[0:1100], max_segment=2097152"),
        (4, "a[0:1100], max_segment=1228800"),
        (512, "a[0:2]*512"),
    ],
)
def test_umem_of_batches(run, sg_nents, arguments):
    """Pages are pinned 512 at a time, and coalesce across that."""
    world = run(B, f"u1 = ib_umem_get({arguments})", "ib_umem_release(u1)")

    assert sg_nents == world.returned[0]
    assert world.last.acquired == world.last.released > 512
    assert {(1, 0, True, True)} == set(world.last.heads.values())


@pytest.mark.parametrize("semantics", ["5.11", "5.13"])
@pytest.mark.parametrize(
    ("dirty", "writable", "release"),
    [
        (True, True, "u1"),
        (True, True, "u1, dirty=True"),
        (False, True, "u1, dirty=False"),
        (False, False, "u1"),
        (False, False, "u1, dirty=False"),
    ],
)
def test_umem_release_dirties(run, semantics, dirty, writable, release):
    """Pages are dirtied if the region was writable, and the release says they may be."""
    world = run(
        A,
        f"u1 = ib_umem_get(a[1:8], writable={writable})",
        f"ib_umem_release({release})",
        semantics=semantics,
    )

    assert [(1, 0, dirty, True)] * 4 == list(world.last.heads.values())
    assert (4 if dirty else 0) == world.last.dirty_locks


@pytest.mark.parametrize(
    ("nmap", "call"),
    [
        (4, "ib_umem_get(a[0:8], max_segment=8192)"),
        (1, "ib_umem_get(a[0:8], max_segment=8192, nmap=1)"),
        (4, "ib_umem_get(a[0:8], max_segment=8192, nmap=5)"),
        (2, "ib_umem(sg(a[0:1], 1) + sg(a[4:5], 1))"),
        (0, "ib_umem(sg(a[0:1], 1) + sg(a[4:5], 1), nmap=0)"),
    ],
)
def test_nmap(run, nmap, call):
    """The device sees the entries that it is said to see, at most those there are."""
    world = run(A, f"u1 = {call}")

    assert nmap == world.candidate._table.umems["u1"].nmap


@pytest.mark.parametrize("nmap", ["", ", nmap=0", ", nmap=1", ", nmap=2"])
def test_release_covers_all_entries(run, nmap):
    """However many entries the IOMMU made of them, those of the CPU are released."""
    world = run(
        A,
        "h1 = pin_user_pages(a[0:8])",
        f"u1 = ib_umem(sg(h1[0:4], 16384) + sg(h1[4:8], 16384){nmap})",
        "ib_umem_release(u1)",
    )

    assert 2 == world.returned[1]
    assert (8, 8) == world.stats()
    assert {(1, 0, True, True)} == set(world.last.heads.values())


@pytest.mark.parametrize(("length", "npages"), [(4097, 2), (8191, 2), (8192, 2), (1, 1)])
@pytest.mark.parametrize("semantics", ["5.11", "5.13"])
def test_partial_page_counts_whole(run, length, npages, semantics):
    """A page that an entry only begins is released as well."""
    world = run(
        A,
        "h1 = pin_user_pages(a[3:5])",
        f"u1 = ib_umem(sg(h1[0:{npages}], {length}), writable=False)",
        "ib_umem_release(u1)",
        semantics=semantics,
    )

    assert npages == world.last.released
    assert (1, 0) == world.counts(FOUR)


@pytest.mark.parametrize("arguments", ["nmap=0", "append_fails=0", "nmap=0, append_fails=0"])
def test_umem_that_cannot_be_mapped(run, arguments):
    """Without memory, or without a mapping for DMA, each pin is dropped once, clean."""
    world = run(A, f"u1 = ib_umem_get(a[1:8], {arguments})")

    assert ENOMEM == world.last.returned
    assert (7, 7) == world.stats()
    assert [(1, 0, False, True)] * 4 == list(world.last.heads.values())
    assert 0 == world.last.dirty_locks


@pytest.mark.parametrize(
    ("returned", "pinned", "batch"),
    [(ENOMEM, 512, 0), (ENOMEM, 1024, 1), (ENOMEM, 1100, 2), (1, 1100, 3)],
)
def test_append_fails_in_a_batch(run, returned, pinned, batch):
    """The batch without memory, and all before it, are unpinned once; none after it is pinned."""
    world = run(B, f"u1 = ib_umem_get(a[0:1100], append_fails={batch})")

    assert returned == world.last.returned
    assert (pinned, pinned if returned < 0 else 0) == world.stats()
    refs = 1 if returned < 0 else 1025
    assert [(refs, 0, False, True)] * pinned == list(world.last.heads.values())


@pytest.mark.parametrize("page", [0, 5, 511, 512, 513, 1024, 1099])
def test_umem_of_a_page_that_is_not_mapped(run, page):
    """A page that cannot be pinned undoes the batches and the pages before it."""
    world = run(B, f"unmap(a[{page}:{page + 1}])", "u1 = ib_umem_get(a[0:1100])")

    assert EFAULT == world.last.returned
    assert (page, page) == world.stats()
    assert [(1, 0, False, True)] * page == list(world.last.heads.values())


@pytest.mark.parametrize(
    ("returned", "page", "batch"),
    [(ENOMEM, 5, 0), (EFAULT, 5, 1), (EFAULT, 512, 1), (ENOMEM, 513, 1), (EFAULT, 0, 0)],
)
def test_append_fails_for_a_batch_that_ended_early(run, returned, page, batch):
    """What was pinned before the bad page is a batch, if it is anything."""
    world = run(
        B,
        f"unmap(a[{page}:{page + 1}])",
        f"u1 = ib_umem_get(a[0:1100], append_fails={batch})",
    )

    assert returned == world.last.returned
    assert (page, page) == world.stats()


def test_umem_at_the_limit(run):
    """A page whose count refuses undoes all before it, too."""
    world = run(
        A, f"get_page(a[0:1], n={LIMIT - 3})", "u1 = ib_umem_get(a[7:8] + a[0:4])", "clean(a[7:8])"
    )

    assert ENOMEM == world.returned[1]
    assert (LIMIT - 2, 0) == world.counts(FOUR)
    assert (3, 3) == world.stats()
    assert world.snapshots[1].warnings
    assert {OTHER: (1, 0, False, True)} == world.last.heads


# Counted by hand.


@st.composite
def pinned_and_unpinned(draw):
    """Orders, some pages that are pinned, and some of those pins that are dropped."""
    orders = sorted(draw(st.lists(st.integers(0, 3), min_size=1, max_size=5)), reverse=True)
    npages = sum(1 << order for order in orders)
    pages = draw(st.lists(st.integers(0, npages - 1), min_size=1, max_size=12))
    shuffled = draw(st.permutations(range(len(pages))))
    return orders, pages, shuffled[: draw(st.integers(1, len(pages)))]


@given(pinned_and_unpinned(), st.sampled_from([True, False]))
@pytest.mark.parametrize("make", [Reference, Optimised])
def test_counted_by_hand(carry_out, make, drawn, make_dirty):
    """For any pages, the counts are those that adding up one pin at a time gives."""
    orders, pages, dropped = drawn
    heads = [0x40 + sum(1 << o for o in orders[:i]) for i in range(len(orders))]
    of_page = [i for i, order in enumerate(orders) for _ in range(1 << order)]

    world = carry_out(
        make,
        f'a = mapping("driver", orders={orders}, pfn=0x40)',
        f"h1 = pin_user_pages({' + '.join(f'a[{page}:{page + 1}]' for page in pages)})",
        f"unpin_user_pages_dirty_lock({' + '.join(f'h1[{i}:{i + 1}]' for i in dropped)}, "
        f"make_dirty={make_dirty})",
    )

    pins = Counter(of_page[page] for page in pages)
    released = Counter(of_page[pages[i]] for i in dropped)
    for i, (head, order) in enumerate(zip(heads, orders, strict=True)):
        left = pins[i] - released[i]
        counts = (1 + left, left) if order >= 2 else (1 + 1024 * left, 0)
        assert counts == world.counts(head)
        assert (make_dirty and released[i] > 0) == world.memory.page_dirty(head)
    assert (len(pages), len(dropped)) == world.stats()
    assert [len(pages), None] == world.returned
