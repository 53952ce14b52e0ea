# SPDX-License-Identifier: MIT

from __future__ import annotations

from functools import partial

import pytest

from model.abilities import Abilities
from model.optimised import Optimised
from model.program import check
from model.semantics import SEMANTICS
from properties.faults import FAULTS
from properties.judging.applicable import MAX_PAGE_VISITS, visits
from properties.judging.judge import Run, judge
from properties.search import Search
from properties.searches.wide import (
    HUGE_POWERS,
    MAX_COMPOUND,
    POWERS,
    PROGRAMS,
    _length,
    _mapping,
    wide,
)
from properties.strategies.dice import Dice
from tests.helpers import Listener, heard_of

heard = partial(heard_of, wide)


def first(name, rounds):
    """The first program of *rounds* rounds on which the fault *name* fails, and how."""
    for number in range(rounds):
        found = heard([number], FAULTS[name].candidate).failures
        if found:
            return found[0]
    pytest.fail(f"{name} is not found in {rounds} rounds")


def alone(program, candidate):
    """What the ledger alone finds wrong, or dearer, in *program*, if anything."""
    run = Run(candidate(), program.mappings, program.semantics, alone=True)
    for step in program.steps:
        finding = run.step(step)
        if finding:
            return finding
    return run.dearer


#: Numbers of rounds; the last one draws two million pages.
ROUNDS = (0, 1, 2, 3, 4, 5, 14)


MORE_ROUNDS = pytest.mark.slow("the same in sixteen rounds")


@pytest.fixture(scope="module", params=[ROUNDS, pytest.param(range(16), marks=MORE_ROUNDS)])
def rounds(request):
    """The numbers of the rounds of `right`."""
    return request.param


@pytest.fixture(scope="module")
def right(rounds):
    """What some rounds told of the optimised model."""
    return heard(rounds)


def test_repeats(right):
    """The same number gives the same programs, and other numbers give others."""
    again = heard(range(4))
    texts = [program.text() for program in right.programs]

    assert texts[: 4 * PROGRAMS] == [program.text() for program in again.programs]
    assert len(set(texts)) > 0.9 * len(texts)


def test_nothing_found_in_what_is_right(right, rounds):
    """The optimised model fails on no program, nor is it dearer."""
    assert [] == right.failures
    assert len(rounds) * PROGRAMS == len(right.programs)
    assert all(check(program) is None for program in right.programs)


def test_before_the_series():
    """In 5.11 no step is a range call, and nothing is found."""
    listener = heard(range(4), semantics=SEMANTICS["5.11"])

    assert [] == listener.failures
    assert not any("range" in step.call for p in listener.programs for step in p.steps)


def test_wide_indeed(right):
    """Some programs name a few pages, and some two million."""
    widths = [max(step.npages_named for step in p.steps) for p in right.programs]

    assert min(widths) < 100
    assert max(widths) >= 1 << 21


def test_lengths():
    """Lengths lie on both sides of powers of two, two million among them."""
    dice = Dice(0)
    lengths = [_length(dice) for _ in range(3_000)]
    powers = {1 << power for power in (*POWERS, *HUGE_POWERS)}

    assert all(min(abs(n - power) for power in powers) <= 2 for n in lengths)
    assert {(1 << 21) - 1, 1 << 21, (1 << 21) + 1, 511, 512, 513} <= set(lengths)


def test_mappings():
    """Mappings are of all sizes of compound pages, rise or fall, and have not too many heads."""
    dice = Dice(0)
    kinds = frozenset({"base", "driver", "thp", "hugetlb"})
    mappings = [_mapping(dice, _length(dice), kinds) for _ in range(400)]

    assert max(m.ncompound for m in mappings) <= MAX_COMPOUND + 3
    assert {0, 1, 2, 9, 10, 18} == {e.order for m in mappings for e in m.extents}
    assert any(not isinstance(m.pages, range) and m.pages[0] > m.pages[-1] for m in mappings)


@pytest.mark.parametrize(
    ("name", "rounds", "what"),
    [
        pytest.param(
            *("ProductIsInt", 30, "refcount"), marks=pytest.mark.slow("30 rounds of wide")
        ),
        ("ListOf4096", 10, "pincount refcount"),
        ("RunsOf512", 5, "puts"),
        ("UnwindsFromStart", 10, "pincount refcount"),
    ],
)
def test_finds(name, rounds, what):
    """What only very many pages show is found in a few rounds, and judged so again."""
    program, finding = first(name, rounds)
    fault = FAULTS[name].candidate

    assert finding.what in what.split()
    assert finding.signature == alone(program, fault).signature
    assert alone(program, Optimised) is None
    if visits(program) <= 1 << 18:
        # Where one page at a time takes a moment, it says the same.
        assert finding.signature == judge(program, fault()).worst.signature
        assert judge(program, Optimised()).worst is None


@pytest.mark.parametrize(
    ("names", "least"),
    [
        (("NeverCut", "ListByPage"), 5),
        pytest.param(
            *(("NoTailOffset", "DirtiesAfterPut", "TableNotUnwound"), 3),
            marks=pytest.mark.slow("the same with other faults"),
        ),
    ],
)
def test_found_the_same_by_one_page_at_a_time(names, least):
    """What fails when the ledger judges alone fails likewise beside the reference."""
    seen = 0
    for name in names:
        fault = FAULTS[name].candidate
        for program, finding in heard(range(4), fault).failures:
            if visits(program) > 1 << 15:
                continue
            seen += 1
            verdict = judge(program, fault())
            assert not verdict.alone
            assert ("reference", "candidate") == verdict.worst.sides
            assert ("ledger", "candidate") == finding.sides
            assert finding.signature == verdict.worst.signature

    assert seen >= least


@pytest.mark.parametrize(
    "abilities",
    [
        {"calls": frozenset({"pin_user_pages", "unpin_user_pages"})},
        {"kinds": frozenset({"driver"})},
        {"kinds": frozenset({"base", "hugetlb"})},
        {"orders": frozenset({0, 9})},
    ],
    ids=["calls", "driver-only", "no-driver", "orders"],
)
def test_abilities(abilities):
    """Nothing is asked of a candidate that it says it cannot do."""
    limited = type("Limited", (Optimised,), {"abilities": Abilities("limited", **abilities)})
    programs = heard(range(4), limited).programs

    assert programs
    for program in programs:
        assert {step.call for step in program.steps} <= limited.abilities.calls
        assert {mapping.kind for mapping in program.mappings} <= limited.abilities.kinds
        orders = {e.order for mapping in program.mappings for e in mapping.extents}
        assert orders <= limited.abilities.orders


def test_dearer_only_if_strict():
    """A step that is right but dearer fails a program only if that is asked for."""
    fault = FAULTS["RunsOf512"].candidate

    assert heard(range(1, 9), fault).failures
    assert [] == heard(range(1, 9), fault, strict=False).failures


def test_ends_with_what_is_found():
    """A round ends with the first program that fails, and with a watcher that has enough."""

    class Sated(Listener):
        def enough(self):
            return True

    class Forgets(Optimised):
        def put_compound_head(self, head, refs):
            return

    found = heard(range(6), Forgets)
    sated = Sated()
    wide(Search(Optimised, watcher=sated), 1)

    assert 6 == len(found.failures)
    assert len(found.programs) < PROGRAMS
    assert [] == sated.programs


def test_within_what_is_judged(right):
    """No program has more compound pages than the ledger visits."""
    verdicts = [judge(p, Optimised()).kind for p in right.programs if visits(p) > MAX_PAGE_VISITS]

    assert "inapplicable" not in verdicts


@pytest.mark.parametrize(("rare", "shapes"), [(True, PROGRAMS // 2), (False, PROGRAMS)])
def test_rare_code(rare, shapes):
    """After a program that led to rare code the next one has other steps on the same pages."""

    class Counting(Optimised):
        def execute(self, program):
            for shown in super().execute(program):
                shown.ran = ("code#1",)
                yield shown

    listener = Listener()
    listener.ran = lambda counters: rare
    wide(Search(Counting, watcher=listener), 3)

    assert PROGRAMS == len(listener.programs)
    assert shapes == len({program.mappings for program in listener.programs})
    assert len({program.text() for program in listener.programs}) > PROGRAMS // 2
