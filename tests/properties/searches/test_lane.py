# SPDX-License-Identifier: MIT

"""The search whose programs run in C."""

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.kernel.source.lane import MOST_PAGES, Ride
from model.optimised import Optimised
from model.parse import parse_program
from model.semantics import DEFAULT, SEMANTICS
from properties.search import Search, Tally
from properties.searches.lane import PROGRAMS, WORDS, _mappings, lane
from properties.searches.registry import TURNS, turns
from properties.strategies.dice import Dice


class Lane(Optimised):
    """Has a lane that finds nothing."""

    what = ""
    steps = ()

    def lane(self, mappings, semantics, words):
        assert 8 * WORDS == len(words)
        self.mappings.append(mappings)
        return Ride(10, self.what, self.steps)


@pytest.fixture
def riding():
    """A candidate with a lane, and the mappings that it was given."""
    return type("Riding", (Lane,), {"mappings": []})


def test_needs_a_lane():
    """Who has no lane is told so."""
    with pytest.raises(BadInput, match="lane needs a candidate that is compiled"):
        lane(Search(Optimised), 0)


def test_takes_turns(riding):
    """It takes its turn with the others where there is one."""
    assert TURNS == turns(Optimised())
    assert (*TURNS, "lane") == turns(riding())


def test_counts(riding):
    """Each program and each step in C counts."""
    tally = Tally()
    lane(Search(riding, watcher=tally), 0)

    assert (PROGRAMS, 10 * PROGRAMS) == (tally.programs, tally.steps)
    assert PROGRAMS == len(riding.mappings)


def test_repeats(riding):
    """A round is drawn from its number alone."""
    lane(Search(riding), 3)
    first, riding.mappings[:] = [*riding.mappings], []
    lane(Search(riding), 3)

    assert first == riding.mappings


def test_ends_when_it_is_told(riding):
    """It asks between programs whether it may end."""

    class Brief(Tally):
        def enough(self):
            return self.programs == 2

    lane(Search(riding, watcher=Brief()), 0)

    assert 2 == len(riding.mappings)


def test_finds(riding):
    """What differs in C is what the runner finds when it does the steps again."""
    made = parse_program(
        f'# headcount 1\nsemantics("{DEFAULT.version}")\na = mapping("driver", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\nunpin_user_page(h1[0:1])\n"
    )

    class Wrong(riding):
        what = "refcount"
        steps = made.steps

        def put_compound_head(self, head, refs):
            pass

    tally = Tally()
    lane(Search(Wrong, watcher=tally), 0)
    _, finding = tally.failure

    assert finding.what in {"nr_foll_pin_released", "refcount"}


def test_runner_disagrees(riding):
    """Where only the lane differs one of the two is wrong, which is told."""
    riding.what = "refcount"

    with pytest.raises(BadInput, match=r"the lane found refcount after 0 steps \(round 7\)"):
        lane(Search(riding), 7)


def test_mappings():
    """Few enough pages; over a section's edge, huge, and with a zero page now and then."""
    drawn = [_mappings(Dice(n), zero=True) for n in range(300)]
    pages = [sum(m.npages for m in mappings) for mappings in drawn]

    assert max(pages) <= MOST_PAGES
    assert any(m[0].extents[0].pfn < 0x1400 <= m[0].stop - 1 for m in drawn)
    assert any(e.order == 9 for m in drawn for e in m[0].extents)
    assert {1, 2} == {len(m) for m in drawn}
    assert {1} == {len(_mappings(Dice(n), zero=SEMANTICS["5.13"].zero_skipped)) for n in range(50)}
