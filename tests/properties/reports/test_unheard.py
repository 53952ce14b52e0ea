# SPDX-License-Identifier: MIT

"""What a candidate's journal lacks is told, and is not judged."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from model.abilities import Abilities, Unheard
from model.optimised import Optimised
from model.parse import parse_program
from properties.judging.judge import judge
from properties.reports.failure import Failure
from properties.reports.unheard import unheard_lines
from tests.helpers import HEADER, run

RANGE = "unpin_user_page_range_dirty_lock"
PROGRAM = parse_program(
    f'{HEADER}a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[0:2])\n'
    f"{RANGE}(h1[0:2], make_dirty=True)\n"
)


class Dear(Optimised):
    """One put for each page, and one dirty lock."""

    def unpin_range_run(self, page, head, ntails, make_dirty):
        for _ in range(ntails):
            if make_dirty:
                self.memory.set_page_dirty_lock(head)
            self.put_compound_head(head, 1)


def deaf(*events):
    """A candidate that does not hear *events* of the range call."""
    unheard = tuple(Unheard(event, RANGE, "gup_put_folio") for event in events)

    class Deaf(Dear):
        abilities = Abilities("deaf", unheard=unheard)

    return Deaf()


@pytest.mark.parametrize(
    ("events", "what"), [((), "puts"), (("put",), "dirty_locks"), (("put", "dirty"), None)]
)
def test_cost_of_what_is_heard(events, what):
    """Puts and dirty locks are judged where they are heard."""
    dearer = judge(PROGRAM, deaf(*events)).dearer

    assert what == (dearer and dearer.what)


def test_unheard_puts_are_not_told():
    """A report says what puts the candidate took, unless it did not hear them."""

    class Wrong(Dear):
        def unpin_range_run(self, page, head, ntails, make_dirty):
            super().unpin_range_run(page, head, 1, make_dirty)

    class Deaf(Wrong):
        abilities = deaf("put").abilities

    heard, unheard = (
        "\n".join(Failure(PROGRAM, judge(PROGRAM, made).finding).lines())
        for made in (Wrong(), Deaf())
    )

    assert "; the candidate took 1 of a+0" in heard
    assert "the candidate took" not in unheard


def test_lines():
    """Each probe is told once, with the calls in which it hears nothing."""
    put = Unheard("put", "unpin_user_page", "gup_put_folio")
    silent = (put, evolve(put, call=RANGE), Unheard("warning", "", "__warn", absent=True))
    lines = [*unheard_lines(silent)]

    assert [
        "deaf     the probe on gup_put_folio() hears nothing in unpin_user_page(),",
        f"         {RANGE}(); not judged: the number of puts; dirtying before the",
        "         put",
        "deaf     the probe on __warn() is absent; not judged: WARNs",
    ] == lines
    assert [] == [*unheard_lines([])]


SKETCH = """
from model.abilities import Abilities, Unheard
from model.optimised import Optimised

class Deaf(Optimised):
    abilities = Abilities("deaf", unheard=(Unheard("put", "unpin_user_page", "gup_put_folio"),))

class Wrong(Deaf):
    def unpin_user_page(self, page):
        pass
"""


@pytest.mark.parametrize(("name", "status"), [("Deaf", 0), ("Wrong", 1)])
def test_verify(home, name, status):
    """``headcount verify`` tells it with its verdict, whatever that is, and as JSON."""
    (home / "sketch.py").write_text(SKETCH)
    words = ("verify", "--candidate", f"sketch.py:{name}", "--seed", 1, "--rounds", 2)
    text, as_json = run(*words), run(*words, "--json")

    assert status == text.exit_code == as_json.exit_code
    assert (
        "\ndeaf     the probe on gup_put_folio() hears nothing in unpin_user_page();" in text.output
    )
    (one,) = json.loads(as_json.output)["deaf"]
    assert {
        "event": "put",
        "call": "unpin_user_page",
        "probe": "gup_put_folio",
        "absent": False,
        "not_judged": "the number of puts; dirtying before the put",
    } == one


def test_replay(home):
    """``headcount replay`` tells it, too."""
    (home / "sketch.py").write_text(SKETCH)
    (home / "one.trace").write_text(PROGRAM.text())
    result = run("replay", "one.trace", "--candidate", "sketch.py:Deaf")

    assert 0 == result.exit_code, result.output
    assert "\ndeaf     the probe on gup_put_folio() hears nothing in " in result.output
