# SPDX-License-Identifier: MIT

"""The calls of folios: their steps, and how reference and optimised model count them."""

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.folios import FOLIO_STEPS, FolioAddPins, UnpinFolios, UnpinUserFolio
from model.optimised import Optimised
from model.pagelist import span
from model.parse import parse_program
from model.reference import Reference
from model.semantics import SEMANTICS

#: Compound pages of orders 2 and 1, then two single pages; all six pins that tests begin with.
A = 'a = mapping("driver", orders=[2, 1, 0, 0], pfn=0x10)'
FOUR, PAIR, ONE, OTHER = 0x10, 0x14, 0x16, 0x17
PINS = "h1 = pin_user_pages(a[0:8])"
Z = 'z = mapping("zero", orders=[0], pfn=0x20)'
ZERO = 0x20
FULL = "get_page(a[6:7], n=2147483646)"


@pytest.fixture(name="newest")
def _newest(run):
    """Carries statements out in a version that has all calls."""
    return lambda *lines: run(*lines, semantics="7.3")


@pytest.mark.parametrize(
    "statement",
    [
        "unpin_folio(h1[3:4])",
        "unpin_folios(NULL + h1[0:2] + NULL)",
        "unpin_folios(h1[0:0])",
        "unpin_folios(h1[0:2], npages=-14)",
        "unpin_user_folio(h1[1:2])",
        "unpin_user_folio(a[1:2], n=3)",
        "unpin_user_folio(a[1:2], n=0)",
        "unpin_user_folio(a[1:2], n=-14)",
        "folio_add_pin(a[5:6])",
        "folio_add_pins(a[5:6], n=2147483647)",
        "folio_add_pins(a[5:6], n=0)",
    ],
)
def test_text(statement):
    """What is written of a step is what is read."""
    text = f'# headcount 1\nsemantics("7.3")\n{A}\n{PINS}\n{statement}\n'

    assert text == parse_program(text).text()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("unpin_folio(a[0:2])", "takes one page, not 2"),
        ("unpin_folio(NULL)", "unpin_folio of NULL"),
        ("unpin_user_folio(a[0:1], n=2147483648)", "n=2147483648 is neither in 0..2147483647 nor"),
        ("unpin_folios(a[0:1], npages=1)", "npages=1 is not -errno"),
        ("folio_add_pins(a[0:1], n=-1)", "n=-1 is not in 0..2147483647"),
        ("folio_add_pins(a[0:1], n=2147483648)", "n=2147483648 is not in"),
    ],
)
def test_complaints(statement, complaint):
    """An argument that makes no sense is refused, with what it may be."""
    with pytest.raises(BadInput, match=complaint):
        parse_program(f'# headcount 1\nsemantics("7.3")\n{A}\n{statement}\n')


def test_versions():
    """The calls came with 6.12, folio_add_pins() after it."""
    having = {
        cls.call: [v for v, s in SEMANTICS.items() if not cls.lacked_by(s)] for cls in FOLIO_STEPS
    }
    late = ["6.15-32", "6.18", "7.1", "7.3"]

    assert late == having.pop("folio_add_pins")
    assert [["6.12", *late]] * 4 == [*having.values()]


def test_pages_visited():
    """A call that acts on one page many times visits it so often, a list each page once."""
    page = span("a", 0, 1)

    assert 5 == FolioAddPins(page=page, n=5).npages_visited
    assert [1, 3] == [UnpinUserFolio(page=page, n=n).npages_visited for n in (-14, 3)]
    assert 7 == UnpinFolios(pages=span("a", 0, 7)).npages_visited
    assert 1 == FolioAddPins(page=page, n=5).npages_named


# Unpinning.


@pytest.mark.parametrize(
    ("page", "head", "counts"), [(3, FOUR, (4, 3)), (5, PAIR, (2, 1)), (6, ONE, (1, 0))]
)
def test_unpin_folio(newest, page, head, counts):
    """One pin of the folio goes, whichever page names it."""
    world = newest(A, PINS, f"unpin_folio(a[{page}:{page + 1}])")

    assert counts == world.counts(head)
    assert (8, 1) == world.stats()


def test_unpin_the_last_reference(newest):
    """A folio that nothing else holds is freed."""
    world = newest(A, "h1 = pin_user_pages(a[6:7])", "unmap(a[6:7])", "unpin_folio(h1[0:1])")

    assert (0, 0, False, False) == world.last.heads[ONE]


@pytest.mark.parametrize("pages", ["a[1:4] + a[4:6]", "NULL + a[0:1]*3 + NULL*2 + a[5:3:-1]"])
def test_unpin_folios(newest, pages):
    """Each entry but NULL drops one pin of its folio."""
    world = newest(A, PINS, f"unpin_folios({pages})")

    assert [(2, 1), (1, 0), (1025, 0)] == [world.counts(head) for head in (FOUR, PAIR, ONE)]
    assert (8, 5) == world.stats()
    assert () == world.last.warnings


@pytest.mark.parametrize("npages", [-1, -14, -4095])
def test_error_value(newest, npages):
    """An error value is noticed: there is a warning, and no pin is dropped."""
    world = newest(A, PINS, f"unpin_folios(h1[0:8], npages={npages})")

    assert 1 == len(world.last.warnings)
    assert (8, 0) == world.stats()


def test_no_folios(newest):
    """A list of no folios changes nothing."""
    world = newest(A, PINS, "unpin_folios(h1[0:0])")

    assert {} == world.last.heads


@pytest.mark.parametrize(("n", "counts"), [(0, (5, 4)), (1, (4, 3)), (4, (1, 0))])
def test_unpin_user_folio(newest, n, counts):
    """As many pins of the folio go as are asked for."""
    world = newest(A, PINS, f"unpin_user_folio(a[2:3], n={n})")

    assert counts == world.counts(FOUR)
    assert (8, n) == world.stats()


def test_unpin_user_folio_of_bias(newest):
    """Pins of a single page are a multiple of the bias."""
    world = newest(A, "h1 = pin_user_pages(a[6:7]*5)", "unpin_user_folio(a[6:7], n=4)")

    assert (1 + 1024, 0) == world.counts(ONE)


@pytest.mark.parametrize(
    ("statement", "puts"),
    [
        ("unpin_folios(a[0:4] + a[4:6])", 2),
        ("unpin_folios(a[0:2] + a[4:6] + a[2:4])", 3),
        ("unpin_folios(a[0:2] + NULL + a[2:4])", 2),
        ("unpin_user_folio(a[0:1], n=3)", 1),
    ],
)
def test_puts(carry_out, statement, puts):
    """The optimised model takes one put for adjacent entries of one folio; the reference more."""
    shown = [carry_out(m, A, PINS, statement, semantics="7.3").last for m in (Optimised, Reference)]

    assert puts == shown[0].puts < shown[1].puts
    assert shown[0].heads == shown[1].heads


@pytest.mark.parametrize("call", ["unpin_user_folio", "folio_add_pins"])
def test_of_no_pins(carry_out, call):
    """No part of the optimised model is called for no pins: sketches override these."""
    last = carry_out(Optimised, A, PINS, f"{call}(a[0:1], n=0)", semantics="7.3").last

    assert [] == last.events


def test_error_value_adds_pins(carry_out):
    """unpin_user_folio() takes -errno for a number: it subtracts a negative one, as an int."""
    world = carry_out(Optimised, A, PINS, "unpin_user_folio(a[0:1], n=-14)", semantics="6.12")

    assert (5 + 14, 4 + 14) == world.counts(FOUR)
    assert (8, -14) == world.stats()


# Adding pins.


@pytest.mark.parametrize(
    ("page", "head", "counts"), [(3, FOUR, (6, 5)), (5, PAIR, (4, 3)), (6, ONE, (2049, 0))]
)
def test_folio_add_pin(newest, page, head, counts):
    """There is one pin more, and it is counted."""
    world = newest(A, PINS, f"folio_add_pin(a[{page}:{page + 1}])")

    assert counts == world.counts(head)
    assert (9, 0) == world.stats()
    assert (None, ()) == (world.last.returned, world.last.warnings)


@pytest.mark.parametrize(
    ("page", "n", "head", "counts"),
    [(3, 0, FOUR, (5, 4)), (3, 7, FOUR, (12, 11)), (6, 3, ONE, (1 + 4 * 1024, 0))],
)
def test_folio_add_pins(newest, page, n, head, counts):
    """There are as many pins more as are asked for, and all are counted."""
    world = newest(A, PINS, f"folio_add_pins(a[{page}:{page + 1}], n={n})")

    assert counts == world.counts(head)
    assert (8 + n, 0) == world.stats()
    assert (0, ()) == (world.last.returned, world.last.warnings)


@pytest.mark.parametrize("statement", ["folio_add_pin(a[0:1])", "folio_add_pin(a[6:7])"])
def test_not_pinned(newest, statement):
    """To add a pin to a folio without pins is warned of, and done."""
    world = newest(A, statement)

    assert 1 == len(world.last.warnings)
    assert (1, 0) == world.stats()


def test_past_the_limit(newest):
    """Pins are added even if the refcount goes past 2^31; after that folio_add_pins() refuses."""
    room = f"get_page(a[6:7], n={2**31 - 1 - 1024 - 1})"
    world = newest(A, room, "h1 = pin_user_pages(a[6:7])", "folio_add_pins(a[6:7], n=2)")
    assert (0, -(2**31) + 2 * 1024 - 1) == (world.last.returned, world.counts(ONE)[0])

    world = newest(A, FULL, "h1 = pin_user_pages(a[6:7])", "folio_add_pins(a[6:7], n=2)")
    assert (-12, (1, 0)) == (world.last.returned, world.stats())
    assert 1 == len(world.last.warnings)


def test_one_pin_past_the_limit(newest):
    """folio_add_pin() looks at no refcount."""
    world = newest(A, FULL, "h1 = pin_user_pages(a[6:7])", "folio_add_pin(a[6:7])")

    assert -(2**31) + 2 * 1024 - 1 == world.counts(ONE)[0]
    assert ((2, 0), ()) == (world.stats(), world.last.warnings)


@pytest.mark.parametrize(
    "statement",
    [
        "unpin_folio(z[0:1])",
        "unpin_folios(z[0:1]*3)",
        "unpin_user_folio(z[0:1], n=3)",
        "folio_add_pin(z[0:1])",
        "folio_add_pins(z[0:1], n=3)",
    ],
)
def test_zero_page(newest, statement):
    """Pins of the zero page are not counted, nor is their absence warned of."""
    world = newest(Z, "h1 = pin_user_pages(z[0:1]*3)", statement)

    assert (1, 0) == world.counts(ZERO)
    assert ((0, 0), ()) == (world.stats(), world.last.warnings)
    assert world.last.returned in {None, 0}
