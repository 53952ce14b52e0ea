# SPDX-License-Identifier: MIT

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.optimised import Optimised
from model.parse import parse_program
from model.program import check
from model.reference import Reference
from model.semantics import DEFAULT, SEMANTICS
from model.steps import STEPS
from properties.faults import FAULTS
from properties.judging import judge as runner
from properties.judging.judge import judge
from properties.judging.oracles import ORACLES
from properties.judging.oracles.agreement import legal
from properties.reports.failure import Failure
from properties.search import Search
from properties.searches.laws import search as module
from properties.searches.laws.comparison import difference
from properties.searches.laws.equations import LAWS
from properties.searches.laws.search import laws
from tests.helpers import Listener


def texts(listener):
    """The programs that *listener* remembers."""
    return [program.text() for program in listener.programs]


def searched(candidate, rounds, semantics=DEFAULT):
    """What so many rounds tell, up to the first finding."""
    listener = Listener()
    for number in range(rounds):
        laws(Search(candidate, semantics, watcher=listener), number)
        if listener.failures:
            break
    return listener


@pytest.fixture(scope="module")
def drawn():
    """Ways that some rounds draw, of every law."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "difference", lambda comparison, _candidate: found.append(comparison))
        for number in range(24):
            laws(Search(Optimised), number)
    return found


def broken(law, candidate, drawn):
    """The first finding of *law* among the comparisons drawn, on the candidate alone."""
    for comparison in drawn:
        if comparison.law == law:
            told = difference(comparison, candidate)
            if told and told[1].what == f"law_{law}":
                return told
    return None


class LastStays(Optimised):
    """A list of several entries keeps its last pin."""

    def unpin_user_pages(self, pages, npages):
        super().unpin_user_pages(pages, npages - 1 if 1 < npages < 1 << 32 else npages)

    def unpin_user_pages_dirty_lock(self, pages, npages, make_dirty):
        super().unpin_user_pages_dirty_lock(pages, npages - 1 if npages > 1 else 1, make_dirty)


class RangeDirties(Optimised):
    """A range is always dirtied."""

    def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty=True)


class OneTooMany(Optimised):
    """A list takes one reference more than it gives back."""

    def pin_user_pages(self, pages):
        pinned = super().pin_user_pages(pages)
        if pinned > 0:
            self.memory.page_ref_add(self.memory.compound_head(pages[0]), 1)
        return pinned

    def ib_umem_get(self, pages, *rest):
        outcome = super().ib_umem_get(pages, *rest)
        self.memory.page_ref_add(self.memory.compound_head(pages[0]), 1)
        return outcome


class OneCountsTwo(Optimised):
    """A single page is counted as two."""

    def unpin_user_page(self, page):
        self.memory.mod_node_page_state("nr_foll_pin_released", 1)
        super().unpin_user_page(page)


class FirstIsDirty(Optimised):
    """A list that is not to be dirtied has its first head dirtied."""

    def unpin_user_pages(self, pages, npages):
        if pages:
            self.memory.set_dirty(self.memory.compound_head(pages[0]), dirty=True)
        super().unpin_user_pages(pages, npages)


class DirtiesAnother(Optimised):
    """Each put dirties the first page there is as well."""

    def execute(self, program):
        self.first = program.mappings[0].pages[0]
        return super().execute(program)

    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs)
        first = self.memory.compound_head(self.first)
        if self.memory.page_ref_count(first) > 0:
            self.memory.set_dirty(first, dirty=True)


WRONG = {
    "parts": LastStays,
    "forms": RangeDirties,
    "undone": OneTooMany,
    "singly": OneCountsTwo,
    "order": FirstIsDirty,
    "elsewhere": DirtiesAnother,
}


@pytest.mark.parametrize(
    "candidate",
    [Optimised, pytest.param(Reference, marks=pytest.mark.slow("the same for the other model"))],
)
def test_both_models_keep_every_law(candidate, monkeypatch):
    """Neither the optimised path nor the reference breaks a law."""
    compared = Counter()

    def counting(comparison, make):
        compared[comparison.law] += 1
        return difference(comparison, make)

    monkeypatch.setattr(module, "difference", counting)
    listener = searched(candidate, 40)

    assert [] == listener.failures
    assert set(LAWS) == set(compared)
    assert min(compared.values()) > 40


def test_before_the_series():
    """Under 5.11 there is no range call, and no law is broken."""
    listener = searched(Optimised, 20, SEMANTICS["5.11"])

    assert [] == listener.failures
    assert any("ib_umem(" in text for text in texts(listener))
    assert not any("page_range" in text for text in texts(listener))


def test_every_law_has_a_wrong_candidate():
    """A law without one may never fail at all."""
    assert set(LAWS) == set(WRONG)


@pytest.mark.parametrize("law", LAWS)
def test_mistake_that_is_shared(law, monkeypatch):
    """What candidate and reference do wrong alike is found, and told, by the law."""
    monkeypatch.setattr(runner, "Reference", WRONG[law])
    others = tuple(oracle for oracle in ORACLES if oracle is not legal)
    monkeypatch.setattr(runner, "ORACLES_OF", dict.fromkeys(STEPS, others))
    monkeypatch.setattr(module, "LAWS", {law: LAWS[law]})

    program, finding = searched(WRONG[law], 20).failures[0]

    assert ("laws", f"law_{law}") == (finding.oracle, finding.what)
    assert len(program.steps) == finding.index + 1
    assert program.steps[-1] is finding.step
    assert judge(program, WRONG[law]()).finding is None
    assert finding.rows
    assert all(row.expected != row.shown for row in finding.rows)
    check(parse_program(program.text()))


@pytest.mark.parametrize("law", LAWS)
def test_mistake_that_is_not_shared(law, monkeypatch):
    """Where the reference disagrees, its finding is reported: it can be judged again."""
    monkeypatch.setattr(module, "LAWS", {law: LAWS[law]})

    program, finding = searched(WRONG[law], 20).failures[0]

    assert not finding.what.startswith("law_")
    assert finding.signature == judge(program, WRONG[law]()).finding.signature


@pytest.mark.parametrize(
    ("law", "name"),
    [
        ("parts", "RunIsIndex"),
        ("forms", "NoTailOffset"),
        ("forms", "NeverDirtiesRegion"),
        ("undone", "PincountStays"),
        ("undone", "MapErrorLeaks"),
        ("singly", "FreesNamedPage"),
        ("order", "SpanForCount"),
        ("elsewhere", "HeadIsPage"),
    ],
)
def test_alone(law, name, drawn):
    """A law finds planted faults on the candidate alone, where nothing says what is right."""
    assert broken(law, FAULTS[name].candidate, drawn)


@pytest.mark.parametrize("name", [f.name for f in FAULTS.values() if f.equivalent])
def test_right_though_different(name, drawn):
    """A variant that is right breaks no law."""
    for comparison in drawn:
        if comparison.prefix.semantics.version in FAULTS[name].versions:
            assert difference(comparison, FAULTS[name].candidate) is None


def test_told(drawn):
    """A person reads which law is broken, how both variants end, and the steps of the other one."""
    program, finding = broken("forms", RangeDirties, drawn)
    lines = Failure(program, finding).lines()

    assert lines[0].startswith(f"LAW BROKEN at step {len(program.steps)} of {len(program.steps)}: ")
    assert "Unpinning a range equals unpinning the list of its pages" in lines[0]
    assert ("list", "range") == finding.sides
    assert any(line.split() == ["list", "range"] for line in lines)
    assert any("dirty" in line and line.split()[-2:] == ["no", "yes"] for line in lines)
    assert any(f"the same up to step {finding.index}, then" in line for line in lines)
    assert any("unpin_user_page" in line for line in finding.notes)
    assert max(map(len, lines)) <= 100


def test_longer_way_is_kept(drawn):
    """The variant with more steps is the trace; the notes hold the other one."""
    program, finding = broken("parts", LastStays, drawn)
    (comparison,) = (w for w in drawn if w.program(w.variants[-1]).steps == program.steps)

    assert len(program.steps) == len(comparison.prefix.steps) + 2
    assert f"  {comparison.variants[0].steps[0].text()}" in finding.notes
    assert comparison.variants[0].steps[0].text()[:200] in finding.summary


def test_only_what_is_shown(drawn):
    """A field that the candidate does not show is not compared."""

    class Blind(RangeDirties):
        @property
        def abilities(self):
            shown = Abilities("blind")
            return evolve(shown, fields=shown.fields - {"dirty"})

    assert broken("forms", RangeDirties, drawn)
    assert broken("forms", Blind, drawn) is None


def test_variants_beyond_abilities(monkeypatch):
    """Variants with calls that the candidate lacks are left out; the others are compared."""

    class Lists(Optimised):
        @property
        def abilities(self):
            able = Abilities("lists")
            return evolve(able, calls=able.calls - {"unpin_user_page", "ib_umem"})

    asked = Counter()

    def counting(comparison, make):
        asked[comparison.law, len(comparison.variants)] += 1
        return difference(comparison, make)

    monkeypatch.setattr(module, "difference", counting)
    listener = searched(Lists, 12)

    assert [] == listener.failures
    assert asked["forms", 2]
    assert "singly" not in {law for law, _ in asked}
    assert not any("unpin_user_page(" in text for text in texts(listener))


def test_one_that_raises(drawn):
    """A way that raises is a finding too, and says where."""

    class Raises(Optimised):
        def unpin_user_page(self, page):
            raise LookupError(page)

    _, finding = next(
        told for told in (difference(w, Raises) for w in drawn if w.law == "singly") if told
    )

    assert "raised_LookupError" == finding.what
    assert "unpin_user_page" == finding.step.call


def test_same_number_same_programs():
    """A round is drawn from its number alone."""
    drawn = []
    for number in (3, 3, 4):
        listener = Listener()
        laws(Search(Optimised, watcher=listener), number)
        drawn.append(texts(listener))

    assert drawn[0] == drawn[1] != drawn[2]


def test_enough():
    """A round ends when it is told to."""

    class Impatient(Listener):
        def enough(self):
            return len(self.programs) > 2

    listener = Impatient()
    laws(Search(Optimised, watcher=listener), 1)

    assert 2 < len(listener.programs) < 6


def test_dearer_when_strict():
    """A way that is right but dearer fails a strict search, and no other."""
    listener = Listener()
    candidate = FAULTS["ListByPage"].candidate
    for number in range(10):
        laws(Search(candidate, watcher=listener, strict=True), number)

    assert {"cost"} == {finding.oracle for _, finding in listener.failures}
    assert [] == searched(candidate, 10).failures
