# SPDX-License-Identifier: MIT

"""Attributes and races are drawn in a minority of programs, and only what may be."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.attributes import ATTRIBUTES
from model.mapping import FIRST_PFN, Mapping, placed
from model.optimised import Optimised
from model.program import check_kind
from model.semantics import SEMANTICS
from properties import layouts
from properties.coverage.mapped import MAPPED
from properties.search import Search, Tally
from properties.searches import orders, soak
from properties.searches.registry import load
from properties.strategies import attributes as module
from properties.strategies.attributes import draw_races, with_attributes
from properties.strategies.dice import Dice
from tests.helpers import Listener, plain, soaked

LAYOUT = (
    Mapping("a", "thp", placed([(9, 2)], FIRST_PFN)),
    Mapping("b", "hugetlb", placed([(18, 1)], 1 << 18)),
    Mapping("c", "base", placed([(0, 3)], 1 << 20)),
    Mapping("d", "device-dax", placed([(0, 3)], 1 << 21)),
)
ALL = Abilities("all", attributes=ATTRIBUTES, races=frozenset({"collapse", "fork"}))


def drawn(version, abilities, times=300):
    """Mappings with what is drawn for them, *times* times."""
    for number in range(times):
        yield from with_attributes(Dice(number), LAYOUT, SEMANTICS[version], abilities)


@pytest.mark.parametrize("version", SEMANTICS)
def test_all_are_drawn(version):
    """Each attribute that the version has is drawn, in mappings that are valid."""
    counts = Counter()
    for mapping in drawn(version, ALL):
        check_kind(mapping, SEMANTICS[version])
        counts.update(mapping.attributes.given())

    lacks = SEMANTICS[version].lacks
    if "movable" in lacks:
        lacks |= {"migrates", "isolates"}
    assert ATTRIBUTES - lacks == counts.keys()


def test_only_what_is_honoured():
    """A candidate gets no attribute that it does not honour."""
    narrow = evolve(ALL, attributes=frozenset({"writable", "fault"}))
    given = {name for m in drawn("6.1", narrow) for name in m.attributes.given()}

    assert {"writable"} == given  # a fault needs present=

    of_kind = evolve(ALL, attributes_of={"thp": frozenset({"mapped"})})
    given = {
        name for m in drawn("6.1", of_kind) if m.kind == "thp" for name in m.attributes.given()
    }
    assert {"mapped"} == given


@pytest.mark.parametrize(
    ("version", "abilities", "races"),
    [
        ("6.1", ALL, {"entry", "collapse", "fork"}),
        ("5.13", ALL, {"entry", "fork"}),
        ("6.1", Abilities("none"), {"entry"}),
    ],
)
def test_races(version, abilities, races):
    """In some programs there are the races that version and candidate have."""
    found = [draw_races(Dice(number), SEMANTICS[version], abilities) for number in range(40)]

    assert all(one[0] == "entry" for one in found)
    assert races == {race for one in found for race in one}
    assert ("entry",) in found


def test_a_minority():
    """Most programs have neither attributes nor other races."""
    share = sum(plain(soaked(number, 30)) for number in range(60)) / 60

    assert 0.5 < share < 0.95


def test_other_programs_stay_as_they_are():
    """A program without attributes and races is the one that is drawn for any candidate."""

    class Old(Optimised):
        attributes = ()

        def pin_user_pages_fast_only(self, pages, changed, gup_flags=None):
            return super().pin_user_pages_fast_only(pages, changed, gup_flags)

    made = []
    for cls in (Optimised, Old):
        listener = Listener()
        for number in range(6):
            soak.soak(Search(cls, watcher=listener), number, 40)
        made.append([one.text() for one in listener.programs])
    assert 3 <= sum(a == b for a, b in zip(*made, strict=True)) < 6
    assert all(a == b for a, b in zip(*made, strict=True) if "race=" not in a and "=False" not in a)


@pytest.mark.parametrize("version", ["5.11", "5.13", "6.1", "7.3"])
def test_the_models_and_the_ledger_agree(version, monkeypatch):
    """Where all programs have attributes and races, models and ledger agree on all of them."""
    monkeypatch.setattr(soak, "ATTRIBUTES_ONE_IN", 1)
    monkeypatch.setattr(orders, "ATTRIBUTES_ONE_IN", 1)
    monkeypatch.setattr(module, "RACES_ONE_IN", 1)
    tally = Tally()
    search = Search(Optimised, SEMANTICS[version], layouts.shipped(), watcher=tally)
    for number in range(12):
        soak.soak(search, number, 200)
    orders.orders(search, 1)

    assert tally.failure is None, tally.failure[1].summary


def test_programs_meet_them():
    """A few minutes of `headcount verify` meet each attribute and race: here, in many steps."""
    listener = Listener()
    search = Search(Optimised, SEMANTICS["6.1"], watcher=listener)
    for number in range(90):
        load("soak")(search, number)

    assert len(MAPPED) - 4 <= len(MAPPED.keys() & listener.reached.keys())
