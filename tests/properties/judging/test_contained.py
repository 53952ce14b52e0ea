# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from model.candidate import Unavailable
from model.optimised import Optimised
from model.parse import parse_program
from properties.judging import contained, watchdog
from properties.judging.contained import Container
from properties.judging.judge import judge
from tests.misbehaving import ANSWERS, Allocates, EndsProcess, FailsLater

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


def test_goes_on(container):
    """After a crash the next program has a new process, with the same answer."""
    makes = container(EndsProcess)
    found = [judge(parse_program(TRACE), makes()).finding for _ in range(3)]

    assert [found[0]] * 3 == found
    assert "unpin_user_page ended its process, which exited with status 0" == found[0].summary
    assert 1 == found[0].index


def test_agrees_with_uncontained(container):
    """A snapshot is the same from another process."""
    makes = container(Optimised)
    program = parse_program(TRACE)
    for ours, theirs in zip(Optimised().execute(program), makes().execute(program), strict=True):
        assert ours == theirs
    candidate = makes()
    [*candidate.execute(program)]

    assert 0 < candidate.operations


def test_killed_from_outside(container, tmp_path):
    """What somebody else kills is carried out again, and agrees."""

    class Waits(Optimised):
        def unpin_user_page(self, page):
            super().unpin_user_page(page)
            if page % 2 == 0 and not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGTERM)

    flag = tmp_path / "flag"

    assert "agrees" == judge(parse_program(TRACE), container(Waits)()).kind
    assert flag.exists()


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


def test_memory_of_our_own(container):
    """Memory that ran out in a step is the candidate's finding, with its limit."""
    finding = judge(parse_program(TRACE), container(Allocates)()).finding

    assert "MemoryError" in finding.summary


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
