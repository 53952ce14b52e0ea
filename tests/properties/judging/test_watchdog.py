# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from model.memory import Memory
from model.semantics import SEMANTICS
from properties.judging.watchdog import PATIENCE, STEP_SECONDS, Hang, Watchdog, more_seconds


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    # Clocks that an earlier test started tick at the length of theirs.
    Watchdog.stop()
    monkeypatch.setattr("properties.judging.watchdog.STEP_SECONDS", 0.055)
    monkeypatch.setattr("properties.judging.watchdog.STEP_SECONDS_AGAIN", 0.025)
    monkeypatch.setattr("properties.judging.watchdog.TICK", 0.01)
    monkeypatch.setattr(Watchdog, "_hung", False)


@pytest.fixture
def _by_hand(monkeypatch):
    """No clock runs: `ticks` ticks.

    How much time the system charges to a process that is woken at each tick of
    a clock is its own business.
    """
    monkeypatch.setattr(Watchdog, "_ticking", True)
    monkeypatch.setattr(Watchdog, "_slept", classmethod(lambda cls: False))


def ticks(number):
    """How many ticks of the clock with signal *number* end a new step."""
    dog = Watchdog()
    dog.watch(1)
    for count in range(1, 1000):
        try:
            Watchdog._tick(number, None)
        except Hang:
            dog.rest()
            return count
    pytest.fail("never ended")


def spin():
    """Take far longer than allowed."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        pass
    return "ended by itself"


def test_barks():
    """What takes too long is ended."""
    dog = Watchdog()

    with pytest.raises(Hang):
        dog.watch(1)
        spin()
    dog.rest()


def test_except_exception_does_not_help():
    """A candidate that catches every exception is ended all the same."""
    dog = Watchdog()

    with pytest.raises(Hang):
        dog.watch(1)
        try:
            spin()
        except Exception:
            pytest.fail("swallowed")
    dog.rest()


def test_sleep_ends_too():
    """What only waits takes no processor time, and is ended by the clock on the wall."""
    dog = Watchdog()

    with pytest.raises(Hang):
        dog.watch(1)
        time.sleep(20)
    dog.rest()


@pytest.mark.usefixtures("_by_hand")
def test_patience(monkeypatch):
    """On the wall a step is given so many times the ticks it has of processor time."""
    processor = ticks(signal.SIGVTALRM)
    monkeypatch.setattr(Watchdog, "_hung", False)

    assert (processor - 1) * PATIENCE < ticks(signal.SIGALRM) <= processor * PATIENCE


@pytest.mark.parametrize("npages", [2, 64, 512, 5000])
def test_operations_end_first(npages):
    """Many pages are given the time of all operations that they may use, at 1 µs each."""
    memory = Memory(SEMANTICS["5.13"], ())
    memory.begin_step(npages)

    assert memory._allowed * 1e-6 < STEP_SECONDS + more_seconds(npages)


@pytest.mark.usefixtures("_by_hand")
def test_no_patience_asleep(monkeypatch):
    """What sleeps does not wait for a processor: it is given little more than what works."""
    monkeypatch.setattr(Watchdog, "_slept", classmethod(lambda cls: True))
    asleep = ticks(signal.SIGALRM)

    assert 7 < asleep <= 2 * 7


def test_knows_sleep():
    """Sleep is told from work by what the system counts: voluntary switches, and no time used."""
    Watchdog._slept()
    time.sleep(0.02)
    slept = Watchdog._slept()
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass

    assert slept
    assert not Watchdog._slept()


def test_busy_machine(monkeypatch):
    """What waits for a processor for some times its limit is let go on."""
    monkeypatch.setattr(Watchdog, "_slept", classmethod(lambda cls: False))
    dog = Watchdog()
    dog.watch(1)
    time.sleep(0.2)
    dog.rest()

    assert not Watchdog._hung


def test_rests():
    """What ends in time is left alone."""
    dog = Watchdog()
    dog.watch(1)
    dog.rest()

    time.sleep(0.1)


@pytest.mark.usefixtures("_by_hand")
def test_less_patient_the_second_time():
    """Once something hung, the shrinker need not wait as long again."""
    given = [ticks(signal.SIGVTALRM), ticks(signal.SIGVTALRM)]

    assert Watchdog._hung
    assert [7, 4] == given


def test_other_threads():
    """Outside the main thread there is no clock, and no error either."""
    results = []

    def work():
        dog = Watchdog()
        dog.watch(1)
        dog.rest()
        results.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert ["done"] == results


def test_clocks_stop():
    """When no step is watched any more the clocks stop by themselves."""
    dog = Watchdog()
    dog.watch(1)
    dog.rest()
    time.sleep(0.05)
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass

    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_VIRTUAL)


def test_timeout_of_others():
    """The clock of a test's timeout goes on, and its handler is the one that is called."""
    late = []
    before = signal.signal(signal.SIGALRM, lambda *_: late.append("late"))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        dog = Watchdog()
        dog.watch(1)
        dog.rest()
        Watchdog.stop()
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert ["late"] == late


def test_handler_of_others():
    """A handler that other code has set, for a timer it has not set yet, stays."""

    def handler(*_):
        pass

    before = signal.signal(signal.SIGALRM, handler)
    try:
        dog = Watchdog()
        dog.watch(1)
        dog.rest()

        assert handler is signal.getsignal(signal.SIGALRM)
    finally:
        Watchdog.stop()
        signal.signal(signal.SIGALRM, before)


def test_one_of_several():
    """Of several, it is the one whose step is under way that barks."""
    first, second = Watchdog(), Watchdog()
    second.watch(1)
    second.rest()

    with pytest.raises(Hang):
        first.watch(1)
        spin()
    first.rest()


def test_child():
    """A child of fork() has clocks of its own."""
    dog = Watchdog()
    dog.watch(1)
    child = os.fork()
    if child == 0:
        try:
            dog.watch(1)
            spin()
        except Hang:
            os._exit(3)
        os._exit(4)
    dog.rest()

    assert 3 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_end_of_process():
    """A process that ends right after a step does not end by the signal of a clock."""
    lines = (
        "from properties.judging import watchdog",
        "watchdog.TICK = 0.001",
        "watchdog.Watchdog().watch(1)",
        "import sys",
        "sys.exit(7)",
    )
    ended = [
        subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode
        for _ in range(5)
    ]

    assert [7] * 5 == ended


def test_signal_still_pending_at_exit():
    """A signal that is delivered after Python has removed its handlers ends no process."""
    lines = (
        "import atexit, signal, sys",
        "from properties.judging.watchdog import CLOCKS, Watchdog",
        "signals = set(CLOCKS.values())",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signals)",
        "Watchdog().watch(1)",
        "while signal.sigpending() != signals: pass",
        "atexit._run_exitfuncs()",
        "for number in signals: signal.signal(number, signal.SIG_DFL)",
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)",
        "sys.exit(7)",
    )

    assert 7 == subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode
