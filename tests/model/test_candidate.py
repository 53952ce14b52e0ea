# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.abilities import FIELDS, Abilities
from model.attributes import ATTRIBUTES
from model.candidate import Candidate, InProcess, counted
from model.errors import BadInput
from model.memory import NR_FOLL_PIN_ACQUIRED, ArgumentChanged
from model.optimised import Optimised
from model.page import HeadState
from model.pagelist import span
from model.parse import parse_layout, parse_program
from model.program import Program
from model.semantics import KINDS, SEMANTICS
from model.step import RACES
from model.steps import STEPS
from model.world import Map, Unmap
from tests.helpers import program

#: Compound pages of orders 2 and 1, then two single pages.
A = 'a = mapping("driver", orders=[2, 1, 0, 0], pfn=0x10)'
FOUR, PAIR, ONE, OTHER = 0x10, 0x14, 0x16, 0x17

FRESH = HeadState(1, 0, dirty=False, allocated=True)


def test_abilities():
    """A candidate in this process can do all that a program may ask, and shows it all."""
    abilities = Optimised().abilities

    more = {"attributes": ATTRIBUTES, "races": frozenset(RACES) - {"entry"}}
    assert abilities == Abilities("Optimised", calls=frozenset(STEPS), **more)
    assert set(SEMANTICS) == abilities.semantics
    assert set(STEPS) == abilities.calls
    assert set(KINDS) == abilities.kinds
    assert set(range(19)) == abilities.orders
    assert set(FIELDS) == abilities.fields


def test_abilities_of_a_sketch():
    """A sketch goes by the name of its class."""

    class Sketch(Optimised):
        pass

    assert "Sketch" == Sketch().abilities.name


@pytest.mark.parametrize("call", STEPS)
def test_a_method_for_each_call(call):
    """There is a method for each call, the world's in the base of all."""
    assert callable(getattr(Optimised, call))
    assert hasattr(InProcess, call) == (
        not call.startswith(("pin_user", "get_user", "unpin_", "folio_add", "memfd_", "ib_umem"))
    )


# Carrying out.


def test_a_snapshot_for_each_step(run):
    """Each snapshot shows what its own step changed, and the statistics so far."""
    world = run(A, "h1 = pin_user_pages(a[5:7])", "clean(a[0:1])", "unpin_user_pages(h1[0:1])")
    pinned, cleaned, unpinned = world.snapshots

    assert {PAIR: (1025, 0, False, True), ONE: (1025, 0, False, True)} == pinned.heads
    assert {FOUR: FRESH} == cleaned.heads
    assert {PAIR: FRESH} == unpinned.heads
    assert [(2, 0), (2, 0), (2, 1)] == [(s.acquired, s.released) for s in world.snapshots]
    assert [0, 0, 1] == [s.puts for s in world.snapshots]
    assert [2, None, None] == world.returned


def test_maybe_pinned(run):
    """A snapshot says which of the heads it shows may be pinned, wrongly or not."""
    world = run(
        A, "h1 = pin_user_pages(a[3:5])", "get_page(a[6:8], n=1023)", "unpin_user_page(h1[0:1])"
    )

    assert [{FOUR, PAIR}, {ONE, OTHER}, set()] == [s.maybe_pinned for s in world.snapshots]


def test_carried_out_step_by_step():
    """A step is carried out when its snapshot is asked for, also one that came since."""
    mappings = parse_program(f'# headcount 1\nsemantics("5.13")\n{A}\nclean(a[0:1])\n').mappings
    candidate, steps = Optimised(), [Map(pages=span("a", 0, 1))]
    execution = candidate.execute(Program(mappings, steps))

    assert {FOUR: (2, 0, False, True)} == next(execution).heads
    steps.append(Unmap(pages=span("a", 0, 1)))
    assert 2 == candidate.memory.page_ref_count(FOUR)
    assert {FOUR: FRESH} == next(execution).heads
    assert [] == list(execution)


def test_carried_out_anew():
    """Each execution begins with pages as their mapping makes them."""
    program = parse_program(
        f'# headcount 1\nsemantics("5.13")\n{A}\nh1 = pin_user_pages(a[0:8])\nmap(a[0:8])\n'
    )
    candidate = Optimised()

    assert list(candidate.execute(program)) == list(candidate.execute(program))
    assert 8 == candidate.memory.stats[NR_FOLL_PIN_ACQUIRED]


def test_a_handle_that_holds_nothing(run):
    """To use what was never pinned cannot be carried out."""
    with pytest.raises(BadInput, match=r"^h1 holds no pages$"):
        run(A, "unmap(a[6:7])", "h1 = pin_user_pages(a[6:7])", "unpin_user_pages(h1[0:1])")


def test_a_handle_of_a_prefix(run):
    """A handle holds no more than was pinned."""
    with pytest.raises(BadInput, match=r"^h1\[0:2\] lies beyond h1, which holds 1 pages$"):
        run(A, "unmap(a[7:8])", "h1 = pin_user_pages(a[6:8])", "unpin_user_pages(h1[0:2])")


# What the world does to pages.


@pytest.mark.parametrize("pages", ["a[0:1]", "a[3:4]", "a[0:4]", "a[1:2]*5", "a[3::-1]"])
def test_map(run, pages):
    """A compound page is mapped once more, and holds one more reference for it."""
    world = run(A, f"map({pages})")

    assert {FOUR: (2, 0, False, True)} == world.last.heads
    assert (0, 0) == world.stats()


@pytest.mark.parametrize("pages", ["a[0:1]", "a[0:4]", "a[1:2]*5"])
def test_unmap(run, pages):
    """A compound page is unmapped once, and drops the reference for it."""
    world = run(A, "map(a[0:1])", f"unmap({pages})")

    assert {FOUR: FRESH} == world.last.heads
    assert world.memory.page_mapped(FOUR + 3)


def test_unmap_frees(run):
    """The last mapping's end frees a page that nothing else holds."""
    world = run(A, "set_page_dirty(a[0:1])", "unmap(a[0:8])")

    gone = HeadState(0, 0, dirty=False, allocated=False)
    assert dict.fromkeys((FOUR, PAIR, ONE, OTHER), gone) == world.last.heads


def test_unmap_of_a_pinned_page(run):
    """A pin keeps a page that is mapped no more, until it is dropped."""
    world = run(A, "h1 = pin_user_pages(a[1:2])", "unmap(a[0:1])", "unpin_user_pages(h1[0:1])")

    assert [(2, 1, False, True), (1, 1, False, True), (0, 0, False, False)] == [
        snapshot.heads[FOUR] for snapshot in world.snapshots
    ]


def test_dirty_and_clean(run):
    """Writes dirty, and writeback cleans, whole compound pages, without a lock of ours."""
    world = run(A, "set_page_dirty(a[3:5])", "clean(a[1:2])")

    dirty = HeadState(1, 0, dirty=True, allocated=True)
    assert {FOUR: dirty, PAIR: dirty} == world.snapshots[0].heads
    assert {FOUR: FRESH} == world.last.heads
    assert [0, 0] == [snapshot.dirty_locks for snapshot in world.snapshots]


@pytest.mark.parametrize(
    ("refs", "step"),
    [
        (2, "get_page(a[0:1])"),
        (5, "get_page(a[0:4])"),
        (21, "get_page(a[1:3], n=10)"),
        (-(2**31), "get_page(a[0:1], n=2147483647)"),
    ],
)
def test_get_page(run, refs, step):
    """Plain references are taken on the head, for each page that is named."""
    world = run(A, step)

    assert (refs, 0) == world.counts(FOUR)
    assert 0 == world.memory.page_ref_count(FOUR + 1)


def test_put_page(run):
    """Plain references are dropped from the head, and the last one frees."""
    world = run(A, "get_page(a[0:4], n=2)", "put_page(a[1:4], n=2)", "put_page(a[3:4], n=3)")

    assert [9, 3, 0] == [snapshot.heads[FOUR].refcount for snapshot in world.snapshots]
    assert [True, True, False] == [snapshot.heads[FOUR].allocated for snapshot in world.snapshots]
    assert [0, 3, 1] == [snapshot.puts for snapshot in world.snapshots]


# Other compound pages at the same frames.


def test_allocate_again(run):
    """Frames that were freed come back as other compound pages, mapped once."""
    world = run(A, "unmap(a[0:4])", "alloc_pages(a[0:4], orders=[1, 0, 0])")

    assert dict.fromkeys((FOUR, FOUR + 2, FOUR + 3), FRESH) == world.last.heads
    assert world.memory.page_mapped(FOUR + 1)


def test_pins_of_what_was_allocated_again(run):
    """The same pages of a mapping are pinned as the compound pages they are now."""
    world = run(
        A,
        "unmap(a[4:8])",
        "alloc_pages(a[4:8], orders=[2])",
        "h1 = pin_user_pages(a[4:8])",
    )

    assert {PAIR: (5, 4, False, True)} == world.last.heads


def test_split(run):
    """A compound page that only its mapping holds falls into single ones."""
    world = run(A, "split_huge_page(a[2:3])", "h1 = pin_user_pages(a[0:2])")

    assert 0 == world.snapshots[0].returned
    assert dict.fromkeys(range(FOUR, FOUR + 4), FRESH) == world.snapshots[0].heads
    assert [1025, 1025, 1] == [world.memory.page_ref_count(FOUR + i) for i in range(3)]


def test_split_inherits(run):
    """Each single page is mapped as often, and as dirty, as the compound page was."""
    world = run(A, "map(a[0:1])", "set_page_dirty(a[0:1])", "split_huge_page(a[0:1])")

    inherited = HeadState(2, 0, dirty=True, allocated=True)
    assert dict.fromkeys(range(FOUR, FOUR + 4), inherited) == world.last.heads
    assert [2] * 4 == [world.memory.page_mapcount(FOUR + i) for i in range(4)]


@pytest.mark.parametrize(
    "holder", ["h1 = pin_user_pages(a[1:2])", "h1 = get_user_pages(a[1:2])", "get_page(a[1:2])"]
)
def test_split_is_refused(run, holder):
    """A compound page that anything else holds stays whole: -EBUSY."""
    world = run(A, holder, "split_huge_page(a[0:1])")

    assert -16 == world.last.returned
    assert {} == world.last.heads
    assert FOUR == world.memory.compound_head(FOUR + 3)


def test_split_after_the_unpin(run):
    """When its pins are gone, a compound page can be split."""
    world = run(
        A,
        "h1 = pin_user_pages(a[1:2])",
        "split_huge_page(a[0:1])",
        "unpin_user_pages(h1[0:1])",
        "split_huge_page(a[0:1])",
    )

    assert [1, -16, None, 0] == world.returned


def test_partial():
    """Journal and operations can be read at any time, also if a sketch replaced its memory."""
    candidate = Optimised()
    assert () == candidate.partial()
    assert 0 == candidate.operations

    program = parse_program(
        '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\n"
    )
    list(candidate.execute(program))
    candidate.memory = "something else"
    assert ["ask", "grab", "stat"] == [event.what for event in candidate.partial()]
    assert 0 < candidate.operations


def test_defaults():
    """A candidate has to have abilities and execute(), and nothing else."""

    class Bare(Candidate):
        abilities = Abilities("bare")

        def execute(self, program):
            yield from Optimised().execute(program)

    class Lacking(Candidate):
        abilities = Abilities("lacking")

    bare = Bare()

    assert ((), 0, []) == (bare.partial(), bare.operations, bare.missing_calls())
    with pytest.raises(TypeError, match="execute"):
        Lacking()


def test_missing_calls():
    """Calls without a method are named, and none where each has one."""

    class OnlyPins(InProcess):
        abilities = Abilities("pins", calls=frozenset({"pin_user_pages", "unpin_user_page"}))

        def pin_user_pages(self, pages):
            return len(pages)

    assert ["unpin_user_page"] == OnlyPins().missing_calls()
    assert [] == Optimised().missing_calls()


def test_calls_that_came_later():
    """A candidate from scratch has calls of folios, and the later ones of GUP-fast, if named."""

    class Older(InProcess):
        pin_user_pages = Optimised.pin_user_pages

    class Newer(Older):
        unpin_folio = Optimised.unpin_folio

    later = {call for call, cls in STEPS.items() if cls.optional}

    assert {"unpin_folio", "pin_user_pages_fast"} < later
    assert set(STEPS) - later == Older().abilities.calls == Abilities("bare").calls
    assert {"unpin_folio"} == Newer().abilities.calls & later
    assert not later.intersection(Older().missing_calls())


class Keeps(Optimised):
    """Keeps the flags that each pin call is called with."""

    def execute(self, program):
        self.kept = []
        return super().execute(program)

    def pin_user_pages(self, pages, gup_flags=None):
        self.kept.append(gup_flags)
        return super().pin_user_pages(pages, gup_flags)

    def get_user_pages(self, *arguments):
        self.kept.append(arguments[1])
        return super().get_user_pages(*arguments)

    def pin_user_pages_fast_only(self, pages, changed, gup_flags):
        self.kept.append(gup_flags)
        return super().pin_user_pages_fast_only(pages, changed, gup_flags)


class Plain(Optimised):
    """Has pin calls without flags, as sketches up to 0.2.0 have."""

    called = 0

    def pin_user_pages(self, pages):
        self.called += 1
        return super().pin_user_pages(pages)

    def get_user_pages(self, pages):
        self.called += 1
        return super().get_user_pages(pages)

    def pin_user_pages_fast_only(self, pages, changed):
        self.called += 1
        return super().pin_user_pages_fast_only(pages, changed)


class Beside:
    """Has a pin call without flags, and is no candidate."""

    def pin_user_pages(self, pages):
        self.called = getattr(self, "called", 0) + 1
        return super().pin_user_pages(pages=pages)


class Mixed(Beside, Optimised):
    """Has the pin call of a class that is no candidate."""


class Own(Optimised):
    """Has an optional parameter of its own where others have flags."""

    def pin_user_pages(self, pages, tries=3):
        assert 3 == tries
        return super().pin_user_pages(pages)


class Named(Own):
    """Calls a pin call without flags by the names of its arguments."""

    def ib_umem_get(self, pages, *arguments):
        assert 0 == self.pin_user_pages(pages=pages[:0], gup_flags=0)
        return super().ib_umem_get(pages, *arguments)


FLAGGED = """\
h1 = pin_user_pages(a[0:1], FOLL_WRITE)
h2 = pin_user_pages(a[0:1], FOLL_LONGTERM)
h3 = get_user_pages(a[0:1], FOLL_WRITE | FOLL_LONGTERM)
h4 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM, changed=0)
h5 = pin_user_pages(a[0:1])
m1 = ib_umem_get(a[0:1])
m2 = ib_umem_get(a[0:1], writable=False)
"""


def test_flags():
    """FOLL_WRITE and FOLL_LONGTERM reach the candidate, as a step or a region asks for them."""
    program = parse_program(
        f'# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\n{FLAGGED}'
    )
    candidate = Keeps()
    plain = Plain()

    assert FLAGGED == "".join(f"{step.text()}\n" for step in program.steps)
    list(candidate.execute(program))
    assert [1, 2, 3, 2, 0, 3, 2] == candidate.kept
    assert 7 == len([*plain.execute(program)]) == plain.called
    mixed = Mixed()
    assert 7 == len([*mixed.execute(program)])
    assert 5 == mixed.called
    assert 7 == len([*Named().execute(program)])


def test_lookups():
    """Where a candidate is asked for them, a step shows its memory operations, and no others'."""
    program = parse_program(
        '# headcount 1\nsemantics("5.13")\na = mapping("driver", orders=[4])\n'
        "h1 = pin_user_pages(a[0:16])\n"
        "unpin_user_page_range_dirty_lock(h1[0:16], make_dirty=True)\n"
        "unmap(a[0:1])\n"
    )
    candidate = Optimised()

    assert [None] * 3 == [shown.lookups for shown in candidate.execute(program)]
    candidate.shows_lookups = True
    lookups = [shown.lookups for shown in candidate.execute(program)]
    assert all(0 < n < 10 for n in lookups)
    assert sum(lookups) == candidate.operations


NARROW = Abilities(
    "narrow",
    kinds=frozenset({"base", "driver", "hugetlb"}),
    orders_of={"hugetlb": frozenset({9})},
    orders=frozenset({0, 1, 9, 18}),
    room={"base": 3, "hugetlb": 1024},
    refs=1,
    mixes=frozenset({"driver"}),
    attributes=frozenset({"writable", "mapped", "present"}),
    never=(frozenset({"mapped", "present"}),),
    attributes_of={"base": frozenset({"mapped"})},
)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (['a = mapping("base", orders=[0]*3)'], ""),
        (['a = mapping("thp", orders=[9])'], "narrow has no thp mappings"),
        (['a = mapping("driver", orders=[2])'], "narrow has no compound pages of order 2"),
        (['a = mapping("hugetlb", orders=[18])'], "narrow has no hugetlb pages of order 18"),
        (['a = mapping("base", orders=[0]*4)'], "narrow has room for 3 base pages, no more"),
        (
            ['a = mapping("base", orders=[0]*2)', 'b = mapping("base", orders=[0]*2)'],
            "narrow has room for 3 base pages, no more",
        ),
        (['a = mapping("base", orders=[0], refs=2)'], "narrow maps no page 2 times"),
        (['a = mapping("driver", orders=[1, 0])'], ""),
        (['a = mapping("driver", orders=[1, 0], writable=False)'], ""),
        (['a = mapping("base", orders=[0], mapped="pte")'], ""),
        (
            ['a = mapping("driver", orders=[0], protnone=True)'],
            "narrow has no mappings with protnone=True",
        ),
        (
            ['a = mapping("base", orders=[0], writable=False)'],
            "narrow has no base mappings with writable=False",
        ),
        (['a = mapping("driver", orders=[0], present=False)'], ""),
        (
            ['a = mapping("driver", orders=[0], mapped="pte", present=False)'],
            'narrow has no driver mappings with mapped="pte", present=False',
        ),
        (
            [
                'a = mapping("base", orders=[0], pfn=0x1001)',
                'b = mapping("driver", orders=[0], pfn=0x1000)',
            ],
            "narrow has no driver page beside a base page (at 0x1001)",
        ),
        (
            [
                'a = mapping("base", orders=[0], pfn=0x1000)',
                'b = mapping("base", orders=[0], pfn=0x1001)',
            ],
            "",
        ),
    ],
)
def test_what_a_candidate_lacks(lines, reason):
    """Mappings that it cannot make are told apart from those that it can."""
    text = "\n".join(['# headcount 1\nsemantics("6.1")', *lines, ""])

    assert reason == NARROW.lacks(parse_layout(text))


def test_orders_side_by_side():
    """Pages of two orders lie side by side only in kinds that mix them."""
    both = evolve(NARROW, orders_of={}, room={})
    text = '# headcount 1\nsemantics("6.1")\na = mapping("hugetlb", orders=[9, 9, 1])\n'

    assert "beside a hugetlb page" in both.lacks(parse_layout(text))
    assert "" == evolve(both, mixes=None).lacks(parse_layout(text))


def test_orders_of_a_kind():
    """A kind may have fewer orders than there are."""
    assert {9} == NARROW.makes("hugetlb")
    assert {0, 1, 9, 18} == NARROW.makes("driver")


def test_a_changed_list():
    """A candidate that changes the list it is given is stopped, since the caller needs it after."""

    class Takes(Optimised):
        def unpin_user_pages(self, pages, npages):
            super().unpin_user_pages(pages, npages)
            pages.reverse()

    made = program(
        'a = mapping("driver", orders=[0, 0, 0])',
        "h1 = pin_user_pages(a[0:1] + a[2:3] + a[1:2])",
        "unpin_user_pages(h1[0:3])",
    )

    with pytest.raises(ArgumentChanged):
        [*Takes().execute(made)]


def test_counted():
    """A counted method ticks, and does what it does."""
    ticks = []
    method = counted(max, lambda: ticks.append(1))

    assert (3, 5) == (method(1, 3), method([], default=5))
    assert [1, 1] == ticks
