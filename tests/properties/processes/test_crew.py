# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
import time

import pytest

from model.candidate import Unavailable
from properties.judging.watchdog import Watchdog
from properties.processes import crew
from properties.processes.crew import HANGS, Crew, Here
from properties.processes.forked import Crashed


def work(task, tell):
    """Do what the task says."""
    if task == "raise":
        raise ValueError("a mistake of headcount's own")
    if task == "unavailable":
        raise Unavailable("no such host")
    if task == "exit":
        os._exit(7)
    if task == "hang":
        Watchdog().watch(1)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        while True:
            pass
    if task == "stopped":
        Watchdog().watch(1)
        os.kill(os.getpid(), signal.SIGSTOP)
    if task == "long":
        for _ in range(3000):
            tell("still")
            time.sleep(0.01)
    if task == "memory":
        bytearray(1 << 30)
    tell(f"begun {task}")
    return os.getpid(), task


@pytest.fixture
def heard():
    """What was heard."""
    return []


@pytest.fixture
def two(heard):
    """A crew of two."""
    with Crew(work, heard.append, 2, memory=500 << 20) as made:
        yield made


def carried_out(made, *tasks):
    """Give *tasks* one after the other, and hear until all have ended."""
    left = [*tasks]
    until = time.monotonic() + 60
    while (left or made.tasks) and time.monotonic() < until:
        while left and made.room:
            made.give(left.pop(0))
        made.hear()
    assert not made.tasks


def test_dropped_while_heard():
    """A task that has ended is dropped, as another ended at the same instant: it is not heard."""
    heard = []

    def hears(one):
        heard.append(one.task)
        for task in {"a", "b"} - {one.task}:
            made.drop(task)

    with Crew(lambda task, _tell: task, hears, 2) as made:
        made.give("a")
        made.give("b")
        for process in made._busy:
            assert process.channel.poll(60)
        made.hear()

        assert 1 == len(heard)
        assert not made.tasks


def test_tasks(two, heard):
    """Each task is carried out once, by one of two processes, which tell and answer."""
    carried_out(two, *"abcde")
    done = {one.news[1]: one.news[0] for one in heard if one.done}
    news = [one.news for one in heard if not one.done]

    assert {*"abcde"} == set(done)
    assert 1 <= len(set(done.values())) <= 2
    assert sorted(f"begun {task}" for task in "abcde") == sorted(news)


def test_fresh(two, heard):
    """A fresh process has had no task before."""
    carried_out(two, "a")
    (former,) = two._idle
    two.give("b", fresh=True)
    carried_out(two)
    first, second = (one.news[0] for one in heard if one.done)

    assert first != second
    assert "was killed by SIGKILL" == former.ended


def test_ends(two, heard):
    """A process that ends is told, and the next task has a new one."""
    carried_out(two, "exit", "a", "memory", "b")
    died = {one.task: one.died for one in heard if one.died}

    assert {"exit": "exited with status 7", "memory": "exited with status 1"} == died
    assert {"a", "b"} == {one.task for one in heard if one.done}


def test_hangs(two, heard, monkeypatch):
    """A step that does not return ends its process, though nothing can be raised in it."""
    monkeypatch.setattr(crew, "STEP_SECONDS", 0.1)
    monkeypatch.setattr("properties.processes.forked.GRACE", 0.1)
    two.give("hang")
    (process,) = two._busy
    carried_out(two)

    assert [HANGS] == [one.died for one in heard]
    assert "was killed by SIGKILL" == process.ended


def test_waits(two, heard, monkeypatch):
    """A crew waits for a step that takes long, before it ends that."""
    monkeypatch.setattr(crew, "LONG", 0.0)
    monkeypatch.setattr(crew, "STEP_SECONDS", 20)
    two.give("hang")
    assert not two.waits
    while two.tasks and not two.waits:
        two.hear()

    assert two.waits
    assert [] == heard


def test_stopped(two, heard, monkeypatch):
    """A step that stops its process does not return from it."""
    monkeypatch.setattr("properties.processes.forked.ASLEEP", 0.5)
    carried_out(two, "stopped")

    assert [HANGS] == [one.died for one in heard]


def test_unwatched(heard, monkeypatch):
    """If the candidate watches its own steps nothing is ended."""
    monkeypatch.setattr(crew, "STEP_SECONDS", -10)
    with Crew(work, heard.append, 1, watched=False) as made:
        made.give("hang")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            made.hear()

    assert [] == heard


@pytest.mark.parametrize(
    ("task", "error", "said"),
    [("raise", Crashed, "mistake of headcount's own"), ("unavailable", Unavailable, "no such")],
)
def test_errors(two, task, error, said):
    """An error of headcount's own, or of the host, is raised here."""
    with pytest.raises(error, match=said):
        carried_out(two, task)


def test_stops(two, heard):
    """A task that tells is asked to stop, and what it told is heard."""
    two.give("long")
    two.hear()
    two.stop(10)

    assert not two.tasks
    assert "still" == heard[0].news
    assert "exited with status 0" == heard[-1].died


def test_stop_ends(two, heard):
    """A task that does not tell anything is ended."""
    two.give("hang")
    (process,) = two._busy
    two.stop(0.1)

    assert not two.tasks
    assert [] == heard
    assert "was killed by SIGKILL" == process.ended


def test_drop(two, heard):
    """A task that is not wanted any more is ended, and nothing is heard of it."""
    two.give("long")
    (process,) = two._busy
    two.give("hang")
    two.drop("long")
    two.drop(None)
    two.hear()

    assert ["hang"] == two.tasks
    assert [] == heard
    assert "was killed by SIGKILL" == process.ended


def test_end(heard):
    """With the crew its processes end, with a task or without."""
    with Crew(work, heard.append, 2) as made:
        carried_out(made, "a", "b")
        made.give("hang")
        processes = [*made._idle, *made._busy]

    assert ["was killed by SIGKILL"] * 2 == [process.ended for process in processes]


def test_here(heard):
    """Tasks of candidates that cannot leave the process are carried out in it."""
    with Here(work, heard.append, lambda: len(heard) > 3) as made:
        carried_out(made, "a")
        made.give("long")
        made.stop(0)
        made.drop("long")

    assert (os.getpid(), "a") == heard[1].news
    assert ["still"] * 2 == [one.news for one in heard[2:]]
