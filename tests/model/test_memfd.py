# SPDX-License-Identifier: MIT

"""`memfd_pin_folios`: its step, and how reference and optimised model pin the folios of a file."""

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.memfd import MemfdPinFolios
from model.pagelist import span
from model.parse import parse_program
from model.program import check
from model.step import Table

#: A file with folios of orders 3, 2 and 0; one of hugetlb pages.
FILE = 'a = mapping("page-cache", orders=[3, 2, 0, 0], pfn=0x10{})'
EIGHT, FOUR, ONE, OTHER = 0x10, 0x18, 0x1C, 0x1D
HUGE = 'b = mapping("hugetlb", orders=[2, 2, 2], pfn=0x40{})'
ABSENT = ", present=False"
MOVABLE = ", movable=True"
FULL = "get_page(a[8:9], n=2147483646)"
ENOMEM, EINVAL = -12, -22


@pytest.fixture(name="newest")
def _newest(run):
    """Carries statements out in a version that has the call."""
    return lambda *lines: run(*lines, semantics="7.3")


def text(*lines):
    """A trace of *lines*."""
    return "\n".join(["# headcount 1", 'semantics("7.3")', *lines, ""])


@pytest.mark.parametrize(
    "statement",
    [
        "h1 = memfd_pin_folios(a[1:13])",
        "h1 = memfd_pin_folios(a[1:13], max_folios=0)",
        "h1 = memfd_pin_folios(a[1:13], max_folios=4294967295)",
    ],
)
def test_text(statement):
    """What is written of a step is what is read."""
    trace = text(FILE.format(""), statement)

    assert trace == parse_program(trace).text()


@pytest.mark.parametrize(
    ("pages", "complaint"),
    [
        ("a[0:2] + a[3:4]", "is not a range: its frames are not contiguous"),
        ("a[0:0]", "memfd_pin_folios of no pages"),
        ("a[0:2], max_folios=-1", r"max_folios=-1 is not in 0\.\.4294967295"),
        ("a[0:2], max_folios=4294967296", "max_folios=4294967296 is not in"),
    ],
)
def test_bad_arguments(pages, complaint):
    """What the call cannot be given is told with the line."""
    with pytest.raises(BadInput, match=complaint):
        check(parse_program(text(FILE.format(""), f"h1 = memfd_pin_folios({pages})")))


def test_room():
    """Without max_folios there is room for a folio of each page."""
    step = MemfdPinFolios(handle="h1", pages=span("a", 0, 7))

    assert 7 == step.most(7)


def test_no_handle_without_folios():
    """What returns no folios makes no handle, and nor does what returns a number."""
    step = MemfdPinFolios(handle="h1", pages=span("a", 0, 7))
    table = Table({"a": range(7)})

    assert 0 == step.bind(table, (), [])
    assert 0 == step.bind(table, (), 0)
    assert "h1" not in table


@pytest.mark.parametrize("attributes", ["", ABSENT, ABSENT + ', fault="retry"', MOVABLE])
def test_each_folio_once(newest, attributes):
    """Each folio of the range has one pin, whatever it took to find, make or move it."""
    world = newest(FILE.format(attributes), "h1 = memfd_pin_folios(a[1:13])")

    assert 3 == world.returned[-1]
    assert (2, 1) == world.counts(EIGHT)
    assert (2, 1) == world.counts(FOUR)
    assert (1025, 0) == world.counts(ONE)
    assert (1, 0) == world.counts(OTHER)
    assert () == world.last.warnings


@pytest.mark.parametrize(("most", "pinned"), [(1, 1), (2, 2), (3, 3), (100, 3)])
def test_no_more_than_there_is_room_for(newest, most, pinned):
    """The handle holds the folios, and unpins work on it."""
    world = newest(
        FILE.format(""),
        f"h1 = memfd_pin_folios(a[1:13], max_folios={most})",
        f"unpin_folios(h1[0:{pinned}])",
    )

    assert pinned == world.returned[0]
    assert [(1, 0)] * 3 == [world.counts(head) for head in (EIGHT, FOUR, ONE)]
    assert (pinned, pinned) == world.stats()


def test_no_room(newest):
    """Without room for a folio the call fails."""
    world = newest(FILE.format(""), "h1 = memfd_pin_folios(a[1:13], max_folios=0)")

    assert [EINVAL] == world.returned


@pytest.mark.parametrize(
    ("attributes", "before", "error", "pinned"),
    [
        (ABSENT + ', fault="oom"', [], ENOMEM, 0),
        (ABSENT + ', fault="bus"', [], ENOMEM, 0),
        ("", [FULL], EINVAL, 1),
        (ABSENT, [FULL], EINVAL, 1),
        (MOVABLE, [FULL], EINVAL, 1),
        (MOVABLE, ["get_page(a[8:9])"], ENOMEM, 3),
        (MOVABLE + ", migrates=False", [], ENOMEM, 3),
    ],
)
def test_all_or_none(newest, attributes, before, error, pinned):
    """If one folio cannot be made, pinned or moved, none stays pinned."""
    world = newest(FILE.format(attributes), *before, "h1 = memfd_pin_folios(a[1:13])")

    assert error == world.returned[-1]
    assert [0, 0] == [world.counts(head)[1] for head in (EIGHT, FOUR)]
    assert (1, 0) == world.counts(ONE)
    assert (pinned, pinned) == world.stats()
    assert (FULL in before) == bool(world.last.warnings)


def test_the_others_move(newest):
    """If one folio cannot be moved the call fails, and the others have moved all the same."""
    world = newest(
        FILE.format(MOVABLE),
        "get_page(a[8:9])",
        "h1 = memfd_pin_folios(a[0:13])",
        "h2 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)",
        "h3 = pin_user_pages_fast_only(a[8:9], FOLL_LONGTERM)",
    )

    assert [ENOMEM, 1, 0] == world.returned[1:]


def test_a_look_up_needs_room_too(newest):
    """A count of 2^31-1 has room for a pin, but not for one beside the look-up's reference."""
    lines = [FILE.format(""), FULL, "put_page(a[8:9])", "h1 = memfd_pin_folios(a[8:9])"]

    assert 1 == newest(*lines).returned[-1]


@pytest.mark.parametrize(
    ("attributes", "tries"),
    [
        (MOVABLE, 2),
        (MOVABLE + ', isolates="later"', 3),
        (MOVABLE + ABSENT, 1),
        (MOVABLE + ABSENT + ', fault="retry"', 2),
    ],
)
def test_moves(newest, attributes, tries):
    """What may have to move is moved first, once; what the call makes lies right."""
    pin = "h{} = memfd_pin_folios(b[0:12])"
    world = newest(HUGE.format(attributes), pin.format(1), pin.format(2))

    assert [3, 3] == world.returned
    assert (3 * tries + 3, 3 * tries - 3) == world.stats()
