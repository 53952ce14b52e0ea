# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.optimised import Optimised
from model.parse import parse_program, read_program
from model.reference import Reference
from properties.judging.judge import judge
from properties.judging.misuse import MAX_REPEATS
from tests.helpers import TRACES, run

START = '# headcount 1\nsemantics("6.12", misuse=True)\na = mapping("base", orders=[0, 0])\n'


@pytest.mark.parametrize("candidate", [Optimised, Reference])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pin-theft", "1,025 such calls free a+0, of which 1 pin and 1 mapping are held"),
        ("nommu-1023", "1 such call frees a+0, of which 1,023 plain references and 1 mapping"),
        ("get-then-unpin", f"{MAX_REPEATS:,} such calls free no page that is held"),
        ("over-unpin", "step 2 unpins 2 of a+0, where 1 are held (h1[0:1]*2); 1 such call frees"),
        ("null-dirty", "step 2 NULL is no page; at step 2 unpin_user_pages_dirty_lock "),
    ],
)
def test_harm(candidate, name, said):
    """The first call beyond what is held, and how many of it free a page of somebody else."""
    verdict = judge(read_program(TRACES / f"{name}.trace"), candidate())

    assert "misuse" == verdict.kind
    assert said in verdict.harm


def test_keeps_the_contract_after_all():
    """A trace that says it misuses the calls may do no such thing."""
    text = f"{START}h1 = pin_user_pages(a[0:2])\nunpin_user_pages(h1[0:2])\n"
    verdict = judge(parse_program(text), Optimised())

    assert (2, "no step goes beyond what is held, in 2 steps") == (verdict.steps, verdict.harm)


@pytest.mark.parametrize(("most", "said"), [(50, "50 such calls"), (0, "1 such call")])
def test_many_pages_are_repeated_less_often(monkeypatch, most, said):
    """A call is repeated until the pages that it names are as many as a program may visit."""
    monkeypatch.setattr("properties.judging.misuse.MAX_PAGE_VISITS", most)
    verdict = judge(read_program(TRACES / "get-then-unpin.trace"), Optimised())

    assert f"; {said} free no page that is held" in verdict.harm


def test_ends_when_repeated():
    """A call that ends the candidate when it is repeated is told with the number of calls."""

    class Dies(Optimised):
        def unpin_user_page(self, page):
            super().unpin_user_page(page)
            assert self.memory.page_ref_count(page) > -3000

    text = f"{START}unpin_user_page(a[0:1])\n"
    verdict = judge(parse_program(text), Dies())

    assert "after 2 such calls unpin_user_page raised AssertionError" in verdict.harm


def test_replay():
    """``headcount replay`` prints the harm, and such a trace fails nothing."""
    result = run("replay", TRACES / "pin-theft.trace")

    assert 0 == result.exit_code
    assert "misuse: step 4 puts 1 of a+0, where 0 are held; 1,025 such calls free" in result.output
