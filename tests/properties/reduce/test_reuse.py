# SPDX-License-Identifier: MIT

"""Programs in which frames are freed, allocated again and split."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.reduce.balance import balance, fewer_of_both, pin_in_vain
from properties.reduce.join import fail_mapped
from properties.reduce.lower import clamp
from properties.reduce.reuse import MAX_STEPS_REUSED, begin_later, keep_allocated
from tests.helpers import program, searched, text_of
from tests.properties.reduce import programs
from tests.properties.reduce.programs import reduced

PAGES = 'a = mapping("driver", orders=[2])\n'
FREED = "unmap(a[0:1])\n"
PAIRS = "alloc_pages(a[0:4], orders=[1, 1])\n"
LAST = "set_page_dirty(a[0:1])\n"


class RemembersOrders(Optimised):
    """The order of a head is looked up once, and still believed after the page was freed."""

    def execute(self, program):
        self.known = {}
        return super().execute(program)

    def split_huge_page(self, pages):
        self.known.pop(self.memory.compound_head(pages[0]), None)
        return super().split_huge_page(pages)

    def compound_range_next(self, i, npages, page):
        following = page + i
        head = self.memory.compound_head(following)
        nr = self.known.setdefault(head, self.memory.compound_nr(head))
        return head, min(max(head + nr - following, 1), npages - i)


def offers(propose, *lines):
    """The steps of what *propose* offers for *lines*."""
    return [text.partition("\n")[2] for text in programs.offers(propose, PAGES, *lines)]


def test_begin_later():
    """The program begins with the compound pages that a step made, and with what was held then."""
    lines = [FREED, PAIRS, "get_page(a[2:3])\n", LAST]
    (offer,) = programs.offers(begin_later, PAGES, *lines)
    again = programs.offers(begin_later, PAGES, *lines[:3], FREED, "map(a[2:3])\n", LAST)

    assert 'a = mapping("driver", orders=[1, 1])\nget_page(a[2:3])\n' + LAST == offer
    assert 1 == len(again)


def test_begin_later_with_what_is_held():
    """What earlier steps took of other pages is taken again."""
    two = PAGES.replace("[2]", "[2, 0]")
    (offer,) = programs.offers(
        begin_later, two, "h1 = pin_user_pages(a[4:5])\n", FREED, PAIRS, "unpin_user_page(a[4:5])\n"
    )

    assert offer.endswith(" = pin_user_pages(a[4:5])\nunpin_user_page(a[4:5])\n")
    assert "orders=[1, 1, 0]" in offer


@pytest.mark.parametrize("propose", [begin_later, keep_allocated])
def test_long_programs(propose):
    """Long programs are left to other passes."""
    assert [] == offers(propose, *[FREED, PAIRS], *[LAST] * MAX_STEPS_REUSED)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([FREED, "alloc_pages(a[0:4], orders=[2])\n", LAST], [LAST]),
        ([FREED, PAIRS, "unmap(a[0:1] + a[2:3])\n", "alloc_pages(a[0:2], orders=[1])\n", LAST], 2),
        ([FREED, LAST], []),
    ],
)
def test_keep_allocated(lines, expected):
    """What is allocated again is not unmapped before."""
    found = offers(keep_allocated, *lines)

    if expected == 2:
        # Of two pages that are unmapped only one is allocated again.
        assert FREED + PAIRS + "unmap(a[2:3])\n" + LAST == found[0]
    else:
        assert expected == found


def test_fail_mapped():
    """A region that fails at its last page may show the same if DMA mapping fails."""
    assert [LAST + f"m1 = ib_umem_get(a[0:{npages}], nmap=0)\n" for npages in (1, 2, 3)] == offers(
        fail_mapped, LAST, "m1 = ib_umem_get(a[0:4])\n"
    )
    assert [] == offers(fail_mapped, LAST, "m1 = ib_umem_get(a[0:1])\n")


def test_fewer_of_both():
    """Pin and unpin lose the same pages, whatever the names of these."""
    pin, unpin = (
        "h1 = pin_user_pages({})\n",
        "unpin_user_page_range_dirty_lock({}, make_dirty=True)\n",
    )

    assert [
        pin.format(kept) + unpin.format(kept) + LAST
        for kept in ("a[0:1]", "a[2:3]", "a[0:2]", "a[1:3]")
    ] == offers(fewer_of_both, pin.format("a[0:3]"), unpin.format("a[0:3]"), LAST)
    assert [] == offers(fewer_of_both, pin.format("a[0:1]"), unpin.format("a[1:2]"), LAST)


def test_pin_in_vain():
    """One step pins and unpins: a region whose DMA mapping fails."""
    steps = ["h1 = pin_user_pages(a[0:1])\n", "unpin_user_page(a[1:2])\n", LAST]

    assert ["m1 = ib_umem_get(a[0:1], nmap=0)\n" + LAST] == offers(pin_in_vain, *steps)
    assert ["m1 = ib_umem_get(a[0:1], nmap=0)\n" + LAST] == offers(
        pin_in_vain, "m1 = ib_umem_get(a[0:1])\n", "ib_umem_release(m1)\n", LAST
    )
    assert [] == offers(pin_in_vain, "get_page(a[0:1])\n", "put_page(a[0:1])\n", LAST)


def test_references_of_several_entries():
    """References that a list took one by one are put with one number."""
    steps = ["get_page(a[0:4])\n", "put_page(a[0:1], n=4)\n", LAST]

    assert LAST in offers(balance, *steps)


def test_clamp_keeps_what_is_named_last():
    """The pages that stay may be those with which the last list begins."""
    found = programs.offers(
        clamp,
        PAGES,
        "unmap(a[3:4])\n",
        PAIRS,
        "h1 = pin_user_pages(a[1:3])\nunpin_user_pages(h1[0:2])\n",
    )

    assert (
        'a = mapping("driver", orders=[1])\nunmap(a[1:2])\nalloc_pages(a[0:2], orders=[0, 0])\n'
        "h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n"
    ) in found


@pytest.mark.parametrize("seed", [1, 4, 10, 15])
def test_history_of_frames(seed):
    """However long the history, what is left is: look up, free, allocate, and look up again."""
    failing, _ = searched(RemembersOrders, seed, 60).failure
    result = reduced(failing, RemembersOrders).program

    assert 4 + (not result.steps[-1].binds_umem) == len(result.steps)
    assert (1, 1) == result.size()[1:3]


def test_known_history():
    """A program of six steps, once thought the smallest."""
    whole = program(
        'a = mapping("driver", orders=[1])\n'
        "m1 = ib_umem_get(a[0:2])\nunmap(a[0:1])\nib_umem_release(m1)\n"
        "alloc_pages(a[0:2], orders=[0, 0])\n"
        "m2 = ib_umem_get(a[0:2])\nib_umem_release(m2)\n"
    )

    assert (
        'a = mapping("driver", orders=[1])\n'
        "m1 = ib_umem_get(a[0:1], nmap=0)\nunmap(a[0:1])\nalloc_pages(a[0:2], orders=[0, 0])\n"
        "m2 = ib_umem_get(a[0:2])\nib_umem_release(m2)\n"
    ) == text_of(reduced(whole, RemembersOrders).program)
