# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.attributes import ATTRIBUTES
from model.optimised import Optimised
from properties.judging.judge import judge
from properties.reduce import reduce
from properties.reduce.attributes import plain_attributes
from properties.reduce.smallest import shrunk
from tests.helpers import HEADER, program, text_of
from tests.properties.reduce.programs import offers

PAGES = 'a = mapping("thp", orders=[9]{})\n'
PIN = "h1 = pin_user_pages(a[0:1])\n"


def test_mapping():
    """First no attributes at all, then one alone, one less, and plainer words."""
    given = ', mapped="pmd", present=False, fault="oom"'
    found = offers(plain_attributes, PAGES.format(given) + PIN)

    assert PAGES.format("") + PIN == found[0]
    for simpler in (
        ', mapped="pmd"',
        ", present=False",
        ', present=False, fault="oom"',
        ', mapped="pmd", present=False',
        ', mapped="pte", present=False, fault="oom"',
        ', mapped="pmd", present=False, fault="bus"',
    ):
        assert PAGES.format(simpler) + PIN in found


def test_race():
    """Another race becomes that of an entry."""
    fast = "h1 = pin_user_pages_fast_only(a[0:1], changed=0{})\n"
    found = offers(plain_attributes, PAGES.format("") + fast.format(', race="fork"'))

    assert PAGES.format("") + fast.format("") in found


class NoWrite(Optimised):
    """Does not know of mappings that may not be written to."""

    attributes = ATTRIBUTES

    def _grab_faulted(self, pages, grab, gup_flags):
        return super()._grab_faulted(pages, grab, 0)


@pytest.mark.parametrize("shrink", [reduce, shrunk])
def test_reduced(shrink):
    """What a failure needs stays, and nothing is said to be proved."""
    made = program(
        'a = mapping("thp", orders=[9], writable=False, mapped="pte", protnone=True)',
        'b = mapping("base", orders=[0], movable=True)',
        "h1 = pin_user_pages(b[0:1], FOLL_LONGTERM)",
        "h2 = pin_user_pages(b[0:1] + a[3:5], FOLL_WRITE | FOLL_LONGTERM)",
    )
    reduced = shrink(made, judge(made, NoWrite()).finding, NoWrite)

    assert "writable=False" in reduced.program.text()
    assert "mapped" not in reduced.program.text()
    assert "movable" not in reduced.program.text()
    assert 1 == len(reduced.program.steps)
    assert not reduced.proved
    assert reduced.text().startswith("smallest found")


def test_size_counts_them():
    """A program is smaller without attributes."""
    with_them = program(PAGES.format(", protnone=True"), PIN)

    assert program(PAGES.format(""), PIN).size() < with_them.size()
    assert text_of(with_them).startswith("a = mapping")
    assert HEADER
