# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.attributes import ATTRIBUTES
from model.candidate import Unavailable
from model.errors import BadInput
from model.optimised import Optimised
from model.parse import parse_program
from model.reference import Reference
from model.semantics import SEMANTICS
from properties.judging.judge import Run, judge
from tests.helpers import HEADER, program

PINNED = HEADER + 'a = mapping("driver", orders=[2, 0])\nh1 = pin_user_pages(a[3:5])\n'
RANGE = PINNED + "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"


def verdict(text, candidate):
    """What the judge says of the trace *text*."""
    return judge(parse_program(text), candidate)


def test_agrees():
    """The optimised model agrees with the reference, and costs no more than runs."""
    said = verdict(RANGE, Optimised())

    assert "agrees" == said.kind
    assert 2 == said.steps


class Lying(int):
    """A number that equals each other one."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


class Raising(int):
    """A number that cannot be compared."""

    def __eq__(self, other):
        raise RuntimeError

    def __hash__(self):
        raise RuntimeError

    __int__ = __index__ = __eq__


@pytest.mark.parametrize("own", [Lying, Raising])
@pytest.mark.parametrize(("value", "kind"), [(2, "agrees"), (7, "diverges")])
def test_returned_number_of_own_class(own, value, kind):
    """The value of a number counts, not how its class compares."""

    class Returns(Optimised):
        def pin_user_pages(self, pages):
            super().pin_user_pages(pages)
            return own(value)

    assert kind == verdict(PINNED, Returns()).kind


def test_reference_is_dearer():
    """The reference itself agrees, but for its puts."""
    text = PINNED.replace("a[3:5]", "a[0:4]") + "unpin_user_pages(h1[0:4])\n"
    said = verdict(text, Reference())

    assert "dearer" == said.kind
    assert "puts-unpin_user_pages" == said.dearer.signature
    assert "4 puts where 1 suffices" in said.dearer.summary


def test_reference_is_not_dearer_before_the_series():
    """Before the series a put for each page is what there was."""
    text = PINNED.replace("5.13", "5.11").replace("a[3:5]", "a[0:4]")

    assert "agrees" == verdict(text + "unpin_user_pages(h1[0:4])\n", Reference()).kind


def test_diverges(sketches):
    """A count that differs is found, at its step, with both values."""
    finding = verdict(RANGE, sketches.NoTailOffset()).finding

    assert "pincount-unpin_user_page_range_dirty_lock" == finding.signature
    assert 1 == finding.index
    row = finding.rows[0]
    assert ("a+0", 2, "pincount", 0, -1) == (
        row.where,
        row.order,
        row.what,
        row.expected,
        row.shown,
    )
    assert (("a+0", 1), ("a+4", 1)) == finding.runs
    assert (("a+0", 2),) == finding.puts


def test_dirty_before_put(sketches):
    """A dirty flag set after the put breaks a law, though the state is the same."""
    finding = verdict(RANGE, sketches.DirtiesAfterPut()).finding

    assert "dirty_before_put" == finding.what


def test_run_of_zero(sketches):
    """An iterator that does not move on is stopped by what it spends, not by a clock."""
    text = PINNED.replace("a[3:5]", "a[0:4]")
    finding = verdict(
        text + "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=False)\n", sketches.RunOfZero()
    ).finding

    assert "no_progress" == finding.what
    assert "a run of 0 pages" in finding.summary


@pytest.mark.parametrize(
    ("name", "what"), [("Raises", "raised_LookupError"), ("Exits", "raised_SystemExit")]
)
def test_raising_is_a_finding(sketches, name, what):
    """Whatever a candidate raises is a finding that says where, not the harness's end."""
    finding = verdict(PINNED + "unpin_user_page(h1[0:1])\n", getattr(sketches, name)()).finding

    assert what == finding.what
    assert any("sketches.py" in note for note in finding.notes)


class PageByHead(Optimised):
    """Right, but takes the square of the pages: for each head it looks at all entries."""

    def unpin_user_pages(self, pages, npages):
        heads = [self.memory.compound_head(page) for page in pages[:npages]]
        for head in dict.fromkeys(heads):
            entries = sum(self.memory.compound_head(page) == head for page in pages[:npages])
            self.put_compound_head(head, entries)


def test_the_square_of_some_pages():
    """Hundreds of pages may be looked at for each of them."""
    text = PINNED.replace("[2, 0]", "[0]*1000").replace("a[3:5]", "a[0:1000]")

    assert "agrees" == verdict(text + "unpin_user_pages(h1[0:1000])\n", PageByHead()).kind


def test_the_square_of_many_pages():
    """Thousands may not: a count ends it, the same on every machine, and says so."""
    text = PINNED.replace("[2, 0]", "[0]*5000").replace("a[3:5]", "a[0:5000]")
    finding = verdict(text + "unpin_user_pages(h1[0:5000])\n", PageByHead()).finding

    assert "no_progress" == finding.what
    assert "unpin_user_pages: not done after 2,437,152 operations on 5,000 pages" == finding.summary


def test_hanging_is_a_finding(sketches, monkeypatch):
    """A candidate that never returns is ended by the clock."""
    monkeypatch.setattr("properties.judging.watchdog.STEP_SECONDS", 0.1)
    monkeypatch.setattr("properties.judging.watchdog.Watchdog._hung", False)

    finding = verdict(PINNED + "unpin_user_page(h1[0:1])\n", sketches.NeverReturns()).finding

    assert "no_progress" == finding.what


def test_ends_early():
    """A candidate without a snapshot for a step is a finding."""

    class Short(Optimised):
        def execute(self, program):
            yield next(super().execute(program))

    finding = verdict(PINNED + "unpin_user_page(h1[0:1])\n", Short()).finding

    assert "no_snapshot" == finding.what


def test_no_journal():
    """A candidate that cannot show its journal when it fails is judged all the same."""

    class Mute(Optimised):
        def unpin_user_page(self, page):
            raise LookupError(page)

        def partial(self):
            raise AttributeError

    finding = verdict(PINNED + "unpin_user_page(h1[0:1])\n", Mute()).finding

    assert ("raised_LookupError", ()) == (finding.what, finding.puts)


def test_leaving_the_pages():
    """A look-up of a frame that no mapping holds is a finding."""

    class Strays(Optimised):
        def unpin_user_page(self, page):
            self.memory.compound_head(page + 1_000_000)

    finding = verdict(PINNED + "unpin_user_page(h1[0:1])\n", Strays()).finding

    assert "oops" == finding.what


def test_contract_is_kept():
    """A trace that breaks the contract is refused with its line, unless it says so."""
    text = PINNED + "unpin_user_page(h1[0:1])\n" * 2

    with pytest.raises(BadInput, match="line 6: unpins 1 of a\\+0, where 0 are held"):
        verdict(text, Optimised())

    said = verdict(text.replace('"5.13"', '"5.13", misuse=True'), Optimised())
    assert "misuse" == said.kind
    assert said.harm.startswith("step 3 unpins 1 of a+0, where 0 are held")


def test_misuse_that_crashes():
    """A program that misuses the calls may crash; that is said, and no finding."""
    text = PINNED + "unpin_user_pages_dirty_lock(h1[0:2], make_dirty=True, npages=-14)\n"
    said = verdict(text.replace('"5.13"', '"5.13", misuse=True'), Optimised())

    assert "misuse" == said.kind
    assert "at step 2" in said.harm


@pytest.mark.parametrize(
    ("abilities", "reason"),
    [
        ({"semantics": frozenset({"6.1"})}, "does not follow the semantics of 5.13"),
        ({"kinds": frozenset({"base"})}, "no driver mappings"),
        ({"orders": frozenset({0})}, "no compound pages of order 2"),
        ({"calls": frozenset({"pin_user_pages"})}, "no unpin_user_page_range_dirty_lock"),
        ({"span": 4}, "limited has no room for frames 4 or more apart"),
    ],
)
def test_inapplicable(abilities, reason):
    """A program beyond a candidate's abilities is not judged, and the reason is given."""
    limited = Abilities("limited", **abilities)
    Limited = type("Limited", (Optimised,), {"abilities": limited})  # noqa: N806

    said = verdict(RANGE, Limited())

    assert "inapplicable" == said.kind
    assert reason in said.inapplicable


def test_lists_that_are_too_long():
    """Only calls that are given an array have a bound on what it holds."""
    limited = Abilities("limited", listed=1)
    Limited = type("Limited", (Optimised,), {"abilities": limited})  # noqa: N806
    listed = PINNED + "unpin_user_pages(h1[0:2])\n"

    assert "agrees" == verdict(RANGE, Limited()).kind
    assert "passes no list of more than 1 pages" in verdict(listed, Limited()).inapplicable


def test_steps_that_name_too_much():
    """A bound on what a step may name is for all calls; and a page table may stand still."""
    limited = Abilities("limited", named=1, changes=False)
    Limited = type("Limited", (Optimised,), {"abilities": limited})  # noqa: N806
    changed = HEADER + 'a = mapping("base", orders=[0])\n'
    changed += "h1 = pin_user_pages_fast_only(a[0:1], changed=0)\n"

    assert "passes no list of more than 1 pages" in verdict(RANGE, Limited()).inapplicable
    assert "cannot change a page table" in verdict(changed, Limited()).inapplicable


def test_regions_that_are_too_long():
    """Regions may have a bound, and those whose scatterlist finds no memory one of their own."""
    limited = Abilities("limited", region=3, failing=1)
    Limited = type("Limited", (Optimised,), {"abilities": limited})  # noqa: N806
    start = HEADER + 'a = mapping("base", orders=[0]*4)\n'
    long = start + "m1 = ib_umem_get(a[0:4])\n"
    failing = start + "m1 = ib_umem_get(a[0:2], append_fails=0)\n"

    assert "agrees" == verdict(start + "m1 = ib_umem_get(a[0:3])\n", Limited()).kind
    assert "no regions of more than 3 pages" in verdict(long, Limited()).inapplicable
    assert "no append_fails= of more than 1 pages" in verdict(failing, Limited()).inapplicable


def test_unavailable_is_no_finding():
    """A candidate that cannot be had ends the run; it is nobody's fault."""

    class Away(Optimised):
        def execute(self, program):
            reason = "the machine is away"
            raise Unavailable(reason)
            yield

    with pytest.raises(Unavailable, match="the machine is away"):
        verdict(RANGE, Away())


def test_whole_programs():
    """A candidate that wants them gets whole programs, and only such as keep the contract."""
    given = []

    class Whole(Optimised):
        abilities = Abilities("whole", takes_whole_programs=True)

        def execute(self, program):
            given.append(len(program.steps))
            return super().execute(program)

    assert "agrees" == verdict(RANGE, Whole()).kind
    assert [2] == given
    twice = RANGE + RANGE.splitlines()[-1] + "\n"
    with pytest.raises(BadInput, match="line 6: unpins"):
        verdict(twice, Whole())
    assert [2] == given


def test_another_reference():
    """Who says what must be can be another candidate."""
    program = parse_program(RANGE)

    class Wrong(Optimised):
        def unpin_user_page_range_dirty_lock(self, page, npages, make_dirty):
            pass

    said = judge(program, Wrong(), reference=Wrong()).finding
    assert "ledger" == said.oracle
    assert "agreement" == judge(program, Optimised(), reference=Wrong()).finding.oracle


def test_null_before_its_time():
    """NULL is stepped over from 6.12 on; before, a program with it does not apply."""
    listed = PINNED + "unpin_user_pages(NULL + h1[0:2])\n"

    assert "5.13 does not skip NULL" in verdict(listed, Optimised()).inapplicable
    assert "agrees" == verdict(listed.replace("5.13", "6.12"), Optimised()).kind


def test_call_before_its_time():
    """The range call does not exist before the series."""
    said = verdict(RANGE.replace("5.13", "5.11"), Optimised())

    assert "does not exist in 5.11" in said.inapplicable


def test_too_long_to_be_walked():
    """Where mappings have attributes, a candidate may pin no list beyond its own limit."""

    class Short(Optimised):
        attributes = ("writable",)

        @property
        def abilities(self):
            return evolve(super().abilities, walked=2)

    lines = 'a = mapping("base", orders=[0]*4{})', "h1 = pin_user_pages(a[0:{}])"
    said = "Short pins at most 2 pages where mappings have attributes"
    for attribute, npages, expected in (
        (", writable=False", 3, said),
        (", writable=False", 2, ""),
        ("", 3, ""),
    ):
        made = program(lines[0].format(attribute), lines[1].format(npages))
        assert expected == judge(made, Short()).inapplicable


@pytest.mark.parametrize(
    ("race", "npages", "expected"),
    [
        ("fork", 3, 'Short has race="fork" in lists of at most 2 pages'),
        ("fork", 2, ""),
        ("entry", 3, ""),
    ],
)
def test_too_long_for_a_race(race, npages, expected):
    """In a list beyond its limit a candidate has no race but that of an entry."""

    class Short(Optimised):
        @property
        def abilities(self):
            return evolve(super().abilities, walked=2)

    pin = f'h1 = pin_user_pages_fast_only(a[0:{npages}], changed=1, race="{race}")'
    made = program('a = mapping("base", orders=[0]*4)', pin)

    assert expected == judge(made, Short()).inapplicable


@pytest.mark.parametrize(
    ("lines", "lacks"),
    [
        (
            ('a = mapping("base", orders=[0], shared=True)', "h1 = pin_user_pages(a[0:1])"),
            "shared=True",
        ),
        (
            (
                'a = mapping("base", orders=[0])',
                'h1 = pin_user_pages_fast_only(a[0:1], changed=0, race="collapse")',
            ),
            'race="collapse"',
        ),
    ],
)
def test_not_in_an_older_version(lines, lacks):
    """A trace of a newer version is not judged by an older one that lacks what it has."""
    made = evolve(program(*lines, semantics="6.1"), semantics=SEMANTICS["5.13"])

    assert f"{lacks} does not exist in 5.13" == judge(made, Optimised()).inapplicable


def test_only_shown_fields_are_compared(sketches):
    """What a candidate does not show is not compared."""

    class Blind(sketches.NoTailOffset):
        abilities = Abilities("blind", fields=frozenset({"nr_foll_pin_released"}))

    text = RANGE.replace("make_dirty=True", "make_dirty=False").replace(
        "orders=", "refs=2, orders="
    )
    assert "pincount" == verdict(text, sketches.NoTailOffset()).finding.what
    assert verdict(text, Blind()).finding is None


def test_reference_against_ledger(monkeypatch):
    """Should the reference itself miscount, the ledger says so."""
    monkeypatch.setattr("model.reference.BIAS", 1023)
    finding = verdict(PINNED, Optimised()).finding

    assert finding is not None
    # Both opinions differ from the reference's; agreement is asked first.
    assert "agreement" == finding.oracle
    monkeypatch.setattr("model.optimised.BIAS", 1023)
    finding = verdict(PINNED, Optimised()).finding
    assert "ledger" == finding.oracle
    assert ("ledger", "reference") == finding.sides


@pytest.mark.parametrize(
    "name", ["Regroups", "DirtiesFirst", "Backwards", "RangeThroughList", "EmptyPuts"]
)
def test_right_though_different(sketches, name):
    """A candidate that is right in its own way is not reported."""
    text = HEADER + (
        'a = mapping("driver", orders=[2, 1, 0])\n'
        "h1 = pin_user_pages(a[0:7] + a[1:6])\n"
        "unpin_user_pages(h1[0:1] + h1[4:6] + h1[1:2])\n"
        "unpin_user_pages_dirty_lock(h1[2:4] + h1[6:7] + h1[7:8], make_dirty=True)\n"
        "unpin_user_page_range_dirty_lock(h1[8:12], make_dirty=True)\n"
    )

    assert "agrees" == verdict(text, getattr(sketches, name)()).kind


def test_maybe_dma_pinned(monkeypatch):
    """Whether a page looks pinned is compared too, and never no for one that is."""

    class Looks(Optimised):
        def execute(self, program):
            for shown in super().execute(program):
                yield evolve(shown, maybe_pinned=frozenset())

    assert "maybe_dma_pinned" == verdict(PINNED, Looks()).finding.what
    monkeypatch.setattr("model.memory.Page.maybe_dma_pinned", lambda _: False)
    assert "ledger_maybe_dma_pinned" == verdict(PINNED, Optimised()).finding.what


def test_used_after_free():
    """A page that is changed after it was freed breaks a law."""

    class Lingers(Optimised):
        def unpin_user_page(self, page):
            super().unpin_user_page(page)
            self.memory.page_ref_add(page, 1)
            self.memory.page_ref_sub_and_test(page, 1)

    text = HEADER + (
        'a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\nunmap(a[0:1])\n'
        "unpin_user_page(h1[0:1])\n"
    )
    assert "used_after_free" == verdict(text, Lingers()).finding.what


class Together(Optimised):
    """Pins a list with several calls if its pages are not neighbours."""

    attributes = ATTRIBUTES
    abilities = Abilities("Together", attributes=ATTRIBUTES, together=True)


@pytest.mark.parametrize(
    ("mapping", "pages", "flags", "refused"),
    [
        ("movable=True", "a[0:2]", "FOLL_LONGTERM", False),
        ("movable=True", "a[1:2] + b[0:1]", "FOLL_LONGTERM", True),
        ("movable=True", "a[0:1]*2", "FOLL_LONGTERM", True),
        ("movable=True", "a[1::-1]", "FOLL_LONGTERM", True),
        ("movable=True", "h1[0:2]", "FOLL_LONGTERM", True),
        ("movable=True", "(a[0:1] + b[0:1])*2", "FOLL_LONGTERM", True),
        ("movable=True", "h1[1:2]", "FOLL_LONGTERM", False),
        ("movable=True", "a[1:2] + b[0:1]", "FOLL_WRITE", False),
        ("writable=False", "a[1:2] + b[0:1]", "FOLL_LONGTERM", False),
    ],
)
def test_pages_that_move_apart(mapping, pages, flags, refused):
    """A candidate that moves the pages of each stretch by themselves gets none of several."""
    made = program(
        f'a = mapping("base", orders=[0, 0], {mapping})',
        'b = mapping("base", orders=[0])',
        "h1 = pin_user_pages(a[0:2])",
        "unpin_user_pages(h1[0:1])",
        f"h2 = pin_user_pages({pages}, {flags})",
    )
    reason = "Together moves only neighbouring pages of a mapping in one long-term pin"
    run = Run(Together(), made.mappings, made.semantics)
    for step in made.steps[:-1]:
        run.step(step)

    assert (reason if refused else "") == judge(made, Together()).inapplicable
    if refused:
        with pytest.raises(BadInput, match=reason):
            run.step(made.steps[-1])
    else:
        assert run.step(made.steps[-1]) is None
    assert "" == judge(made, Optimised()).inapplicable
