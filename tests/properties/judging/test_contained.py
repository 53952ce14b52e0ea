# SPDX-License-Identifier: MIT

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest

from model.candidate import Unavailable
from model.optimised import Optimised
from model.parse import parse_program
from properties.judging import contained, watchdog
from properties.judging.contained import Contained, Container
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.judge import judge
from tests.helpers import program
from tests.misbehaving import ANSWERS, ClosesAll, EndsProcess, FailsLater, SleepsForever

TRACE = """\
# headcount 1
semantics("5.13")
a = mapping("driver", orders=[0, 1])
h1 = pin_user_pages(a[0:2])
unpin_user_page(h1[0:1])
unpin_user_page(h1[1:2])
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Steps have little time, and processes little memory."""
    for module in (contained, watchdog):
        monkeypatch.setattr(module, "STEP_SECONDS", 0.2)
        monkeypatch.setattr(module, "STEP_SECONDS_AGAIN", 0.2)
    monkeypatch.setattr("properties.processes.forked.GRACE", 0.2)
    monkeypatch.setattr("properties.processes.forked.ASLEEP", 0.5)
    monkeypatch.setattr("properties.processes.forked.CLOSED_TRIES", 50)


@pytest.fixture
def container():
    """Makes containers, whose processes end with the test."""
    made = []

    def make(candidate):
        made.append(Container(candidate, 200 << 20))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("candidate", "what"), ANSWERS.items(), ids=lambda one: getattr(one, "__name__", one)
)
def test_answers(container, candidate, what, capfd):
    """Whatever a candidate does becomes a finding, or nothing; this process lives on."""
    here = Path.cwd()
    makes = container(candidate)
    finding = judge(parse_program(TRACE), makes()).worst

    assert what == (finding.what if finding else ""), finding
    assert 0 == FailsLater.made
    assert here == Path.cwd()
    assert "" == capfd.readouterr().out


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (EndsProcess, "unpin_user_page ended its process, which exited with status 0"),
        (SleepsForever, "unpin_user_page does not return"),
    ],
)
def test_goes_on(container, candidate, said):
    """After such a step the next program has a new process, with the same answer."""
    makes = container(candidate)
    found = [judge(parse_program(TRACE), makes()).finding for _ in range(3)]

    assert [found[0]] * 3 == found
    assert said == found[0].summary
    assert 1 == found[0].index
    # Who runs such a candidate next in a process of its own would wait once more.
    assert makes.needed


def test_agrees_with_uncontained(container):
    """A snapshot is the same from another process."""
    makes = container(Optimised)
    steps = parse_program(TRACE)
    for ours, theirs in zip(Optimised().execute(steps), makes().execute(steps), strict=True):
        assert ours == theirs
    candidate = makes()
    [*candidate.execute(steps)]

    assert 0 < candidate.operations


def test_journal(container, sketches):
    """Of a step that ended in the middle the finding is the same from another process."""
    steps = program(
        'a = mapping("driver", orders=[2])',
        "h1 = pin_user_pages(a[0:4])",
        "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=False)",
    )
    found = [
        judge(steps, make()).finding for make in (sketches.RunOfZero, container(sketches.RunOfZero))
    ]

    assert found[0] == found[1]
    assert found[0].puts


def test_closes_all_and_loops(container):
    """A process that has closed its channel and does not end is ended."""

    class Loops(ClosesAll):
        def unpin_user_page(self, page):
            super().unpin_user_page(page)
            sum(itertools.repeat(0))

    assert "killed" == judge(parse_program(TRACE), container(Loops)()).finding.what


def test_close(container):
    """A container that is closed has no process."""
    makes = container(Optimised)
    makes()
    process = makes._process
    makes.close()

    assert "was killed by SIGKILL" == process.ended


@pytest.mark.parametrize(
    ("number", "when", "what", "times"),
    [
        (signal.SIGTERM, {1}, "", 3),
        (signal.SIGHUP, {1}, "", 3),
        (signal.SIGTERM, {2, 3}, "killed", 3),
        (signal.SIGSEGV, {1}, "killed", 1),
    ],
)
def test_killed_from_outside(container, tmp_path, number, when, what, times):
    """What somebody else may have killed is carried out again, once, as far as it came."""

    class Killed(Optimised):
        def unpin_user_page(self, page):
            with calls.open("a") as file:
                file.write("x")
            if calls.stat().st_size in when:
                os.kill(os.getpid(), number)
            super().unpin_user_page(page)

    calls = tmp_path / "calls"
    finding = judge(parse_program(TRACE), container(Killed)()).worst

    assert what == (finding.what if finding else "")
    assert times == calls.stat().st_size


def test_two_in_turn(container):
    """A program that another one interrupted cannot go on as if nothing were."""
    makes = container(Optimised)
    first, second = makes().execute(parse_program(TRACE)), makes().execute(parse_program(TRACE))
    next(first)
    next(second)

    with pytest.raises(RuntimeError, match="another program"):
        next(first)


def test_cannot_be_made(container):
    """A candidate that cannot be made any more is no finding: one line says so."""
    made = []

    def make():
        made.append(1)
        if len(made) > 1:
            raise Unavailable("cannot be made any more")
        return Optimised()

    with pytest.raises(Unavailable, match="any more"):
        judge(parse_program(TRACE), container(make)())
    with pytest.raises(Unavailable, match="candidate exited with status 3"):
        container(lambda: os._exit(3))()


def test_memory_of_our_own(container):
    """Memory beyond the limit of the container is the candidate's finding."""

    class Takes(Optimised):
        def unpin_user_page(self, page):
            bytearray(1 << 30)
            super().unpin_user_page(page)

    finding = judge(parse_program(TRACE), container(Takes)()).finding

    assert "raised_MemoryError" == finding.what


@pytest.mark.parametrize("name", ["NoSuchClass", "function.<locals>.NoSuchClass"])
def test_cannot_be_sent(container, name):
    """Numbers of a class that another process does not find are told, in one line."""
    number = type("NoSuchClass", (int,), {"__qualname__": name})

    class Puts(Optimised):
        def put_compound_head(self, head, refs):
            super().put_compound_head(head, number(refs))

    finding = judge(parse_program(TRACE), container(Puts)()).finding

    assert "no_snapshot" == finding.what
    assert "NoSuchClass" in finding.summary


def test_forked_processes_do_not_share(container):
    """A process forked from one that has a container starts a process of its own."""
    makes = container(Optimised)
    assert "agrees" == judge(parse_program(TRACE), makes()).kind
    pid = os.fork()
    if not pid:
        kind = judge(parse_program(TRACE), makes()).kind
        makes.close()
        os._exit(0 if kind == "agrees" else 1)

    assert 0 == os.waitpid(pid, 0)[1]
    assert "agrees" == judge(parse_program(TRACE), makes()).kind


@pytest.mark.parametrize(
    ("steps", "npages"),
    [
        ("h1 = pin_user_pages(a[0:3])\nunpin_user_page(h1[1:2])\n", 1),
        ("m1 = ib_umem_get(a[0:3])\nib_umem_release(m1)\n", 3),
    ],
    ids=["one page", "a region"],
)
def test_time_of_a_step(container, monkeypatch, steps, npages):
    """A step has the time of the pages that it names; if it names none, of those named before."""
    real = Guarded.step

    def told(self, step, npages):
        if isinstance(self._candidate, Contained) or step.binds_handle or step.binds_umem:
            return real(self, step, npages)
        return NoSnapshot("pages", f"{npages} pages")

    monkeypatch.setattr(Guarded, "step", told)
    text = '# headcount 1\nsemantics("5.13")\na = mapping("driver", orders=[0, 1])\n'
    finding = judge(parse_program(text + steps), container(Optimised)()).finding

    assert f"{npages} pages" == finding.summary
