# SPDX-License-Identifier: MIT

from __future__ import annotations

import threading
import time

import pytest

from properties.watchdog import PATIENCE, Hang, Watchdog


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr("properties.watchdog.LIMIT", 0.05)
    monkeypatch.setattr("properties.watchdog.LIMIT_AGAIN", 0.02)
    monkeypatch.setattr(Watchdog, "_hung", False)


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
    """What only waits takes no processor time, and is ended by the clock, later."""
    dog = Watchdog()
    started = time.monotonic()

    with pytest.raises(Hang):
        dog.watch(1)
        time.sleep(20)
    dog.rest()

    assert 0.05 * PATIENCE <= time.monotonic() - started


def test_busy_machine():
    """What waits for a processor for some times its limit is let go on."""
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


def test_less_patient_the_second_time():
    """Once something hung, the shrinker need not wait as long again."""
    dog = Watchdog()
    with pytest.raises(Hang):
        dog.watch(1)
        spin()
    started = time.monotonic()
    with pytest.raises(Hang):
        dog.watch(1)
        spin()
    dog.rest()

    assert Watchdog._hung
    assert time.monotonic() - started < 2


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
