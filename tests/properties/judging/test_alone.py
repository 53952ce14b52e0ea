# SPDX-License-Identifier: MIT

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve
from click.testing import CliRunner

from model.abilities import Abilities
from model.candidate import InProcess
from model.memory import Memory
from model.optimised import Optimised
from model.parse import parse_program, read_program
from model.reference import Reference
from model.semantics import SEMANTICS
from properties import layouts
from properties.cli import main
from properties.faults import FAULTS
from properties.judging.applicable import MAX_HEAD_VISITS, MAX_HEADS, MAX_PAGE_VISITS, visits
from properties.judging.judge import Run, judge
from properties.judging.ledger import Ledger
from properties.search import Search
from properties.searches.soak import soak
from tests.helpers import HEADER, TRACES, Listener

TRACE = TRACES / "one-tebibyte.trace"
SMALL = HEADER + 'a = mapping("driver", orders=[2, 0])\n'


def program(*lines):
    """The program of *lines*, on a few small pages if they make none."""
    made = any("mapping(" in line for line in lines)
    return parse_program("\n".join([(HEADER if made else SMALL).strip(), *lines, ""]))


@pytest.fixture
def tebibyte():
    """A range of 1 TiB in pages of 1 GiB, unpinned from a tail on."""
    return read_program(TRACE)


def test_one_tebibyte(tebibyte):
    """A program that one page at a time would take a minute for is judged by the ledger alone."""
    verdict = judge(tebibyte, Optimised())

    assert 1 << 28 == tebibyte.mappings[0].npages
    assert visits(tebibyte) == 2 << 28 > MAX_PAGE_VISITS
    assert "agrees" == verdict.kind
    assert verdict.alone
    assert 3 == verdict.steps


def test_region_of_the_zero_page():
    """What the ledger does not say of a region is no difference, if a page was not changed."""
    made = program(
        'a = mapping("base", orders=[0])',
        'b = mapping("zero", orders=[0])',
        "m1 = ib_umem_get(a[0:1] + b[0:1])",
    )
    made = evolve(made, semantics=SEMANTICS["6.1"])
    run = Run(Optimised(), made.mappings, made.semantics, alone=True)

    assert run.step(made.steps[0]) is None


def test_one_tebibyte_wrong(tebibyte):
    """A fault is found there, and the report says whose word was broken."""
    verdict = judge(tebibyte, FAULTS["NoTailOffset"].candidate())
    finding = verdict.finding

    assert verdict.alone
    assert ("ledger", "candidate") == finding.sides
    assert "pincount-unpin_user_page_range_dirty_lock" == finding.signature
    assert {("a+0", 5, 0), ("a+268173312", 0, 5)} == {
        (row.where, row.expected, row.shown) for row in finding.rows if row.what == "pincount"
    }


def test_dearer_alone():
    """What a step costs is judged by the ledger alone, too."""
    npages = 4 << 18
    huge = program(
        'a = mapping("hugetlb", orders=[18]*4)',
        f"h1 = pin_user_pages(a[0:{npages}])",
        f"unpin_user_page_range_dirty_lock(h1[0:{npages}], make_dirty=True)",
    )
    verdict = judge(huge, FAULTS["RunsOf512"].candidate())

    assert verdict.alone
    assert "puts-unpin_user_page_range_dirty_lock" == verdict.dearer.signature
    assert "where 4 suffice" in verdict.dearer.summary


LONGER = pytest.mark.slow("walks lists of 2^21 pages")


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(1 << 20, marks=LONGER),
        (1 << 20) + 1,
        pytest.param(1 << 21, marks=LONGER),
        pytest.param((1 << 21) + 1, marks=LONGER),
    ],
)
def test_puts_in_parts(entries):
    """A run may be put in parts where an int would not hold its references, and in no more."""
    huge = program(
        'a = mapping("driver", orders=[2])',
        f"h1 = pin_user_pages(a[0:1]*{entries})",
        f"unpin_user_pages(a[0:1]*{entries})",
    )

    class PutsInMoreParts(FAULTS["PutsInParts"].candidate):
        def runs(self, pages):
            for head, ntails in super().runs(pages):
                yield from ((head, ntails - 1), (head, 1))

    dearer = judge(huge, PutsInMoreParts()).dearer
    most = -(-entries // (1 << 20))

    assert "agrees" == judge(huge, FAULTS["PutsInParts"].candidate()).kind
    assert f"{2 * most} puts where {most} suffice" in dearer.summary


def test_show_alone(tebibyte):
    """``headcount show`` shows what is too large for one page at a time."""
    shown = CliRunner().invoke(main, ["show", str(TRACE)])

    assert 0 == shown.exit_code
    assert "unpin_user_page_range_dirty_lock" in shown.output


def test_replay_says_so(home):
    """``headcount replay`` says who judged, where that was not the reference."""
    (home / "small.trace").write_text(SMALL + "map(a[0:1])\n")
    fault = "properties.faults.range_math:NoTailOffset"

    agreed = CliRunner().invoke(main, ["replay", str(TRACE)])
    failed = CliRunner().invoke(main, ["replay", str(TRACE), "--candidate", fault])
    small = CliRunner().invoke(main, ["replay", "small.trace"])

    assert 0 == agreed.exit_code
    assert "agrees now, 3 steps, checked only by the ledger" in agreed.output
    assert 1 == failed.exit_code
    assert any(line.split() == ["ledger", "candidate"] for line in failed.output.splitlines())
    assert "ledger" not in small.output


def test_too_many_heads():
    """What even the ledger would take too long for is not judged, and the reason is given."""
    pages = 1 << 17
    rounds = MAX_HEAD_VISITS // pages + 1
    many = program(
        f'a = mapping("base", orders=[0]*{pages})',
        *(f"h{n} = pin_user_pages(a[0:{pages}])" for n in range(rounds)),
    )
    verdict = judge(many, Optimised())

    assert "inapplicable" == verdict.kind
    assert f"name up to {rounds * pages} compound pages" in verdict.inapplicable
    assert 0 == verdict.steps


def test_too_many_different_heads():
    """What would take too much memory is not judged, and the reason is given."""
    more = MAX_HEADS + 1
    named = program(f'a = mapping("base", orders=[0]*{more})', f"h1 = pin_user_pages(a[0:{more}])")
    made = program(
        'a = mapping("driver", orders=[8])',
        "unmap(a[0:256])",
        "alloc_pages(a[0:256], orders=[0]*256)",
    )
    few = program(f'a = mapping("base", orders=[0]*{more})', "h1 = pin_user_pages(a[0:9])")

    said = f"up to {more} different compound pages and entries of regions, and a program is judged "
    said += f"with at most {MAX_HEADS}: use fewer, or a higher order"
    assert said in judge(named, Optimised()).inapplicable
    assert "agrees" == judge(few, Optimised()).kind
    assert "agrees" == judge(made, Optimised()).kind
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("properties.judging.applicable.MAX_HEADS", 256)
        assert "up to 257 different" in judge(made, Optimised()).inapplicable


@pytest.mark.parametrize(
    ("pages", "most"),
    [
        ("a[0:4]*3", 4),
        ("a[0:4]", 2),
        ("a[3::-1]", 5),
        ("(a[0:2] + a[3:1:-1])*2", 7),
        ("a[0:4] + a[0:1]*2", 4),
    ],
)
def test_too_many_entries(monkeypatch, pages, most):
    """The entries of a region count as compound pages do."""
    region = program('a = mapping("driver", orders=[2])', f"m1 = ib_umem_get({pages})")
    monkeypatch.setattr("properties.judging.applicable.MAX_HEADS", most)
    assert "agrees" == judge(region, Optimised()).kind

    monkeypatch.setattr("properties.judging.applicable.MAX_HEADS", most - 1)
    assert f"up to {most} different compound pages and entries" in (
        judge(region, Optimised()).inapplicable
    )


@pytest.mark.parametrize(("more", "alone"), [(0, False), (1, True)])
def test_border(monkeypatch, more, alone):
    """So many visits are one page at a time's, and one more is the ledger's."""
    monkeypatch.setattr("properties.judging.applicable.MAX_PAGE_VISITS", 8)
    few = program(
        'a = mapping("driver", orders=[3])',
        "h1 = pin_user_pages(a[0:4])",
        f"h2 = pin_user_pages(a[0:{4 + more}])",
    )

    assert 8 + more == visits(few)
    assert alone is judge(few, Optimised()).alone


def test_visits():
    """Repeats count, and the release of a region counts what its making named."""
    counted = program(
        "h1 = pin_user_pages(a[0:1]*100)",
        "unpin_user_pages(h1[0:40])",
        "m1 = ib_umem_get(a[0:5])",
        "ib_umem_release(m1)",
    )

    assert 150 == visits(counted)
    assert 0 == visits(evolve(counted, steps=()))


@pytest.mark.parametrize(
    ("abilities", "line", "reason"),
    [
        ({0, 2}, "alloc_pages(a[0:4], orders=[1, 1])", "no compound pages of order 1"),
        ({9}, "split_huge_page(a[0:1])", "no compound pages of order 0"),
    ],
    ids=["alloc", "split"],
)
def test_orders_that_steps_make(abilities, line, reason):
    """A step that makes compound pages which a candidate has not is beyond it."""
    limited = Abilities("limited", orders=frozenset(abilities))
    Limited = type("Limited", (Optimised,), {"abilities": limited})  # noqa: N806
    kind = "thp" if "split" in line else "driver"
    lines = [] if "split" in line else ["unmap(a[0:1])"]
    made = program(f'a = mapping("{kind}", orders=[{max(abilities)}])', *lines, line)

    assert reason in judge(made, Limited()).inapplicable
    assert "agrees" == judge(made, Optimised()).kind


def carried_out(made, candidate, *, alone):
    """The signature and the step of what is found in *made*, and what its end shows."""
    run = Run(candidate(), made.mappings, made.semantics, alone=alone)
    for i, step in enumerate(made.steps):
        finding = run.step(step)
        if finding:
            return finding.signature, finding.oracle, i
    return run.dearer and (run.dearer.signature, run.dearer.index), run.record.reference.acquired


@pytest.fixture(
    scope="module",
    params=[10, pytest.param(24, marks=pytest.mark.slow("the same on more programs"))],
)
def drawn(request):
    """Programs of 250 steps of every sort."""
    listener = Listener()
    for number in range(request.param):
        soak(Search(Optimised, captured=layouts.shipped(), watcher=listener), number, 250)
    return listener.programs


@pytest.mark.parametrize(
    "name",
    [
        "NoTailOffset",
        "MergesAcross",
        "DirtiesAfterPut",
        "CountsAfterPut",
        "UndoForgotten",
        "RefusesSilently",
        "PartialPinIsError",
        "NeverDirtiesRegion",
        "BornHeldTwice",
        "LocksDirtyPages",
        "OrderOneUnbatched",
        "OneWalker",
    ],
)
def test_ledger_alone_says_the_same(drawn, name):
    """With no reference beside it, the ledger finds the same at the same step."""
    fault = FAULTS[name].candidate
    seen = Counter()
    for made in drawn:
        both = carried_out(made, fault, alone=False)
        seen[both] += 1
        assert both == carried_out(made, fault, alone=True)

    found = [outcome for outcome in seen if outcome[0]]
    assert bool(found) is not FAULTS[name].equivalent


def test_ledger_alone_on_what_is_right(drawn):
    """The ledger alone has nothing against the optimised model, nor is it dearer."""
    for made in drawn:
        assert carried_out(made, Optimised, alone=True)[0] is None


def test_warnings_in_other_words():
    """A refused grab agrees though the heads that were looked at are not the same."""

    class ShowsMore(Optimised):
        def execute(self, program):
            for shown in super().execute(program):
                head = program.mappings[0].pages[0]
                yield evolve(shown, heads={head: self.memory._page(head).state(), **shown.heads})

    made = program(
        "get_page(a[4:5], n=2147483646)",
        "h1 = pin_user_pages(a[4:5])",
        "h2 = pin_user_pages(a[4:5])",
    )

    assert carried_out(made, ShowsMore, alone=True)[0] is None
    assert carried_out(made, ShowsMore, alone=False)[0] is None


# What the ledger knows beside counts.


def test_lost_dirty_flag(monkeypatch):
    """A reference that forgets to dirty what it unpins breaks the ledger."""
    made = program(
        "h1 = pin_user_pages(a[0:2])", "unpin_user_pages_dirty_lock(h1[0:2], make_dirty=True)"
    )
    assert judge(made, Reference()).finding is None
    monkeypatch.setattr(Reference, "_dirty_and_unpin", Reference._unpin)
    finding = judge(made, Reference()).finding

    assert "ledger" == finding.oracle
    assert "ledger_dirty-unpin_user_pages_dirty_lock" == finding.signature
    assert ("ledger", "reference") == finding.sides
    assert [("a+0", True, False)] == [(r.where, r.expected, r.shown) for r in finding.rows]


@pytest.mark.parametrize("line", ["set_page_dirty(a[1:2])", "clean(a[1:2])"])
def test_shared_mistake(monkeypatch, line):
    """What both models share may be wrong in both, and the ledger says so."""
    made = program("set_page_dirty(a[0:1])" if "clean" in line else "map(a[0:1])", line)
    call = line.partition("(")[0]
    assert judge(made, Optimised()).finding is None
    monkeypatch.setattr(InProcess, call, lambda *_: None)
    # So that the page is shown.
    made = evolve(made, steps=(*made.steps, *program("map(a[0:1])").steps))

    assert "ledger_dirty-map" == judge(made, Optimised()).finding.signature


def test_lost_warning(monkeypatch):
    """A warning that neither model sets off breaks the ledger."""
    made = program(
        "get_page(a[4:5], n=2147483646)",
        "h1 = pin_user_pages(a[4:5])",
        "h2 = pin_user_pages(a[4:5])",
    )
    assert judge(made, Optimised()).finding is None
    monkeypatch.setattr(Memory, "warn", lambda *_: None)
    verdict = judge(made, Optimised())

    assert 3 == verdict.steps
    assert "ledger_warnings-pin_user_pages" == verdict.finding.signature


def test_warning_of_an_error_value(monkeypatch):
    """The reference must warn of npages that is an error value, says the ledger."""
    made = program("h1 = pin_user_pages(a[0:2])", "unpin_user_pages(h1[0:2], npages=-14)")
    assert judge(made, Reference()).finding is None
    monkeypatch.setattr(Reference, "unpin_user_pages", lambda *_: None)

    assert "ledger_warnings-unpin_user_pages" == judge(made, Reference()).finding.signature


def test_dirty_flag_goes_with_the_page():
    """A page that is freed is clean, and so is what is allocated of its frames."""
    made = program(
        "set_page_dirty(a[0:1])",
        "unmap(a[0:1])",
        "alloc_pages(a[0:4], orders=[1, 0, 0])",
        "set_page_dirty(a[1:2])",
    )
    ledger = Ledger(made.semantics, made.mappings)
    head = made.mappings[0].pages[0]
    shown = []
    for step in made.steps:
        ledger.take(step)
        shown.append((ledger.looks(head)[0].dirty, ledger.looks(head)[0].allocated))

    assert [(True, True), (False, False), (False, True), (True, True)] == shown
    assert "agrees" == judge(made, Optimised()).kind


def test_heads_that_became_tails():
    """Two pages that were allocated anew as one have one count, also where the ledger is alone."""
    made = program(
        'a = mapping("driver", orders=[1, 1])',
        "unmap(a[0:1] + a[2:3])",
        "alloc_pages(a[0:4], orders=[2])",
    )

    assert carried_out(made, Optimised, alone=True)[0] is None
    assert carried_out(made, FAULTS["BornHeldTwice"].candidate, alone=True)[0] is not None


@pytest.mark.parametrize(("fails", "warned"), [(0, False), (1, True), (None, True)])
def test_append_fails_before_a_refused_grab(fails, warned):
    """The walk ends with the batch that finds no memory, so a later grab cannot warn."""
    append = "" if fails is None else f", append_fails={fails}"
    made = program(
        'a = mapping("base", orders=[0]*600)',
        "get_page(a[599:600], n=2147483646)",
        "h1 = pin_user_pages(a[599:600])",
        f"m1 = ib_umem_get(a[0:600]{append})",
    )
    ledger = Ledger(made.semantics, made.mappings)
    for step in made.steps:
        ledger.take(step)

    assert warned is ledger.warned
    assert "agrees" == judge(made, Optimised()).kind
