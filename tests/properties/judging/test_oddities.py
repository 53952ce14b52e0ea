# SPDX-License-Identifier: MIT

"""What is known of kernels: told where it is met, and stepped around by searches."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.kernel.source.build import ODDITIES_BY_VERSION as BY_VERSION
from model.memory import Oops
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
        ("wrapped-put", True, [ONE, FULL, PIN, "unpin_user_page(h1[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, PIN, "unpin_user_pages(h1[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, "m1 = ib_umem_get(a[0:1])", "ib_umem_release(m1)"]),
        ("wrapped-put", True, [ONE, FULL, "m1 = ib_umem_get(a[0:1])"]),
        ("wrapped-put", True, [ONE, FULL, "h1 = pin_user_pages_fast_only(a[0:1], changed=0)"]),
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


def test_every_version_has_its_own():
    """What a tree is known for is told by names that there are, for every version there is."""
    assert set(SEMANTICS) == set(BY_VERSION)
    # By the memory model; by the rest of the configuration; by page tables of the kernel's own.
    beside = {"sections", "sections-walk", "wrapped-put"}
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
