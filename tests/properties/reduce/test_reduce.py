# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.memory import NoProgress
from model.optimised import Optimised
from properties.judging.judge import judge
from properties.judging.watchdog import Hang
from properties.reduce import reduce
from properties.reduce.passes import PASSES
from properties.reduce.reducer import MAX_VISITS, OPERATIONS_PER_VISIT
from properties.reduce.smallest import smallest
from properties.searches.machine import explore
from tests.helpers import program
from tests.properties.reduce.programs import found


@pytest.fixture(scope="module")
def failing(sketches):
    """A failing program of NoTailOffset as the machine drew it, and the finding."""
    return found(sketches.NoTailOffset, 1, 25, explore)


def test_signature_is_kept(sketches, failing):
    """Reducing never changes to another field or call, though both are broken."""
    result = reduce(*failing, sketches.NoTailOffset)

    assert failing[1].signature == result.finding.signature


def test_does_not_repeat(sketches):
    """A candidate that does not fail again is told apart, and the program kept as it was."""
    whole = program(
        'a = mapping("base", orders=[0])', "h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])"
    )
    sketches.Moody.turns = 0
    result = reduce(whole, judge(whole, sketches.Moody()).finding, sketches.Moody)

    assert (False, whole) == (result.repeats, result.program)


def test_budget(sketches, failing):
    """No more programs are executed than allowed."""
    assert 7 >= reduce(*failing, sketches.NoTailOffset, most=7).executions


def test_each_smaller_program_is_told(sketches, failing):
    """Each smaller program is told as soon as it is found, each smaller than the last."""
    sizes = []
    reduce(*failing, sketches.NoTailOffset, lambda p, _: sizes.append(p.size()))

    assert len(sizes) > 3
    assert sorted(sizes, reverse=True) == sizes


def test_passes_are_counted(sketches, failing):
    """Each pass runs once in each round; tries are executions, successes are told."""
    told = []
    result = reduce(*failing, sketches.NoTailOffset, lambda p, _: told.append(len(p.steps)))
    counts = result.passes.values()

    assert {pass_.__name__ for pass_ in PASSES} <= result.passes.keys()
    assert 2 <= result.passes["drop_steps"].calls
    # The program is executed once as it is.
    assert result.executions == 1 + sum(c.tries for c in counts)
    assert len(told) == 1 + sum(c.successes for c in counts)
    assert told[0] - told[-1] == sum(c.deletions for c in counts) > 0


class SlowlyWrong(Optimised):
    """Drops a pin too few of 40 pages and more, and spends operations on any."""

    def unpin_user_pages(self, pages, npages):
        for _ in range(10_000):
            self.memory.compound_head(pages[0])
        super().unpin_user_pages(pages, npages - (npages > 40))


def test_operations_are_counted(monkeypatch):
    """The operations of a candidate end a reduction, not only the number of pages."""
    most = 10_000
    monkeypatch.setattr("properties.reduce.reducer.MAX_VISITS", most)
    whole = program(
        'a = mapping("driver", orders=[0]*64)',
        "h1 = pin_user_pages(a[0:64])",
        "unpin_user_pages(h1[0:64])",
    )
    result = reduce(whole, judge(whole, SlowlyWrong()).worst, SlowlyWrong)

    assert most * OPERATIONS_PER_VISIT / 10_100 <= result.executions <= 13


class NeverDone(Optimised):
    """Does not end where it unpins pages of an order above 0."""

    ended = 0
    error: type[BaseException] = NoProgress

    def unpin_user_pages(self, pages, npages):
        if any(self.memory.compound_head(page) != page for page in pages):
            NeverDone.ended += 1
            raise self.error
        super().unpin_user_pages(pages, npages)


@pytest.fixture
def endless():
    """A failing program of NeverDone with more steps and pages than it needs."""
    return program(
        'a = mapping("driver", orders=[3, 3, 2, 2])',
        "h1 = pin_user_pages(a[0:24])",
        "h2 = pin_user_pages(a[0:24])",
        "unpin_user_page_range_dirty_lock(h2[0:1], make_dirty=True)",
        "unpin_user_pages(h1[0:24])",
    )


def test_steps_without_end_are_few(monkeypatch, endless):
    """Few programs are executed that a limit of operations ends: each takes some time."""
    monkeypatch.setattr("properties.reduce.reducer.VISITS_PER_HANG", MAX_VISITS // 3)
    found = judge(endless, NeverDone()).finding
    NeverDone.ended = 0
    result = reduce(endless, found, NeverDone, waits=1)

    assert "no_progress" == result.finding.what
    assert 3 <= NeverDone.ended <= 4
    assert not result.cut


def test_waits_are_few(monkeypatch, endless):
    """Of programs that are waited for in vain no more are executed than allowed; that is told."""
    monkeypatch.setattr(NeverDone, "error", Hang)
    found = judge(endless, NeverDone()).finding
    NeverDone.ended = 0
    result = reduce(endless, found, NeverDone, waits=3)
    proved = smallest(result, NeverDone)

    assert 3 == NeverDone.ended
    assert proved is result
    assert "not wholly reduced, as that takes long: headcount reduce goes on" == result.text()
    assert "smallest found" in reduce(endless, found, NeverDone).text()
