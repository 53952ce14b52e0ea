# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from model.candidate import Unavailable
from model.errors import BadInput
from properties.processes import alone as module
from properties.processes.alone import Died, Interrupted, alone, survived
from tests.helpers import gone


def test_result():
    """The result comes back, and what the task tells before."""
    heard = []

    def task(tell):
        tell("half")
        return os.getpid()

    assert os.getpid() != alone(task, heard.append)
    assert ["half"] == heard


def test_died():
    """A process that ends is told."""
    with pytest.raises(Died, match="exited with status 3"):
        alone(lambda _tell: os._exit(3))


def test_interrupted():
    """A task is ended if somebody asks for it."""
    pids = []

    def task(tell):
        tell(os.getpid())
        time.sleep(60)

    with pytest.raises(Interrupted):
        alone(task, pids.append, interrupted=lambda: bool(pids))

    assert gone(pids[0])


def test_memory():
    """Memory is limited, beside what there was."""
    limit, hard = alone(lambda _tell: resource.getrlimit(resource.RLIMIT_AS), memory=300 << 20)
    free = alone(lambda _tell: resource.getrlimit(resource.RLIMIT_AS), memory=None)

    assert 300 << 20 < limit
    assert resource.getrlimit(resource.RLIMIT_AS) == free
    assert hard == free[1]


def test_prints(capfd):
    """What is printed to standard output goes to standard error."""

    def task(_tell):
        print("text", flush=True)  # noqa: T201
        os.write(1, b"bytes\n")

    alone(task)
    out, err = capfd.readouterr()

    assert "" == out
    assert {"text", "bytes"} == set(err.split())


def refuse(error):
    """Raise *error*."""
    raise error


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (lambda: os._exit(0), "x ends the process, which exited with status 0"),
        (lambda: os.kill(os.getpid(), 9), "x ends the process, which was killed by SIGKILL"),
        (lambda: refuse(BadInput("no good")), "no good"),
        (lambda: refuse(Unavailable("no host")), "no host"),
        (lambda: refuse(KeyboardInterrupt()), "x raises KeyboardInterrupt"),
        (lambda: refuse(GeneratorExit()), "x raises GeneratorExit"),
    ],
)
def test_survived(task, said):
    """What does not survive is bad input, in one line."""
    with pytest.raises(BadInput) as raised:
        survived(task, "x")

    assert said == str(raised.value)


def test_survived_quietly(capfd):
    """What is printed on trial is printed by the second time only."""
    survived(lambda: [os.write(file, b"text") for file in (1, 2)], "x")

    assert ("", "") == capfd.readouterr()


def test_survived_in_time(monkeypatch):
    """What does not end in time is bad input."""
    monkeypatch.setattr(module, "IMPORT_SECONDS", 0.2)

    with pytest.raises(BadInput, match=r"^x takes more than 0\.2 s$"):
        survived(lambda: time.sleep(60), "x")


def test_no_privileges():
    """What a process starts gains no privileges."""
    status = alone(lambda _tell: Path("/proc/self/status").read_text())

    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nNoNewPrivs:\t0\n" in Path("/proc/self/status").read_text()
