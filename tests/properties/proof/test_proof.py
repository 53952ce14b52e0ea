# SPDX-License-Identifier: MIT

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.iterators import compound_range_next
from model.optimised import Optimised
from properties.cli import main

z3 = pytest.importorskip("z3", reason="needs the extra `proof`: pip install -e '.[proof]'")

from properties.proof import formulas, lemmas, solver  # noqa: E402 - they need z3

BELOW = 1 << 32


class OneHead:
    """Memory in which every frame belongs to one head; it remembers what is put."""

    def __init__(self, head=0, nr=1):
        self.head = head
        self.nr = nr
        self.dropped = []

    def compound_head(self, page):
        assert self.head <= page < self.head + self.nr
        return self.head

    def compound_nr(self, head):
        return self.nr

    def is_zero_page(self, page):
        return False

    def hpage_pincount_available(self, head):
        return False

    def mod_node_page_state(self, item, by):
        pass

    def page_ref_sub_and_test(self, page, refs):
        self.dropped.append(refs)
        return False


def number(expression, *, signed=False):
    """The number that a constant expression comes to."""
    value = z3.simplify(expression)
    return value.as_signed_long() if signed else value.as_long()


@st.composite
def places(draw):
    """A place as (order, head, page, i, npages), often at an edge."""
    order = draw(st.integers(0, 18))
    nr = 1 << order
    head = draw(st.integers(0, 1 << 50))
    following = head + draw(st.sampled_from([0, nr - 1]) | st.integers(0, nr - 1))
    i = draw(st.just(0) | st.integers(0, following))
    rest = head + nr - following
    multiple = draw(st.integers(1, 8)) * BELOW
    near = [rest, max(1, rest - 1), rest + 1, multiple, multiple + 1, multiple + rest]
    left = draw(st.sampled_from(near) | st.integers(1, 1 << 40))
    return order, head, following - i, i, i + left


def place_at(order, head, page, i, npages):
    """The arguments of a step of the iterator, as numbers."""
    numbers = (order, head, page + i - head, i, npages - i)
    return formulas.Place(*(z3.BitVecVal(value, 64) for value in numbers))


def settled(result_of):
    """Verdicts by text."""
    return {lemma.text: solver.settle(lemma).verdict for lemma in result_of}


@settings(max_examples=400)
@given(places())
def test_formula_is_the_iterators(place):
    """The wide formula gives the run that the model's iterator gives, wherever that is drawn."""
    order, head, page, i, npages = place
    run = compound_range_next(OneHead(head, 1 << order), i, npages, page)[1]

    assert z3.is_true(z3.simplify(place_at(*place).assumed))
    assert run == number(formulas.wide_run(place_at(*place)))


@settings(max_examples=400)
@given(places())
@example((33, 0, 0, 0, 5))
def test_kernel_formula_truncates(place):
    """The kernel's formula cuts both operands to 32 bits before the minimum."""
    order, head, page, i, npages = place
    rest = head + (1 << order) - (page + i)
    run = min(rest % BELOW, (npages - i) % BELOW) if order else 1

    assert run == number(formulas.kernel_run(place_at(*place)))


@pytest.mark.parametrize(
    "outside",
    [
        (19, 0, 0, 0, 1),
        (0, 5, 5, 0, 0),
        (2, 8, 0, 7, 9),
        (2, 8, 0, 12, 13),
        (0, 5, 5, 0, formulas.FRAME_LIMIT),
        (0, 0, (1 << 64) - 1, 1, 2),
        (18, formulas.FRAME_LIMIT - 1, formulas.FRAME_LIMIT - 1, 0, 1),
    ],
)
def test_assumptions_refuse(outside):
    """Nothing is claimed of a place that the iterator is never at."""
    assert z3.is_false(z3.simplify(place_at(*outside).assumed))


def test_assumptions_reach_the_edges():
    """The largest compound page and the longest range are among what is claimed."""
    for place in (
        (18, formulas.FRAME_LIMIT - (1 << 18), formulas.FRAME_LIMIT - 1, 0, 1),
        (0, 0, 0, 0, formulas.FRAME_LIMIT),
        (0, formulas.FRAME_LIMIT - 1, 0, formulas.FRAME_LIMIT - 1, formulas.FRAME_LIMIT),
    ):
        assert z3.is_true(z3.simplify(place_at(*place).assumed))


@given(st.integers(1, (1 << 53) - 1))
@example(1)
@example(1 << 21)
def test_put_formula_is_the_models(refs):
    """The wide product is what the optimised model's put drops."""
    memory = OneHead()
    model = Optimised()
    model.memory = memory
    model.put_compound_head(0, refs)

    assert memory.dropped == [number(formulas.wide_dropped(z3.BitVecVal(refs, 64)))]


@pytest.mark.parametrize(
    ("refs", "dropped"),
    [
        (1, 1024),
        ((1 << 21) - 1, 0x7FFF_FC00),
        (1 << 21, 1),
        ((1 << 22) - 1, 1),
        (1 << 22, 1),
        ((1 << 22) + 1, 1024),
    ],
)
def test_kernel_put_wraps(refs, dropped):
    """A product that wraps drops one reference where it is not above 1."""
    assert dropped == number(formulas.kernel_dropped(z3.BitVecVal(refs, 64)), signed=True)


def test_all_is_as_stated():
    """Wide types are proved, the kernel's refuted where it is said, each with its least example."""
    results = [solver.settle(lemma) for lemma in lemmas.lemmas()]
    refuted = [result for result in results if result.verdict == "refuted"]

    assert 13 == len(results)
    assert all(result.as_stated for result in results)
    assert {"kernel's types"} == {result.lemma.types for result in refuted}
    progress, maximal, put = (result.example for result in refuted)
    assert (BELOW, 0) == (progress["left"], progress["run"])
    assert (BELOW + 1, 1, 2) == (maximal["left"], maximal["run"], maximal["rest"])
    assert {"refs": 1 << 21, "dropped": 1} == put


def test_counterexamples_are_so():
    """The formula gives the run of 0 on the very numbers of the counterexample."""
    (lemma,) = (known for known in lemmas.lemmas() if not known.holds and "least one" in known.text)
    least = solver.settle(lemma).example
    place = [least[name] for name in ("order", "head", "page", "i", "npages")]

    assert least["npages"] - least["i"] == BELOW
    assert 0 == number(formulas.kernel_run(place_at(*place)))
    assert 2 == number(formulas.wide_run(place_at(*place)))


@pytest.mark.parametrize(
    ("run", "refuted"),
    [
        (lambda place: formulas.wide_run(place) - 1, "every run has at least one page"),
        (lambda place: place.rest, "no run goes beyond the range"),
        (lambda place: place.left, "no run leaves its compound page"),
        (
            lambda place: z3.BitVecVal(1, 64),
            "every run ends where the range or its compound page ends",
        ),
    ],
)
def test_wrong_iterator_is_refuted(run, refuted):
    """Each part of the lemma fails on an iterator that is wrong in just that."""
    verdicts = settled(lemmas.steps(run, "wrong types", wide=True))

    assert "refuted" == verdicts[refuted]
    assert set(verdicts.values()) == {"proved", "refuted"}


def test_other_limits_are_refuted():
    """What is said of the kernel's types is said exactly: wider types are not so."""
    verdicts = settled(lemmas.steps(formulas.wide_run, "wide types", wide=False))

    assert "refuted" == verdicts.pop(
        "a run is 0 on compound pages where npages - i = k * 2^32, and only there"
    )
    assert {"proved"} == set(verdicts.values())


def lemma(assumed, claim):
    """A lemma about one number."""
    x = z3.BitVec("x", 64)
    return solver.Lemma("types", "text", True, assumed(x), claim(x), {"x": x}, str)


@pytest.mark.parametrize(
    ("assumed", "claim", "verdict", "least"),
    [
        (lambda x: x == 5, lambda x: x == 5, "proved", {}),
        (lambda x: z3.ULT(x, 0), lambda x: x == 5, "vacuous", {}),
        (lambda x: z3.UGT(x, 70), lambda x: (x & 9) != 9, "refuted", {"x": 73}),
        (lambda x: z3.UGT(x, 1 << 63), lambda x: x == 1, "refuted", {"x": (1 << 63) + 1}),
        (lambda x: z3.ULE(x, 0), lambda x: x == 1, "refuted", {"x": 0}),
    ],
)
def test_settle(assumed, claim, verdict, least):
    """A claim about nothing is vacuous, and a counterexample is the least there is."""
    result = solver.settle(lemma(assumed, claim))

    assert (verdict, least) == (result.verdict, dict(result.example))
    assert result.as_stated == (verdict == "proved")


def test_unknown_is_not_proved(monkeypatch):
    """A question on which the solver gives up counts as not settled."""
    monkeypatch.setattr(solver, "TIMEOUT_MS", 1)
    hard = lemma(lambda x: z3.UGT(x, 1), lambda x: x * x * x * x * x != 0x1234_5678_9ABC_DEF1)
    result = solver.settle(hard)

    assert "unknown" == result.verdict
    assert not result.as_stated


def prove(*arguments):
    """The result of the command with *arguments*, in this process."""
    return CliRunner().invoke(main, ["prove", *arguments])


def test_command():
    """The command says what was proved and refuted, of what, and within 100 columns."""
    result = prove()
    lines = result.output.splitlines()

    assert 0 == result.exit_code
    assert "proved   wide types      every run has at least one page" in lines
    at = lines.index("refuted  kernel's types  every run has at least one page")
    assert lines[at + 1].endswith(": npages - i = 1 * 2^32 gives a run of 0")
    assert "         refs = 2^21 pins: 1 dropped, where 2147483648 are due" in lines
    assert any(line.startswith("assumed  orders 0 to 18") for line in lines)
    assert lines[-1].startswith("settled  13 of 13 as stated")
    assert all(len(line) <= 100 for line in lines)
    assert "\x1b" not in result.output


def test_command_json():
    """The same as JSON."""
    result = prove("--json")
    said = json.loads(result.output)
    assert (1, "prove") == (said["headcount"], said["command"])

    assert 0 == result.exit_code
    assert said["as_stated"]
    assert 3 == sum(entry["verdict"] == "refuted" for entry in said["lemmas"])
    assert [entry["verdict"] == "refuted" for entry in said["lemmas"]] == [
        entry["counterexample"] is not None for entry in said["lemmas"]
    ]


def test_command_fails(monkeypatch):
    """A lemma that comes out otherwise is exit status 1, and nothing follows from it."""
    wrong = lemmas.steps(formulas.kernel_run, "wide types", wide=True)
    monkeypatch.setattr(lemmas, "lemmas", lambda: wrong)
    result = prove()

    assert 1 == result.exit_code
    assert "settled  2 of 4 as stated" in result.output
    assert "partition" not in result.output
    assert not json.loads(prove("--json").output)["as_stated"]


def test_missing_extra(monkeypatch):
    """Without z3 the command prints one line that says how to install it."""
    monkeypatch.setitem(sys.modules, "z3", None)
    result = prove()

    assert 2 == result.exit_code
    assert "" == result.stdout
    assert result.stderr == (
        "headcount: z3 is not installed; pip install 'headcount[proof]' "
        "(in a checkout: pip install -e '.[proof]')\n"
    )
