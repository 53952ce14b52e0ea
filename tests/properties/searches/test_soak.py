# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import partial

import pytest

from model.abilities import Abilities
from model.optimised import Optimised
from model.program import check
from model.semantics import KINDS, SEMANTICS
from model.steps import STEPS
from properties import layouts
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.search import Search
from properties.searches import soak as soak_module
from properties.searches.registry import load
from properties.searches.soak import (
    ANY_LAYOUT_STEPS,
    SHORT_WEIGHTS,
    SMALL_LAYOUT_STEPS,
    SWARM_CALLS,
    SWARM_WEIGHT,
    WEIGH_EVERY,
    soak,
)
from properties.strategies.dice import Dice
from tests.helpers import ROOT, Listener, calls_of, drawn_apart, heard_of


class Lowest(Listener):
    """Remembers the lowest refcount, too."""

    lowest = 0

    def step(self, run, reached):
        super().step(run, reached)
        counts = [state.refcount for state in run.record.reference.heads.values()]
        self.lowest = min(self.lowest, *counts) if counts else self.lowest


def heard(numbers, steps=0, candidate=Optimised, **where):
    """What the rounds of *numbers* told."""
    return heard_of(partial(soak, steps=steps), numbers, candidate, **where)


def able(**abilities):
    """The optimised model with fewer abilities."""
    limited = Abilities("limited", **abilities)
    return type("Limited", (Optimised,), {"abilities": limited})


@pytest.mark.parametrize(
    ("search", "rounds", "arguments"),
    [
        pytest.param("soak", 4, "number, 400", id="soak"),
        pytest.param(
            *("wide", 1, "number"), id="wide", marks=pytest.mark.slow("two processes run wide")
        ),
    ],
)
def test_repeats(search, rounds, arguments):
    """The same number gives the same programs in every process, whatever its strings hash to."""
    code = (
        "from tests.properties.searches.test_soak import Listener, Optimised, Search, layouts\n"
        f"from properties.searches.{search} import {search}\n"
        "listener = Listener()\n"
        "search = Search(Optimised, captured=layouts.shipped(), watcher=listener)\n"
        f"for number in range({rounds}): {search}(search, {arguments})\n"
        "print(*(program.text() for program in listener.programs))\n"
    )

    def said(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
        return run.stdout

    once = said("1")

    assert once.count(b"semantics") >= 4
    assert once == said("2")


def test_numbers_differ():
    """Neighbouring numbers give programs of their own."""
    programs = heard(range(20), 40).programs

    assert 20 == len({program.text() for program in programs})


def test_search_of_long_programs(monkeypatch):
    """The search `long` makes one program of a round, as long as it says."""
    monkeypatch.setattr("properties.searches.soak.LONG_STEPS", 6_000)
    listener = Listener()
    load("long")(Search(Optimised, watcher=listener), 3)

    assert [6_000] == [len(program.steps) for program in listener.programs]


@pytest.mark.parametrize("steps", [1, 200, 777])
def test_length_as_asked(steps):
    """A program has as many steps as are asked for."""
    (program,) = heard([3], steps).programs

    assert steps == len(program.steps)


def test_length_as_drawn(monkeypatch):
    """Unasked, all lengths of the lists are met: one is for few small pages, the other for any."""
    assert max(SMALL_LAYOUT_STEPS) > 1_000 > max(ANY_LAYOUT_STEPS)
    monkeypatch.setattr(soak_module, "SMALL_LAYOUT_STEPS", (3, 7, 11))
    monkeypatch.setattr(soak_module, "ANY_LAYOUT_STEPS", (4, 8))
    programs = heard(range(40)).programs

    assert {3, 7, 11, 4, 8} == {len(program.steps) for program in programs}
    for program in programs:
        if len(program.steps) in SMALL_LAYOUT_STEPS:
            assert sum(mapping.npages for mapping in program.mappings) < 50
    assert max(m.npages for program in programs for m in program.mappings) > 1_000


@pytest.mark.parametrize(
    "rounds", [10, pytest.param(60, marks=pytest.mark.slow("two seconds for each version"))]
)
@pytest.mark.parametrize("version", SEMANTICS)
def test_nothing_found_in_what_is_right(version, rounds):
    """The optimised model fails on no program, and is never dearer where it is batched."""
    listener = heard(
        range(rounds), 300, semantics=SEMANTICS[version], captured=layouts.shipped(), strict=True
    )

    assert [] == listener.failures
    assert rounds == len(listener.programs)
    assert all(check(program) is None for program in listener.programs)


def test_calls_before_the_series():
    """In 5.11 there is no range call, and every call that there is is drawn."""
    listener = heard(range(40), 250, semantics=SEMANTICS["5.11"])

    assert "unpin_user_page_range_dirty_lock" not in listener.calls
    assert calls_of("5.11") == set(listener.calls)


def test_calls_of_folios():
    """In the newest version every call is drawn."""
    assert set(STEPS) == set(heard(range(12), 250, semantics=SEMANTICS["7.3"]).calls)


def test_little_is_refused():
    """Nearly all that is drawn keeps the contract."""
    listener = heard(range(12), 500)

    assert listener.refused.total() < 0.15 * listener.steps


@pytest.mark.parametrize(
    "name",
    [
        "NoTailOffset",
        "MergesAcross",
        "DirtiesAfterPut",
        "CountsAfterPut",
        "UndoForgotten",
        "TwoCopiesDrift",
        "FreedTwice",
        "BornHeldTwice",
        "ReleasesNmap",
        "OrderOneUnbatched",
    ],
)
def test_finds(name):
    """A planted bug of each sort is found within 8,000 steps, and is found again."""
    fault = FAULTS[name].candidate
    listener = Listener()
    number = 0
    while not listener.failures and listener.steps < 8_000:
        soak(Search(fault, strict=True, watcher=listener), number, 1_000)
        number += 1

    (found,) = listener.failures
    program, finding = found
    assert finding.signature == judge(program, fault()).worst.signature
    assert program.steps[-1] is finding.step or finding.oracle == "cost"
    assert judge(program, Optimised()).worst is None


def test_dearer_only_if_strict():
    """A step that is right but dearer ends no program, and fails it only if that is asked for."""
    fault = FAULTS["OrderOneUnbatched"].candidate
    strict = heard([1], 1_000, fault)
    report = heard([1], 1_000, fault, strict=False)

    assert ["cost"] == [finding.oracle for _, finding in strict.failures]
    assert [] == strict.programs
    assert [] == report.failures
    assert 1_000 == len(report.programs[0].steps)


@pytest.mark.parametrize(
    "abilities",
    [
        {"calls": frozenset(STEPS) - {"unpin_user_pages", "alloc_pages", "ib_umem_get"}},
        {"calls": frozenset({"pin_user_pages", "unpin_user_pages_dirty_lock", "clean"})},
        {"kinds": frozenset({"base", "thp"})},
        {"kinds": frozenset({"hugetlb"}), "orders": frozenset({9, 18})},
        {"orders": frozenset({0, 1})},
        {"orders": frozenset({1, 2, 9})},
        {"kinds": frozenset({"thp"}), "orders": frozenset({9})},
        {"refs": 1, "changes": False, "named": 100},
        {"room": dict.fromkeys(KINDS, 512), "kinds": frozenset(KINDS) - {"hugetlb"}},
        {"mixes": frozenset({"driver"}), "orders_of": {"hugetlb": frozenset({9})}},
    ],
    ids=[
        *("most-calls", "few-calls", "kinds", "huge", "small", "no-order-0", "thp-only"),
        *("arguments", "room", "apart"),
    ],
)
@pytest.mark.parametrize(
    "rounds", [6, pytest.param(32, marks=pytest.mark.slow("two seconds for each of them"))]
)
def test_abilities(abilities, rounds):
    """Nothing is asked of a candidate that it says it cannot do."""
    limited = able(**abilities)
    programs = heard(range(rounds), 200, limited, captured=layouts.shipped()).programs

    assert rounds == len(programs)
    for program in programs:
        assert {step.call for step in program.steps} <= limited.abilities.calls
        assert {mapping.kind for mapping in program.mappings} <= limited.abilities.kinds
        assert "inapplicable" != judge(program, limited()).kind
        made = [order for step in program.steps for order in getattr(step, "orders", ())]
        extents = [extent for mapping in program.mappings for extent in mapping.extents]
        assert {*made, *(extent.order for extent in extents)} <= limited.abilities.orders
        if 0 not in limited.abilities.orders:
            assert "split_huge_page" not in {step.call for step in program.steps}


def test_nothing_to_draw():
    """Where no step is possible a program ends without any, and the search goes on."""
    listener = heard(range(2), 100, able(calls=frozenset({"put_page"})))

    assert [(), ()] == [program.steps for program in listener.programs]
    assert [] == listener.failures


def test_captured_only():
    """If asked for, each compound page of a program is one of a captured layout."""
    captured = layouts.shipped()
    programs = heard(range(40), 20, captured=captured, captured_only=True).programs
    kept = [extent for mapping in captured for extent in mapping.extents]

    for program in programs:
        for extent in (e for mapping in program.mappings for e in mapping.extents):
            assert any(
                k.order == extent.order and k.pfn <= extent.pfn and extent.stop <= k.stop
                for k in kept
            )
    made_up = heard(range(40), 20).programs
    assert not {p.mappings for p in programs} & {p.mappings for p in made_up}


def test_enough():
    """A watcher that has heard enough ends a program, which then counts as nothing."""

    class Impatient(Listener):
        def enough(self):
            return self.steps > 0

    listener = Impatient()
    soak(Search(Optimised, watcher=listener), 0, 100_000)

    assert 0 < listener.steps <= WEIGH_EVERY
    assert [] == listener.programs
    assert [] == listener.failures


def test_long():
    """In 20,000 steps counts pass 2^31, and frames are freed, allocated again and pinned again."""
    listener = Lowest()
    soak(Search(Optimised, captured=layouts.shipped(), watcher=listener, strict=True), 3, 20_000)
    (program,) = listener.programs

    assert 20_000 == len(program.steps)
    assert [] == listener.failures
    assert listener.lowest < -(1 << 30)
    assert {"count-wrapped", "unpin-wrapped", "grab-refused"} <= listener.reached.keys()
    assert {"unpin-frees", "other-order", "pinned-again"} <= listener.reached.keys()


@pytest.fixture
def weighed():
    """How often each form is on the wheel when a situation is rare and another is not."""

    def weights(last, met):
        soaking = soak_module._Soak(Search(Optimised), Dice(0), small=True)
        soaking._reached.update(met)
        soaking._last.update(last)
        soaking._weigh()
        wheel = Counter(soaking._wheel)
        return {form.name: wheel[i] for i, form in enumerate(soaking._forms)}

    return weights


def test_wheel_at_first(weighed):
    """Before anything was met forms weigh what the tables say, but for the swarm's calls."""
    weights = weighed({}, {})
    rich = {call: STEPS[call].draw_weight for call in drawn_apart()}
    often = {call for call in rich if weights[f"{call}()"] != rich[call]}

    assert len(SHORT_WEIGHTS) + len(rich) == len(weights)
    assert SHORT_WEIGHTS == {name: weights[name] for name in SHORT_WEIGHTS}
    assert 0 < len(often) <= SWARM_CALLS
    assert all(SWARM_WEIGHT * rich[call] == weights[f"{call}()"] for call in often)


def test_rare_code_weighs(monkeypatch):
    """A form whose last step led to rare code weighs more, until a step of it does not."""

    class Counting(Optimised):
        def execute(self, program):
            for shown in super().execute(program):
                shown.ran = ("code#1",)
                yield shown

    soaking = soak_module._Soak(Search(Counting), Dice(0), small=True)
    monkeypatch.setattr(soaking._search.watcher, "ran", lambda counters: [*counters] == ["code#1"])
    soaking._weigh()
    before = Counter(soaking._wheel)
    while not soaking._rare:
        soaking._step()
    (name,) = soaking._rare
    soaking._reached.clear()
    soaking._last.clear()
    soaking._weigh()

    form = next(i for i, form in enumerate(soaking._forms) if form.name == name)
    assert {form} == {i for i, n in Counter(soaking._wheel).items() if n > before[i]}

    monkeypatch.setattr(soaking._search.watcher, "ran", lambda counters: False)
    for _ in range(500):
        soaking._step()
    assert name not in soaking._rare


def test_swarms_differ():
    """Each program has calls of its own that it draws often, and in some programs each is."""
    swarms = set()
    for number in range(100):
        soaking = soak_module._Soak(Search(Optimised), Dice(number), small=True)
        rich = [form for form in soaking._forms if form.call]
        swarms |= {frozenset(f.call for f in rich if f.weight >= SWARM_WEIGHT)}

    assert len(swarms) > 80
    assert drawn_apart() == frozenset.union(*swarms)


def test_wheel_favours_the_rare(weighed):
    """Forms that led to what was met least are drawn more often, and no others."""
    met = {"often": 1_000, "well": 900, "now-and-then": 500, "rare": 2}
    before = weighed({}, met)
    last = {"pin": {"rare", "often"}, "map": {"rare"}, "unpin": {"well"}, "map()": {"rare"}}
    after = weighed(last, met)
    more = {name: after[name] - before[name] for name in after if after[name] != before[name]}

    assert {"pin": soak_module.RARE_WEIGHT, "map": soak_module.RARE_WEIGHT, "map()": 1} == more


def test_many_pages_are_named_rarely():
    """The more pages there are, the more rarely is a step drawn that may name them all."""
    shares = {}
    for number in range(60):
        soaking = soak_module._Soak(Search(Optimised), Dice(number), small=False)
        soaking._weigh()
        pages = sum(mapping.npages for mapping in soaking._run.program.mappings)
        wheel = [soaking._forms[i] for i in soaking._wheel]
        rich = [STEPS[form.call].names_few for form in wheel if form.call]
        many = rich.count(False) / len(wheel)
        few = rich.count(True) / len(wheel)
        if not soak_module.SCALE_FROM_PAGES < pages < 1 << 14:
            shares.setdefault(pages > soak_module.SCALE_FROM_PAGES, []).append((many, few))

    assert min(m for m, _ in shares[False]) > 4 * max(m for m, _ in shares[True])
    # Steps that name few pages are drawn as often on any layout.
    assert min(few for _, few in shares[True]) > 0.1
