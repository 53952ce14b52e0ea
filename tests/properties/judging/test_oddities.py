# SPDX-License-Identifier: MIT

"""What is known of kernels: told where it is met, and stepped around by searches."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.kernel.source.build import ODDITIES_BY_VERSION as BY_VERSION
from model.memory import NR_FOLL_PIN_ACQUIRED, Oops
from model.optimised import Optimised
from model.semantics import SEMANTICS
from properties.judging.judge import Run, judge
from properties.judging.ledger import Ledger
from properties.judging.oddities import ODDITIES, KnownOddity
from properties.search import Search, Tally
from properties.searches.soak import soak
from tests.helpers import program


def met(name, *lines, semantics="5.13"):
    """Whether the last of *lines* meets the oddity *name*."""
    made = program(*lines, semantics=semantics)
    ledger = Ledger.after(made, made.steps[:-1])
    return ODDITIES[name].meets(ledger, made.steps[-1])


HUGE = 'a = mapping("thp", orders=[9, 9])'
TWO = 'a = mapping("base", orders=[0, 0], pfn=0x13ff)'
FULL = "get_page(a[0:1], n=2147483646)"
PAIR = "h1 = pin_user_pages(a[0:2])"
RANGE = "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)"
ONE = 'a = mapping("base", orders=[0])'
DAX = 'd = mapping("device-dax", orders=[0])'
READ_ONLY_DAX = 'd = mapping("device-dax", orders=[0], writable=False)'
MOVES = 'a = mapping("base", orders=[0], movable=True)'
PIN = "h1 = pin_user_pages(a[0:1])"
MANY = "h1 = pin_user_pages(a[0:1]*2097152)"
GIANT = 'a = mapping("hugetlb", orders=[18]*16384)'


@pytest.mark.parametrize(
    ("name", "expected", "lines"),
    [
        ("one-grab", True, [HUGE, FULL, "h1 = pin_user_pages_fast_only(a[0:2])"]),
        (
            "one-grab",
            False,
            [HUGE, "get_page(a[0:1], n=2147483645)", "h1 = pin_user_pages_fast_only(a[0:2])"],
        ),
        ("one-grab", False, [HUGE, FULL, PAIR]),
        ("one-grab", False, [HUGE, FULL, "h1 = pin_user_pages_fast_only(a[0:1] + a[512:514])"]),
        ("one-grab", False, [ONE, FULL, "h1 = pin_user_pages_fast_only(a[0:1]*2)"]),
        ("sections", True, [TWO, PAIR, RANGE]),
        ("devmap-longterm", True, [DAX, "h1 = pin_user_pages_fast_only(d[0:1], FOLL_LONGTERM)"]),
        ("devmap-longterm", False, [DAX, "h1 = pin_user_pages(d[0:1], FOLL_LONGTERM)"]),
        ("devmap-longterm", False, [DAX, ONE, "m1 = ib_umem_get(d[0:1] + a[0:1])"]),
        ("devmap-longterm", True, [DAX, MOVES, "m1 = ib_umem_get(d[0:1] + a[0:1])"]),
        ("devmap-longterm", True, [READ_ONLY_DAX, "m1 = ib_umem_get(d[0:1], writable=False)"]),
        ("devmap-longterm", False, [DAX, MOVES, "m1 = ib_umem_get(a[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, PIN, "unpin_user_page(h1[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, PIN, "unpin_user_pages(h1[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, "m1 = ib_umem_get(a[0:1])", "ib_umem_release(m1)"]),
        ("wrapped-put", True, [ONE, FULL, "m1 = ib_umem_get(a[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, "h1 = pin_user_pages_fast_only(a[0:1], changed=0)"]),
        ("wrapped-put", True, [ONE, FULL, "h1 = get_user_pages_fast_only(a[0:1]*9, changed=8)"]),
        ("wrapped-put", True, [MOVES, FULL, PIN]),
        ("wrapped-put", True, [MOVES, "get_page(a[0:1], n=2147482622)", PIN]),
        ("wrapped-put", False, [MOVES, "get_page(a[0:1], n=2147482621)", PIN]),
        ("wrapped-put", False, [ONE, FULL, PIN]),
        ("wrapped-put", False, [ONE, FULL, PIN, "put_page(a[0:1])"]),
        ("wrapped-put", False, [ONE, PIN, "unpin_user_pages(NULL + h1[0:1])"]),
        ("wrapped-put", False, [ONE, "m1 = ib_umem_get(a[0:1], nmap=0)"]),
        (
            "sections",
            False,
            [TWO, PAIR, "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=True)"],
        ),
        (
            "sections",
            False,
            [TWO, PAIR, "unpin_user_page_range_dirty_lock(h1[0:0], make_dirty=True)"],
        ),
        ("sections", False, [TWO, PAIR, "unpin_user_pages(h1[0:2])"]),
        ("sections", True, [TWO, "m1 = ib_umem_get(a[0:2])"]),
        ("sections", False, [TWO, "m1 = ib_umem_get(a[1::-1])"]),
        ("sections", True, [TWO, PAIR, "m1 = ib_umem(sg(h1[0:2], 8192))", "ib_umem_release(m1)"]),
        (
            "sections",
            True,
            [GIANT, PAIR, "unpin_user_page_range_dirty_lock(h1[0:1], make_dirty=True)"],
        ),
        ("product", True, [ONE, MANY, "unpin_user_pages(h1[0:2097152])"]),
        (
            "product",
            True,
            [ONE, MANY, "unpin_user_pages_dirty_lock(h1[0:2097152], make_dirty=True)"],
        ),
        ("product", False, [ONE, MANY, "unpin_user_pages(h1[1:2097152])"]),
        ("product", False, [GIANT, MANY, "unpin_user_pages(h1[0:2097152])"]),
        ("product", False, [ONE, "h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])"]),
        (
            "run-of-zero",
            True,
            [
                GIANT,
                "h1 = pin_user_pages_fast_only(a[0:4294967296])",
                "unpin_user_page_range_dirty_lock(h1[0:4294967296], make_dirty=False)",
            ],
        ),
        (
            "run-of-zero",
            False,
            [
                GIANT,
                "h1 = pin_user_pages_fast_only(a[0:4294967296])",
                "unpin_user_page_range_dirty_lock(h1[1:4294967296], make_dirty=False)",
            ],
        ),
    ],
)
def test_meets(name, expected, lines):
    """A step meets an oddity where that would show, and not beside it."""
    assert expected == met(name, *lines)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ("h1[0:1] + NULL", True),
        ("NULL + h1[0:1]", False),
        ("NULL*2", False),
        ("h1[0:1]", False),
    ],
)
def test_null_in_run(pages, expected):
    """NULL is followed where a page stands before it."""
    lines = (ONE, "h1 = pin_user_pages(a[0:1])", f"unpin_user_pages({pages})")

    assert expected == met("null-in-run", *lines, semantics="6.12")
    assert not met("null-in-run", ONE, "h1 = pin_user_pages(a[0:1])", semantics="6.12")


def test_null_between_folios():
    """unpin_folios() compares folios, which NULL is none of."""
    lines = (ONE, "h1 = pin_user_pages(a[0:1])", "unpin_folios(h1[0:1] + NULL)")

    assert not met("null-in-run", *lines, semantics="6.12")


@pytest.mark.parametrize(
    ("name", "statement", "lines", "expected"),
    [
        ("uncounted-pin", "folio_add_pin(z[0:1])", (), True),
        ("uncounted-pin", "folio_add_pins(z[0:1])", (), False),
        ("uncounted-pin", "h2 = pin_user_pages(z[0:1])", (), False),
        ("uncounted-pin", "unpin_folio(z[0:1])", (), False),
        ("zero-unpinned", "folio_add_pins(z[0:1])", (), True),
        ("zero-unpinned", "folio_add_pins(z[0:1])", ("get_page(z[0:1], n=1022)",), True),
        ("zero-unpinned", "folio_add_pins(z[0:1])", ("get_page(z[0:1], n=1023)",), False),
        ("zero-unpinned", "folio_add_pins(a[0:1])", (), False),
        ("zero-unpinned", "folio_add_pin(z[0:1])", (), False),
        ("zero-unpinned", "unpin_folio(z[0:1])", (), False),
    ],
)
def test_of_folios(name, statement, lines, expected):
    """Pins that are added to a folio: which of the two calls is odd, and with which page."""
    zero = 'z = mapping("zero", orders=[0])'
    pins = "h1 = pin_user_pages(a[0:1] + z[0:1])"

    assert expected == met(name, ONE, zero, pins, *lines, statement, semantics="7.3")


def test_every_version_has_its_own():
    """What a tree is known for is told by names that there are, for every version there is."""
    assert set(SEMANTICS) == set(BY_VERSION)
    # By the memory model; by the rest of the configuration; by page tables of the kernel's own.
    beside = {"sections", "sections-walk", "wrapped-put", "zero-unpinned"}
    assert {*ODDITIES} == beside | {n for names in BY_VERSION.values() for n in names}


class Odd(Optimised):
    """Crashes in every range across a section's edge, and is known for it."""

    @property
    def abilities(self):
        return evolve(super().abilities, oddities=("sections",))

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        if npages and page // 1024 != (page + npages - 1) // 1024:
            msg = "beyond"
            raise Oops(msg)
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


ACROSS = (
    TWO,
    PAIR,
    RANGE,
)


def test_judged_as_odd():
    """A trace that meets it and diverges does what is expected; one that agrees agrees."""
    verdict = judge(program(*ACROSS), Odd())

    assert ("odd", "sections", 2) == (verdict.kind, verdict.oddity.name, verdict.steps)
    assert verdict.worst is None
    assert "agrees" == judge(program(*ACROSS), Optimised()).kind


def test_what_is_not_known_diverges():
    """Only where it would show: the same crash elsewhere is a finding."""

    class Other(Odd):
        def unpin_user_pages(self, pages, npages):
            raise Oops

    assert "diverges" == judge(program(*ACROSS[:2], "unpin_user_pages(h1[0:2])"), Other()).kind


def test_a_run_refuses_what_is_known():
    """A search's run does not carry out what would meet it, and goes on."""
    made = program(*ACROSS)
    run = Run(Odd(), made.mappings, made.semantics)
    run.step(made.steps[0])

    with pytest.raises(KnownOddity, match="sections"):
        run.step(made.steps[1])
    assert 1 == len(run.steps)


def test_searches_skip_them():
    """A search on a candidate with an oddity finds nothing, and says how often it was near."""
    avoided = []

    class Listening(Tally):
        def avoided(self, oddity):
            avoided.append(oddity)

    tally = Listening()
    for number in range(40):
        soak(Search(Odd, watcher=tally), number)

    assert tally.worst is None
    assert {"sections"} == set(avoided)


def test_abilities_have_none():
    """Models have no oddities."""
    assert () == Abilities("plain").oddities == Optimised().abilities.oddities


class Uncounted(Optimised):
    """Does not count the pins that folio_add_pin() takes, and is known for it."""

    each: ClassVar[int] = 0

    @property
    def abilities(self):
        return evolve(super().abilities, oddities=("uncounted-pin",))

    def folio_add_pin(self, folio):
        super().folio_add_pin(folio)
        if not self.memory.is_zero_page(folio):
            self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, self.each - 1)


ADDS = (ONE, PIN, "folio_add_pin(a[0:1])", "h2 = pin_user_pages(a[0:1])", "folio_add_pin(a[0:1])")


@pytest.mark.parametrize(
    ("each", "kind"), [(0, "odd"), (1, "agrees"), (-1, "diverges"), (2, "diverges")]
)
def test_the_statistic_is_corrected(each, kind):
    """The pins are counted not at all, which is known, or as they should: nothing else is right."""
    candidate = type("Counts", (Uncounted,), {"each": each})
    verdict = judge(program(*ADDS, semantics="7.3"), candidate())

    assert (kind, 4 if kind != "diverges" else 2) == (verdict.kind, verdict.steps)
    assert (kind == "odd") == (verdict.oddity is not None)


def test_counted_now_and_then():
    """Each step may count its pins or not: the correction goes by what was seen."""

    class Sometimes(Uncounted):
        @property
        def each(self):
            return self.memory.page_ref_count(0x1000) > 3 * 1024

    assert "odd" == judge(program(*ADDS, semantics="7.3"), Sometimes()).kind


def test_all_else_of_the_step_is_judged():
    """Only the statistic is corrected: a wrong count is a finding, at the step and after it."""

    class Lax(Uncounted):
        def folio_add_pin(self, folio):
            self.memory.page_ref_add(folio, 1024)

        def unpin_folio(self, folio):
            super().unpin_folio(folio)
            self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1)

    assert "odd" == judge(program(*ADDS, semantics="7.3"), Lax()).kind
    last = judge(program(*ADDS, "unpin_folio(a[0:1])", semantics="7.3"), Lax())
    assert ("diverges", NR_FOLL_PIN_ACQUIRED) == (last.kind, last.finding.what)

    class Loses(Uncounted):
        def folio_add_pin(self, folio):
            pass

    assert "diverges" == judge(program(*ADDS, semantics="7.3"), Loses()).kind


def test_dearer_comes_before_corrected():
    """A trace that is dearer is told so, though it shows the oddity too."""

    class Dear(Uncounted):
        def unpin_user_folio(self, folio, npages):
            for _ in range(npages):
                self.put_compound_head(folio, 1)

    verdict = judge(program(*ADDS, "unpin_user_folio(a[0:1], n=4)", semantics="7.3"), Dear())

    assert "dearer" == verdict.kind


def test_searches_count_what_they_correct():
    """A search carries such steps out, and tells how many."""
    seen = Counter()

    class Listening(Tally):
        def step(self, run, reached):
            super().step(run, reached)
            seen[run.corrected and run.corrected.name] += run.steps[-1].call == "folio_add_pin"

    tally = Listening()
    search = Search(Uncounted, semantics=SEMANTICS["6.12"], watcher=tally)
    for number in range(6):
        soak(search, number)

    assert tally.worst is None
    assert {"uncounted-pin"} <= seen.keys()
    # Pins of the zero page are not counted anyway.
    assert seen["uncounted-pin"] > 4 * seen[None]
