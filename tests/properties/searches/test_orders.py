# SPDX-License-Identifier: MIT

from __future__ import annotations

from functools import partial

import pytest

from model.abilities import Abilities
from model.optimised import Optimised
from model.program import check
from model.semantics import SEMANTICS
from properties.searches.orders import (
    MAX_HEADS,
    MAX_POWER,
    PROGRAMS,
    _each_order,
    _rows,
    orders,
)
from properties.searches.registry import TURNS
from properties.strategies.dice import Dice
from tests.helpers import MANY_SEEDS, heard_of, searched
from tests.widths import WRONG

heard = partial(heard_of, orders)


@pytest.fixture(scope="module")
def right():
    """What some rounds told of the optimised model."""
    return heard(range(12))


def test_nothing_found_in_what_is_right(right):
    """The optimised model fails on no program, nor is it dearer; each program is a good trace."""
    assert [] == right.failures
    # One in MET_ONE_IN is followed by one more.
    assert 12 * PROGRAMS < len(right.programs) < 12 * 2 * PROGRAMS
    assert all(check(program) is None for program in right.programs)


def test_repeats(right):
    """The same number gives the same programs, and other numbers give others."""
    again = [program.text() for program in heard(range(2)).programs]
    texts = [program.text() for program in right.programs]

    assert again == texts[: len(again)]
    assert len(set(texts)) > 0.9 * len(texts)


@pytest.mark.parametrize("version", ["6.12", "7.3"])
def test_pins_added_to_folios(version):
    """Where there are calls of folios, many pins are added to some, past 2^31 too."""
    listener = heard(range(6), semantics=SEMANTICS[version])
    steps = [step for p in listener.programs for step in p.steps]
    most = max(step.n for step in steps if step.call == "unpin_user_folio")

    assert [] == listener.failures
    assert {"folio_add_pin", "unpin_folio", "unpin_folios"} <= listener.calls.keys()
    assert most > 1 << 10
    assert listener.reached["count-wrapped"]


@pytest.mark.parametrize("version", SEMANTICS)
def test_each_row_of_the_table(version):
    """Pages of each kind and order of a version are pinned and unpinned."""
    wanted = {(k, o) for k, allowed in SEMANTICS[version].orders.items() for o in allowed}
    rows = _rows(SEMANTICS[version], Optimised().abilities)
    dice = Dice(1)
    seen = set()
    for _ in range(600):
        mapping, steps = _each_order(dice, rows, SEMANTICS[version])
        assert any(step.unpins for step in steps)
        seen.add((mapping.kind, mapping.extents[0].order))

    assert wanted == set(rows) == seen


def test_sizes(right):
    """There are ranges of 2^24 pages, and never very many compound pages."""
    named = {max(step.npages_named for step in p.steps) for p in right.programs}

    assert 1 << (MAX_POWER - 1) < max(named) <= (1 << MAX_POWER) + 2
    assert max(m.ncompound for p in right.programs for m in p.mappings) <= MAX_HEADS + 3


@pytest.mark.parametrize(
    "abilities",
    [
        {"calls": frozenset({"pin_user_pages", "unpin_user_pages"})},
        {"kinds": frozenset({"driver"})},
        {"orders": frozenset({0, 9})},
        {"room": {"hugetlb": 1024}},
    ],
    ids=["calls", "kinds", "orders", "room"],
)
def test_abilities(abilities):
    """Nothing is asked of a candidate that it says it cannot do."""
    limited = type("Limited", (Optimised,), {"abilities": Abilities("limited", **abilities)})
    programs = heard(range(4), limited).programs

    assert programs
    for program in programs:
        assert {step.call for step in program.steps} <= limited.abilities.calls
        assert not limited.abilities.lacks(program.mappings)


def found(name, seed, cycles):
    """Whether the searches of ``headcount verify`` find the bug *name* within some cycles."""
    return searched(WRONG[name], seed, cycles * len(TURNS)).failure is not None


@pytest.mark.parametrize("name", ["run-16", "length-24", "order-15", "undoes-what-was-asked"])
def test_finds(name):
    """What shows at one width, one order or one count only is found."""
    assert found(name, 1, 4)


@MANY_SEEDS
@pytest.mark.slow("each on more seeds")
@pytest.mark.parametrize("name", WRONG)
def test_finds_all(name):
    """Each is found on nine of ten seeds."""
    assert 9 <= sum(found(name, seed, 4) for seed in range(1, 11))
