# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from model.optimised import Optimised
from model.parse import parse_program
from model.program import check
from model.semantics import KINDS, SEMANTICS
from model.steps import STEPS
from properties import layouts
from properties.coverage.mapped import MAPPED
from properties.coverage.points import SITUATIONS
from properties.judging.finding import Diverged, diverged
from properties.judging.judge import judge
from properties.search import Search
from properties.searches.machine import Machine, explore, machine
from tests.helpers import Listener, calls_of

#: Marks the second and third seed of a test that one seed shows too.
MORE_SEEDS = pytest.mark.slow("the same from other seeds")


def listen(rounds):
    """What *rounds* rounds of 40 programs tell."""
    listener = Listener()
    for number in range(rounds):
        explore(Search(Optimised, captured=layouts.shipped(), watcher=listener), number, 40)
    return listener


@pytest.fixture(scope="module", params=[3, pytest.param(8, marks=MORE_SEEDS)])
def heard(request):
    """What so many rounds tell."""
    return listen(request.param)


def test_nothing_found_in_what_is_right(heard):
    """The optimised model fails on no program that is drawn."""
    assert [] == heard.failures


def test_every_call_is_drawn(heard):
    """Each call has a rule, and each rule's steps are carried out."""
    assert calls_of() == set(heard.calls)


def test_situations_are_of_the_table(heard):
    """No situation is named that is not in the table; most are met at once.

    Which ones must be is tested in test_situations.py.
    """
    assert set(heard.reached) <= {*SITUATIONS, *MAPPED}
    assert len(SITUATIONS) - 5 <= len(set(SITUATIONS) & set(heard.reached))


def test_most_draws_make_sense(heard):
    """Few rules draw in vain."""
    assert sum(heard.refused.values()) < 0.2 * heard.calls.total()


def test_calls_are_mostly_short(heard):
    """Most calls name up to 64 pages, some of them far more."""
    sizes = [step.npages_named for program in heard.programs for step in program.steps]
    long = sum(size > 64 for size in sizes)

    # What Hypothesis draws depends on its version: 6.150 has some more than 6.170.
    assert 0.01 < long / len(sizes) < 0.20
    assert max(sizes) > 4096


def test_programs_are_traces(heard):
    """Every program that is drawn reads back from its own text, and checks out."""
    for program in heard.programs[:120]:
        if program.steps and max(map(len, program.statements())) < 4096:
            again = parse_program(program.text())
            check(again)
            assert program.text() == again.text()


def test_layouts_are_mixed(heard):
    """Mappings of all kinds are drawn, with gaps and falling frames, real ones among them."""
    mappings = [mapping for program in heard.programs for mapping in program.mappings]
    falling = [
        m
        for m in mappings
        if any(b.pfn < a.pfn for a, b in zip(m.extents, m.extents[1:], strict=False))
    ]

    assert set(KINDS) == {m.kind for m in mappings}
    assert {0, 1, 2, 3, 9, 18} <= {e.order for m in mappings for e in m.extents}
    assert len(falling) > 0.02 * len(mappings)
    assert any(m.extents[0].pfn > 0x80000 for m in mappings)


def test_same_seed_same_programs():
    """The same seed draws the same programs, another one others."""
    texts = []
    for number in (5, 5, 6):
        listener = Listener()
        explore(Search(Optimised, watcher=listener), number, 8)
        texts.append([program.text() for program in listener.programs])

    assert texts[0] == texts[1] != texts[2]


def test_imports_change_no_program(tmp_path, monkeypatch):
    """A seed draws the same programs if modules with numbers are imported in between."""
    texts = []
    for name in ("", "numbers_of_a_sketch"):
        if name:
            (tmp_path / f"{name}.py").write_text(f"NUMBERS = {[*range(101, 1000)]}\n")
            monkeypatch.syspath_prepend(tmp_path)
            importlib.import_module(name)
        listener = Listener()
        explore(Search(Optimised, watcher=listener), 5, 60)
        texts.append([program.text() for program in listener.programs])

    assert texts[0] == texts[1]


def test_captured_only():
    """A search on a layout uses windows of it and nothing else."""
    captured = layouts.shipped()
    frames = [(e.pfn, e.stop) for m in captured for e in m.extents]
    listener = Listener()

    explore(Search(Optimised, captured=captured, captured_only=True, watcher=listener), 1, 20)

    assert listener.programs
    for program in listener.programs:
        for extent in (e for m in program.mappings for e in m.extents):
            assert any(start <= extent.pfn and extent.stop <= stop for start, stop in frames)


def test_before_the_series():
    """Under 5.11 the range call is never drawn, and the model agrees."""
    listener = Listener()

    explore(Search(Optimised, SEMANTICS["5.11"], watcher=listener), 3, 20)

    assert "unpin_user_page_range_dirty_lock" not in listener.calls
    assert [] == listener.failures


@pytest.mark.parametrize(
    "programs", [12, pytest.param(60, marks=pytest.mark.slow("three seconds for each sketch"))]
)
@pytest.mark.parametrize(
    "name", ["Regroups", "DirtiesFirst", "Backwards", "RangeThroughList", "EmptyPuts"]
)
def test_right_though_different(sketches, name, programs):
    """A candidate that is right in its own way is never reported, nor called dear."""
    listener = Listener()
    search = Search(getattr(sketches, name), watcher=listener, strict=True)

    explore(search, 7, programs)

    assert [] == listener.failures


@pytest.mark.parametrize(
    "name", ["ReleasesNmap", "NoTailOffset", "MergesAcross", "DirtiesAfterPut", "RunOfZero"]
)
@pytest.mark.parametrize("number", [1, *(pytest.param(n, marks=MORE_SEEDS) for n in (2, 3))])
def test_wrong_ones_are_found(sketches, name, number):
    """Each of the series' own bugs is found within a few hundred programs, and fails again."""
    listener = Listener()
    for batch in range(20):
        explore(Search(getattr(sketches, name), watcher=listener), number * 100 + batch, 25)
        if listener.failures:
            break

    program, finding = listener.failures[0]
    assert finding.what in sketches.WRONG[getattr(sketches, name)]
    assert finding.signature == judge(program, getattr(sketches, name)()).finding.signature


def test_dearer_is_raised_when_strict(sketches):
    """In pytest a step that is right but dearer fails the test, unless asked not to."""
    quiet = settings(
        max_examples=20,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )

    with pytest.raises(Diverged) as info:
        run_state_machine_as_test(machine(Search(sketches.PageByPage, strict=True)), settings=quiet)

    assert "cost" == info.value.finding.oracle
    run_state_machine_as_test(machine(Search(sketches.PageByPage)), settings=quiet)


def test_each_signature_has_its_class():
    """Two signatures never share an exception class; one always has the same."""
    assert diverged("refcount-unpin_user_page") is diverged("refcount-unpin_user_page")
    assert diverged("refcount-unpin_user_page") is not diverged("pincount-unpin_user_page")


def test_every_call_has_a_rule():
    """A new call would never be searched that has no rule, and is not drawn for one that has."""
    rules = {rule.function.__name__ for rule in Machine.setup_state().rules}

    assert {call for call, cls in STEPS.items() if cls.drawn_for not in rules} == rules
