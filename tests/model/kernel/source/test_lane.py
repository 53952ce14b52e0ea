# SPDX-License-Identifier: MIT

"""The lane: what it carries out, finds and tells as steps."""

from __future__ import annotations

import pytest

from model.kernel.source.lane import Ride, decoded
from model.kernel.source.process import OPS
from model.mapping import Extent, Mapping
from model.program import Program, check
from model.semantics import SEMANTICS
from properties.judging.judge import judge
from properties.strategies.dice import Dice


ROW = SEMANTICS["5.13"]
ZERO = SEMANTICS["6.1"]

#: Compound pages over the edge of a section, and a zero page beside them.
PAGES = (
    Mapping("a", "driver", (Extent(0x13F8, 3, 1), Extent(0x1400, 2, 2), Extent(0x1408, 0, 3)), 2),
    Mapping("z", "zero", (Extent(0x1410, 0, 1),)),
)


def ride(source, number=1, words=4000, mappings=PAGES):
    """One program in the lane, from a number."""
    return source().lane(mappings, ROW, Dice(number).randbytes(8 * words))


@pytest.mark.parametrize("model", ["vmemmap", "classic"])
def test_agrees(compiled, toy, model):
    """What counts right comes to its end, and most words make sense."""
    found = ride(compiled(toy, model))

    assert not found.what
    assert not found.steps
    assert 3000 < found.done <= 4000


def test_repeats(compiled, toy):
    """The same words do the same."""
    source = compiled(toy)

    assert ride(source, 3) == ride(source, 3)


WRONG = {
    "tail offset": ("head + compound_nr(head) - from", "compound_nr(head)", "flags"),
    "statistic": ("NR_FOLL_PIN_RELEASED, refs", "NR_FOLL_PIN_RELEASED, 1", "statistics"),
    "exact count": ("atomic_sub(refs, compound", "atomic_sub(1, compound", "pincount"),
    "both alike": ("GUP_PIN_COUNTING_BIAS;\n}", "GUP_PIN_COUNTING_BIAS - 1;\n}", "by the books"),
    "dirty": ("if ((wanted) && !PageDirty(head))", "if ((wanted) && PageDirty(head))", "flags"),
    "warns": (
        "\tunsigned long i = 0, first;\n",
        "\tunsigned long i = 0, first;\n\n\tWARN_ON(npages > 3);\n",
        "warnings",
    ),
    "crash": (
        "\tunsigned long i = 0, first;\n",
        "\tunsigned long i = 0, first;\n\n\tBUG_ON(npages > 3);\n",
        "kernel BUG",
    ),
    "crash in a grab": (
        "\tif (flags == FOLL_GET) {",
        "\tBUG_ON(atomic_read(&head->_refcount) > 9000);\n\tif (flags == FOLL_GET) {",
        "kernel BUG",
    ),
    "killed": (
        "\tunsigned long i = 0, first;\n",
        "\tunsigned long i = 0, first;\n\n\tif (npages > 3)\n\t\t__builtin_trap();\n",
        "SIGILL",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(compiled, edited, name):
    """What counts wrong, or crashes, is told as steps that do so in the runner as well."""
    old, new, what = WRONG[name]
    source = compiled(edited((old, new)))
    found = ride(source)
    program = Program(PAGES, found.steps, ROW)
    check(program)
    verdict = judge(program, source())

    assert what in found.what
    assert verdict.finding is not None
    assert len(found.steps) == verdict.steps


def test_grab_refused(compiled, edited):
    """A grab that is refused where it must not be stops the ride."""
    source = compiled(
        edited(("atomic_read(&head->_refcount) < 1", "atomic_read(&head->_refcount) > 4"))
    )

    assert "by the books" in ride(source).what


def test_huge_pages_in_one_grab(compiled, toy):
    """A huge page gives its pages in one grab on the fast path, and agrees."""
    huge = (Mapping("a", "driver", (Extent(0x1000, 9, 1), Extent(0x1200, 1, 2))),)

    assert not ride(compiled(toy), 5, mappings=huge).what


def test_decoded():
    """A record is one step; a list of pins is cut where a mapping ends."""
    op = {name.removeprefix("HC_"): number for name, number in OPS.items()}
    records = [
        [op["PIN"], 0, 0, 0, 0, 2],
        [-1, 0, 13, 20, 1, 0],
        [-1, 0, 4, 7, 0, 0],
        [op["PIN_FAST"], 0, 0, 0, 0, 1],
        [-1, 0, 1, 3, 1, 0],
        [op["UNPIN_ONE"], 0, 1, 2, 0, 0],
        [op["UNPIN_LIST"], 0, 2, 3, 0, 0],
        [op["UNPIN_DIRTY"], 0, 3, 5, 1, 0],
        [op["UNPIN_RANGE"], 3, 0, 2, 0, 0],
        [op["WRITE"], 0, 19, 0, 1, 0],
        [op["CLEAN"], 0, 0, 0, 1, 0],
        [op["MAP"], 0, 1, 0, 1, 0],
        [op["UNMAP"], 0, 1, 0, 1, 0],
        [op["GET_PAGE"], 0, 1, 0, 3, 0],
        [op["PUT_PAGE"], 0, 1, 0, 2, 0],
    ]
    steps = decoded(records, PAGES, {number: name for name, number in OPS.items()})

    assert [
        "h0 = pin_user_pages(a[13:19] + z[0:1] + a[4:5]*3)",
        "h3 = pin_user_pages_fast_only(a[1:3])",
        "unpin_user_page(h0[1:2])",
        "unpin_user_pages(h0[2:3])",
        "unpin_user_pages_dirty_lock(h0[3:5], make_dirty=True)",
        "unpin_user_page_range_dirty_lock(h3[0:2], make_dirty=False)",
        "set_page_dirty(z[0:1])",
        "clean(a[0:1])",
        "map(a[1:2])",
        "unmap(a[1:2])",
        "get_page(a[1:2], n=3)",
        "put_page(a[1:2], n=2)",
    ] == [step.text() for step in steps]


def test_ride():
    """A ride that found nothing has no steps."""
    assert Ride(3) == Ride(3, "", ())
    assert ZERO.zero_skipped
