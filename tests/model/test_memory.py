# SPDX-License-Identifier: MIT

from __future__ import annotations

from itertools import count

import pytest

from model.mapping import Extent, Mapping
from model.memory import (
    FUEL,
    NR_FOLL_PIN_ACQUIRED,
    NR_FOLL_PIN_RELEASED,
    PER_PAGE,
    Memory,
    NoProgress,
    Oops,
)
from model.page import Event, HeadState, wrapped
from model.pagelist import NULL
from model.parse import parse_layout
from model.semantics import DEFAULT, SEMANTICS
from model.step import FOLL_LONGTERM

#: Frames of single pages and of compound pages of orders 1, 2, 8 and 9.
SINGLE, PAIR, FOUR, LARGE, HUGE = 0x10, 0x12, 0x14, 0x100, 0x200
NOWHERE = 0x11


@pytest.fixture
def memory():
    """A page of each kind of order, each with two references."""
    extents = ((SINGLE, 0), (PAIR, 1), (FOUR, 2), (LARGE, 8), (HUGE, 9))
    mapping = Mapping("a", "driver", tuple(Extent(pfn, order, 1) for pfn, order in extents), refs=2)
    memory = Memory(DEFAULT, [mapping])
    memory.begin_step(1)
    return memory


@pytest.mark.parametrize(
    ("held", "number"),
    [
        (0, 0),
        (2**31 - 1, 2**31 - 1),
        (-(2**31), 2**31),
        (-(2**31), -(2**31)),
        (2**31 - 1, -(2**31) - 1),
        (-1, 2**32 - 1),
        (0, 2**32),
        (1, 2**32 + 1),
    ],
)
def test_wrapped(held, number):
    """A count wraps as a signed integer of 32 bits does."""
    assert held == wrapped(number)


# Look-ups.


@pytest.mark.parametrize(
    ("head", "page"),
    [(SINGLE, SINGLE), (PAIR, PAIR), (PAIR, PAIR + 1), (FOUR, FOUR + 3), (HUGE, HUGE + 511)],
)
def test_compound_head(memory, head, page):
    """A tail's head is the first page of its compound page; a single page is its own."""
    assert head == memory.compound_head(page)


def one_by_one(memory, head, pages, i, npages):
    """What `Memory.end_of_run` says, a look-up at a time."""
    while i < npages and pages[i] != NULL and memory.compound_head(pages[i]) == head:
        i += 1
    return i


@pytest.mark.parametrize(
    "pages",
    {
        "one": [FOUR],
        "one again": [FOUR] * 3,
        "in any sequence": [FOUR + 3, FOUR, FOUR + 2, FOUR + 1],
        "the next page": [FOUR + 3, FOUR + 4],
        "the page before": [FOUR, FOUR - 1, FOUR],
        "NULL": [FOUR, NULL, FOUR],
        "a range": range(FOUR, FOUR + 4),
        "no page": [FOUR, NOWHERE],
        "too many": [FOUR] * 200_000,
        "as many as may be": [FOUR] * (FUEL + PER_PAGE + 8),
        "the last may not": [FOUR] * (FUEL + PER_PAGE + 8) + [SINGLE],
        "the last may": [FOUR] * (FUEL + PER_PAGE + 7) + [SINGLE],
        "and NULL": [FOUR] * (FUEL + PER_PAGE + 8) + [NULL],
    }.items(),
    ids=lambda item: item[0],
)
def test_end_of_run(memory, pages):
    """The run ends where it does if heads are looked up one by one, after as many look-ups."""
    _, pages = pages
    results = []
    for end in (Memory.end_of_run, one_by_one):
        for i, npages in ((1, 0), (0, 0), (0, 1), (1, len(pages)), (0, len(pages))):
            memory.begin_step(1)
            try:
                result = end(memory, FOUR, pages, i, npages)
            except (Oops, NoProgress) as err:
                result = str(err)
            results.append((npages, result, memory.operations_of_step))

    assert results[: len(results) // 2] == results[len(results) // 2 :]


@pytest.mark.parametrize(("head", "order"), [(SINGLE, 0), (PAIR, 1), (FOUR, 2), (HUGE, 9)])
def test_compound_order(memory, head, order):
    """A compound page of order k has 2^k pages."""
    assert order == memory.compound_order(head)
    assert 2**order == memory.compound_nr(head)


def test_oops(memory):
    """A frame that no mapping holds has no struct page."""
    with pytest.raises(Oops, match=r"^frame 0x11 is in no mapping$"):
        memory.compound_head(NOWHERE)


@pytest.mark.parametrize(("exact", "head"), [(False, SINGLE), (False, PAIR), (True, FOUR)])
def test_hpage_pincount_available(memory, exact, head):
    """The exact count sits in the third struct page, so order 2 is the first to have it."""
    assert exact == memory.hpage_pincount_available(head)


@pytest.mark.parametrize(("huge", "page"), [(False, LARGE), (True, HUGE), (True, HUGE + 1)])
def test_huge_entry(memory, huge, page):
    """One PMD maps 512 pages, no fewer."""
    assert huge == memory.huge_entry(page)


def test_counts_of_a_tail(memory):
    """The head counts for the compound page; its tails stay at 0."""
    assert [2, 0] == [memory.page_ref_count(page) for page in (FOUR, FOUR + 1)]


def test_nothing_touched(memory):
    """Reading changes nothing."""
    memory.page_ref_count(FOUR)
    memory.page_dirty(FOUR + 1)
    memory.page_mapped(HUGE)

    assert {} == memory.looks()[0]


# Counters.


def test_page_ref_add(memory):
    """References that are taken add up, and leave an event each time."""
    memory.page_ref_add(FOUR, 3)
    memory.page_ref_add(FOUR, 4)

    assert {FOUR: HeadState(9, 0, False, True)} == memory.looks()[0]
    assert [
        Event("grab", FOUR, 3, dirty=False),
        Event("grab", FOUR, 4, dirty=False),
    ] == memory.events


def test_page_ref_add_wraps(memory):
    """Nothing in the kernel checks that an addition fits."""
    memory.page_ref_add(SINGLE, 2**31 - 2)

    assert -(2**31) == memory.page_ref_count(SINGLE)


def test_put_to_zero(memory):
    """The put that leaves exactly none says so."""
    assert [False, True] == [memory.page_ref_sub_and_test(SINGLE, 1) for _ in range(2)]
    assert 2 == memory.puts


def test_put_past_zero(memory):
    """A put that jumps past zero frees nothing and warns of nothing."""
    assert not memory.page_ref_sub_and_test(SINGLE, 1025)
    assert (-1023, []) == (memory.page_ref_count(SINGLE), memory.warnings)


def test_put_wraps(memory):
    """A count that falls below the smallest becomes a large one."""
    memory.page_ref_add(SINGLE, -(2**31) - 2)

    assert not memory.page_ref_sub_and_test(SINGLE, 1)
    assert 2**31 - 1 == memory.page_ref_count(SINGLE)


def test_pincount(memory):
    """The exact count of pins is of its own, and may go below zero."""
    memory.pincount_add(FOUR, 2)
    memory.pincount_add(FOUR, -3)

    assert {FOUR: HeadState(2, -1, False, True)} == memory.looks()[0]
    assert -1 == memory.page_pincount(FOUR)


def test_pincount_wraps(memory):
    """The exact count is an atomic_t as well."""
    memory.pincount_add(FOUR, 2**31)

    assert -(2**31) == memory.page_pincount(FOUR)


def test_statistics(memory):
    """Pins that were acquired and released are counted on their own, for ever."""
    memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 3)
    memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1)
    memory.begin_step(1)
    memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1)

    assert {NR_FOLL_PIN_ACQUIRED: 4, NR_FOLL_PIN_RELEASED: 1} == memory.stats
    assert [Event("stat", -1, 1, dirty=False)] == memory.events


def test_flags_of_a_pin(memory):
    """The journal keeps the flags of each pin call."""
    memory.ask(FOLL_LONGTERM)

    assert [Event("ask", -1, FOLL_LONGTERM, dirty=False)] == memory.events


# page_maybe_dma_pinned() compares unsigned: it errs by saying yes.


@pytest.mark.parametrize(
    ("pinned", "refs"),
    [(False, 0), (False, 1021), (True, 1022), (True, 1024), (True, 2**31 - 2), (True, -3)],
)
@pytest.mark.parametrize("page", [SINGLE, PAIR + 1])
def test_maybe_pinned_by_bias(memory, pinned, refs, page):
    """From 1024 references on, whatever they are, and below zero, the answer is yes."""
    memory.page_ref_add(memory.compound_head(page), refs)

    assert pinned == memory.page_maybe_dma_pinned(page)


@pytest.mark.parametrize(("pinned", "pins"), [(False, 0), (True, 1), (False, -1)])
def test_maybe_pinned_exactly(memory, pinned, pins):
    """With a count of its own the answer is right, unless it fell below zero."""
    memory.page_ref_add(FOUR, 5000)
    memory.pincount_add(FOUR, pins)

    assert pinned == memory.page_maybe_dma_pinned(FOUR + 3)


# Flags.


def test_dirty_is_the_heads(memory):
    """One flag is for all pages of a compound page."""
    memory.set_page_dirty_lock(FOUR + 2)

    assert [True, True, False] == [memory.page_dirty(page) for page in (FOUR, FOUR + 3, PAIR)]
    assert {FOUR: HeadState(2, 0, True, True)} == memory.looks()[0]
    assert 1 == memory.dirty_locks
    assert [Event("dirty", FOUR, 0, dirty=False)] == memory.events


def test_set_dirty_takes_no_lock(memory):
    """Writes and writeback are no doing of the calls under test."""
    memory.set_dirty(FOUR, dirty=True)
    dirtied = memory.page_dirty(FOUR)
    memory.set_dirty(FOUR, dirty=False)

    assert (True, False) == (dirtied, memory.page_dirty(FOUR))
    assert (0, []) == (memory.dirty_locks, memory.events)


def test_warn(memory):
    """A WARN is of its step alone."""
    memory.warn("so")
    warned = memory.warnings
    memory.begin_step(1)

    assert (["so"], []) == (warned, memory.warnings)


# Frees.


def test_free(memory):
    """What is freed is clean and no longer mapped; a count of pins left over stays."""
    memory.pincount_add(FOUR, -1)
    memory.set_dirty(FOUR, dirty=True)
    memory.free(FOUR)

    assert {FOUR: HeadState(2, -1, False, False)} == memory.looks()[0]
    assert [Event("free", FOUR, -1, dirty=True)] == memory.events
    assert not memory.page_mapped(FOUR + 1)


def test_stale(memory):
    """To touch what was freed leaves an event before its own."""
    memory.free(SINGLE)
    memory.begin_step(1)
    memory.page_ref_sub_and_test(SINGLE, 1)

    assert ["stale", "put"] == [event.what for event in memory.events]


# Mappings.


def test_maps(memory):
    """Each mapping holds one reference; the last one's end makes the page unmapped."""
    memory.add_mapping(FOUR)
    mapped = memory.page_mapcount(FOUR), memory.page_ref_count(FOUR)
    for _ in range(3):
        memory.drop_mapping(FOUR)

    assert (3, 3) == mapped
    assert (0, 3) == (memory.page_mapcount(FOUR), memory.page_ref_count(FOUR))
    assert not memory.page_mapped(FOUR + 1)


def test_map_wraps(memory):
    """A mapping too many wraps the count like any reference."""
    memory.page_ref_add(SINGLE, 2**31 - 3)
    memory.add_mapping(SINGLE)

    assert -(2**31) == memory.page_ref_count(SINGLE)


# Other compound pages at the same frames.


def test_rebuild(memory):
    """New compound pages stand in place of the old, in the state asked for."""
    memory.page_ref_add(FOUR, 7)
    memory.pincount_add(FOUR, 7)
    memory.begin_step(1)
    memory.rebuild(FOUR, [0, 0, 1], refs=3, dirty=True)

    assert [FOUR, FOUR + 1, FOUR + 2, FOUR + 2] == [
        memory.compound_head(FOUR + i) for i in range(4)
    ]
    assert [0, 0, 1] == [memory.compound_order(FOUR + i) for i in range(3)]
    fresh = HeadState(3, 0, True, True)
    assert {FOUR: fresh, FOUR + 1: fresh, FOUR + 2: fresh} == memory.looks()[0]
    assert [3, 3, 3] == [memory.page_mapcount(FOUR + i) for i in range(3)]
    assert 0 == memory.page_ref_count(FOUR + 3)


def test_rebuild_leaves_the_rest():
    """Frames next to those rebuilt keep their compound page and its counts."""
    memory = Memory(DEFAULT, [Mapping("a", "driver", (Extent(0, 2, 3),))])
    for head in (0, 4, 8):
        memory.page_ref_add(head, head)
    memory.rebuild(4, [1, 1], refs=1, dirty=False)

    assert [0, 4, 6, 8] == [memory.compound_head(page) for page in (3, 5, 7, 11)]
    assert [1, 1, 1, 9] == [memory.page_ref_count(head) for head in (0, 4, 6, 8)]


def test_rebuild_forgets_a_tail_that_was_touched(memory):
    """A tail that becomes a page of its own counts from the start."""
    memory.page_ref_add(FOUR + 1, 5)
    memory.rebuild(FOUR, [0, 0, 0, 0], refs=1, dirty=False)

    assert 1 == memory.page_ref_count(FOUR + 1)


# The journal.


def test_begin_step(memory):
    """A step begins with nothing touched and nothing counted, but the same pages."""
    memory.set_page_dirty_lock(FOUR)
    memory.page_ref_sub_and_test(FOUR, 1)
    memory.begin_step(1)

    assert {} == memory.looks()[0]
    assert (0, 0, []) == (memory.puts, memory.dirty_locks, memory.events)
    assert (1, True) == (memory.page_ref_count(FOUR), memory.page_dirty(FOUR))


def test_no_journal():
    """Without a journal the state and the costs are still kept."""
    memory = Memory(DEFAULT, [Mapping("a", "base", (Extent(1, 0, 1),))], journal=False)
    memory.ask(FOLL_LONGTERM)
    memory.page_ref_add(1, 1)
    memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1)
    memory.set_page_dirty_lock(1)
    memory.page_ref_sub_and_test(1, 2)
    memory.free(1)
    memory.page_ref_add(1, 1)

    assert [] == memory.events
    assert (1, 1) == (memory.puts, memory.dirty_locks)
    assert {1: HeadState(1, 0, False, False)} == memory.looks()[0]


# A step that does not end.


def forever(primitive, memory):
    for _ in count():
        primitive(memory)


@pytest.mark.parametrize(
    "primitive",
    [
        lambda memory: memory.compound_head(FOUR),
        lambda memory: memory.pincount_add(FOUR, 0),
        lambda memory: memory.page_ref_sub_and_test(FOUR, 0),
        lambda memory: memory.page_ref_count(FOUR),
        lambda memory: memory.page_pincount(FOUR),
    ],
    ids=["look", "change", "put", "refcount", "pincount"],
)
def test_no_progress(memory, primitive):
    """A loop that goes on for ever is stopped, whatever it does."""
    with pytest.raises(NoProgress, match=r"not done after [\d,]+ operations on 1 pages"):
        forever(primitive, memory)


def test_empty_puts_are_stopped_early(memory):
    """A put of no references moves nothing on, so that fewer of them are too many."""
    memory.begin_step(4)
    with pytest.raises(NoProgress):
        forever(lambda memory: memory.page_ref_sub_and_test(FOUR, 0), memory)

    assert memory.puts < 2000


def test_empty_puts_are_counted_anew(memory):
    """A step with many pages may do as many puts of no references, and so may the next."""
    for _ in range(3):
        memory.begin_step(1000)
        for _ in range(2000):
            memory.page_ref_sub_and_test(FOUR, 0)

    assert 2000 == memory.puts


def test_large_steps_may_do_more(memory):
    """A square of the pages is allowed: each might be looked up for each."""
    memory.begin_step(300)
    for _ in range(5 * 300 * 300):
        memory.compound_head(FOUR)

    assert FOUR == memory.compound_head(FOUR + 1)


def test_largest_steps_may_not_do_more(memory):
    """Not the square of thousands of pages, but many times each of them."""
    memory.begin_step(20_000)
    for _ in range(48 * 20_000):
        memory.compound_head(FOUR)
    with pytest.raises(NoProgress, match="not done after 3,157,152 operations on 20,000 pages"):
        forever(lambda memory: memory.compound_head(FOUR), memory)


def test_special_entries():
    """The entry that maps the zero page is special, in every version; no other is."""
    mappings = parse_layout(
        '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0], pfn=0x10)\n'
        'z = mapping("zero", orders=[0], pfn=0x20)\n'
    )

    assert Memory(SEMANTICS["5.13"], mappings).pte_special(0x20)
    assert Memory(SEMANTICS["6.1"], mappings).pte_special(0x20)
    assert not Memory(SEMANTICS["6.1"], mappings).pte_special(0x10)


def test_anonymous_pages():
    """The pages of some kinds of mappings are anonymous, also if another page was looked up."""
    mappings = parse_layout(
        '# headcount 1\nsemantics("6.1")\na = mapping("thp", orders=[9], pfn=0x200)\n'
        'b = mapping("page-cache", orders=[0], pfn=0x10)\n'
    )
    memory = Memory(SEMANTICS["6.1"], mappings)

    assert [False, True, True] == [memory.page_anon(page) for page in (0x10, 0x200, 0x3FF)]
