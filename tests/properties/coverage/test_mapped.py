# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.attributes import ATTRIBUTES
from model.optimised import Optimised
from properties.coverage.covered import Coverage
from properties.coverage.mapped import MAPPED, possible
from properties.coverage.situations import situations
from properties.judging.judge import Run
from properties.reports.outcome import Outcome
from properties.reports.pagemap import page_map
from properties.reports.under_test import Extent
from properties.search import Search
from properties.verify import Ended
from tests.helpers import program

PAGES = (
    'a = mapping("base", orders=[0, 0])',
    'b = mapping("thp", orders=[9]{})',
)


def met(attributes, *steps):
    """The points that the last step meets."""
    made = program(PAGES[0], PAGES[1].format(attributes), *steps, semantics="6.1")
    run = Run(Optimised(), made.mappings, made.semantics)
    names = set()
    for step in made.steps:
        assert run.step(step) is None
        names = situations(run.record)
    return MAPPED.keys() & names


@pytest.mark.parametrize(
    ("attributes", "step", "points"),
    [
        ("", "h1 = pin_user_pages(b[0:1])", set()),
        (', mapped="pte"', "h1 = pin_user_pages(b[0:1])", {'mapped="pte"'}),
        (', mapped="pmd"', "h1 = pin_user_pages(a[0:1] + b[0:1])", {'mapped="pmd"'}),
        (', mapped="pmd"', "h1 = pin_user_pages(a[0:1])", set()),
        (", writable=False", "h1 = pin_user_pages(b[0:1], FOLL_WRITE)", {"writable=False"}),
        (", writable=False", "h1 = pin_user_pages(b[0:1])", set()),
        (", writable=False", "m1 = ib_umem_get(b[0:1])", {"writable=False"}),
        (", movable=True", "h1 = pin_user_pages(b[0:1], FOLL_LONGTERM)", {"movable=True"}),
        (", movable=True", "h1 = pin_user_pages(b[0:1], FOLL_WRITE)", set()),
        (", movable=True, migrates=False", "m1 = ib_umem_get(a[0:2])", set()),
        (
            ", movable=True, migrates=False",
            "m1 = ib_umem_get(b[0:2])",
            {"movable=True", "migrates=False"},
        ),
        (
            ', present=False, fault="bus"',
            "h1 = pin_user_pages(b[0:1])",
            {"present=False", 'fault="bus"'},
        ),
        (", protnone=True", "h1 = pin_user_pages(b[0:0])", set()),
        (
            "",
            'h1 = pin_user_pages_fast_only(a[0:2], changed=1, race="fork")',
            {'race="fork"'},
        ),
        (
            "",
            'h1 = pin_user_pages_fast_only(a[0:2], changed=1, race="collapse")',
            {'race="collapse"'},
        ),
        (
            "",
            'h1 = pin_user_pages_fast(a[0:2], changed=1, race="collapse")',
            {'race="collapse"'},
        ),
        (
            ', mapped="pte"',
            'h1 = pin_user_pages_fast(b[0:2], changed=1, race="split")',
            {'race="split"', 'mapped="pte"'},
        ),
        (
            "",
            'h1 = get_user_pages_fast(a[0:2], changed=1, race="fork")',
            set(),  # it undoes nothing
        ),
        (
            ", protnone=True",
            'h1 = pin_user_pages_fast_only(b[0:2], changed=1, race="fork")',
            {"protnone=True"},
        ),
    ],
)
def test_met(attributes, step, points):
    """An attribute counts where a walk met it and it can matter, a race where it was one."""
    assert points == met(attributes, step)


def test_pages_behind_the_end_are_not_met():
    """A walk that ended did not meet the pages that follow."""
    steps = ("unmap(a[1:2])", "h1 = pin_user_pages(a[1:2] + b[0:1])")

    assert set() == met(", protnone=True", *steps)


def test_possible():
    """Only what the candidate can have is counted."""
    assert [] == possible(())
    assert ["present=False", 'race="fork"'] == possible({"present", "fork"})
    assert [*MAPPED] == possible(ATTRIBUTES | {"collapse", "fork", "split"})


def lines(mapped):
    """The lines on attributes at the end of a search that reached nothing."""
    ended = Ended(Coverage(), None)
    outcome = Outcome(Search(Optimised), ended, None, Extent(mapped=mapped), 0, "", (0, 0))
    found = [*outcome.lines(uncovered=False)]
    at = [i for i, line in enumerate(found) if line.startswith("mapped ")]
    assert all(len(line) <= 100 for line in found)
    return found[at[0] :] if at else []


def test_told():
    """What no program met is told by name; nothing is said of a candidate that can have none."""
    told = lines(frozenset({"protnone", "shared"}))

    assert [] == lines(frozenset())
    assert "mapped   0 of 1 attributes of mappings and races" == told[0]  # 5.13 has no shared=
    assert "         not reached: protnone=True (a pin of a page that is PROT_NONE)" == told[1]
    assert len(MAPPED) - 3 == sum("not reached" in line for line in lines(ATTRIBUTES | {"fork"}))


def test_page_map():
    """The page map has the attributes of the mappings that it draws."""
    made = program(PAGES[0], PAGES[1].format(", protnone=True"), "h1 = pin_user_pages(b[0:2])")
    run = Run(Optimised(), made.mappings, made.semantics)

    drawn = page_map(run.ledger, made.mappings[1].pages[0:4])
    assert "b      protnone=True" == drawn[-1]
    assert 2 == len(page_map(run.ledger, made.mappings[0].pages))
