# SPDX-License-Identifier: MIT

"""Programs that are drawn first, and given to the candidate as a whole."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.optimised import Optimised
from properties.search import Search, Tally
from properties.searches.predrawn import predrawn
from properties.searches.registry import TURNS, TURNS_PREDRAWN, load, turns

NARROW = Abilities(
    "narrow",
    calls=frozenset({"pin_user_pages", "unpin_user_pages"}),
    kinds=frozenset({"base"}),
    oddities=("one-grab",),
    takes_whole_programs=True,
)


class Wholly(Optimised):
    """Carries out programs, and remembers them."""

    abilities = NARROW
    given = ()

    def execute(self, program):
        type(self).given += (program,)
        assert isinstance(program.steps, tuple)
        return super().execute(program)


class Forgets(Wholly):
    """Forgets the last page of a list."""

    def unpin_user_pages(self, pages, npages):
        super().unpin_user_pages(pages[:-1], min(npages, len(pages[:-1])))


class Singly(Wholly):
    """Gives each page back in its own put."""

    abilities = evolve(NARROW, kinds=frozenset({"thp"}))

    def unpin_user_pages(self, pages, npages):
        if npages > len(pages):
            super().unpin_user_pages(pages, npages)
            return
        for i in range(npages):
            super().unpin_user_pages(pages[i : i + 1], 1)


@pytest.fixture(autouse=True)
def _fresh():
    Wholly.given = Forgets.given = Singly.given = ()


def searched(candidate, rounds=3, **options):
    """What was heard of so many rounds."""
    tally = Tally()
    for number in range(rounds):
        load("predrawn")(Search(candidate, watcher=tally, **options), number)
    return tally


def test_predrawn():
    """Each program is complete when the candidate sees it, and within its abilities."""
    tally = searched(Wholly)

    assert tally.worst is None
    assert 3 == tally.programs == len(Wholly.given)
    assert tally.steps == sum(len(program.steps) for program in Wholly.given)
    assert {m.kind for program in Wholly.given for m in program.mappings} == {"base"}
    assert {s.call for p in Wholly.given for s in p.steps} == NARROW.calls


def test_draws_what_soak_draws():
    """The programs are those of soak, for the same number and abilities."""
    searched(Wholly, 1)
    (program,) = Wholly.given
    Wholly.given = ()
    tally = Tally()

    class Growing(Optimised):
        abilities = NARROW

    load("soak")(Search(Growing, watcher=tally), 0)
    assert len(program.steps) == tally.steps


def test_finds():
    """What is wrong is found at its step, and the search ends there."""
    tally = searched(Forgets)

    assert tally.failure is not None
    program, finding = tally.failure
    assert "unpin_user_pages" == finding.step.call
    assert finding.index + 1 == len(program.steps)


def test_dearer():
    """What is dearer is remembered, and fails where that is asked for."""
    assert searched(Singly).dearer is not None
    assert "cost" == searched(Singly, strict=True).failure[1].oracle


def test_hears_what_is_not_drawn():
    """The watcher is notified of rejected and skipped steps as by any search."""

    class Heard(Tally):
        refused = 0
        asked = 0

        def rejected(self, call):
            self.refused += 1

        def avoided(self, oddity):
            self.refused += 1

        def enough(self):
            self.asked += 1
            return self.asked > 3

    heard = Heard()

    def drawn(search, number):
        search.watcher.found("a program", "what is wrong with it")
        search.watcher.rejected("pin_user_pages")
        search.watcher.avoided("one-grab")
        assert not search.watcher.enough()

    predrawn(drawn)(Search(Wholly, watcher=heard), 0)
    assert (2, 1) == (heard.refused, heard.asked)
    assert ("a program", "what is wrong with it") == heard.failure


def test_turns():
    """A candidate that is slow otherwise is given whole programs mostly."""
    assert TURNS_PREDRAWN == turns(Wholly())
    assert TURNS == turns(Optimised())
