# SPDX-License-Identifier: MIT

"""Commands that are interrupted, killed, or have nowhere to print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import SKETCHES, run

WRONG = ("--candidate", f"{SKETCHES}:NoTailOffset")


def started(*arguments, **settings):
    """The command ``headcount`` with *arguments*, in the background."""

    def usual():
        # A shell that runs the tests in the background has it ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "properties", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=usual,  # noqa: PLW1509 - this process has one thread
        **settings,
    )


def children(pid):
    """The processes that the process *pid* has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


def family(process, most=60.0):
    """The children of *process*, as soon as it has any that have begun to work."""
    until = time.monotonic() + most
    while time.monotonic() < until:
        found = children(process.pid)
        if found:
            return found
        time.sleep(0.01)
    pytest.fail("no process was started")


def lives(pid):
    """Whether the process *pid* is there, and no mere zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pids, most=20.0):
    """Whether all of *pids* end."""
    until = time.monotonic() + most
    while time.monotonic() < until:
        if not any(map(lives, pids)):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_search(home, number):
    """An interrupt ends a search with what has run, its seed and 130, and leaves nothing."""
    process = started("verify", "--seconds", 600, "--seed", 5, "--search", "soak")
    workers = family(process)
    time.sleep(1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert out.startswith("interrupted: there is no verdict, and this much ran\nsearched ")
    assert "\nrepeat   headcount verify --search soak --seed 5 --rounds " in out
    assert "Traceback" not in err
    assert gone(workers)


def test_interrupted_code_from_a_string():
    """Python would end by SIGINT, which is not what was asked for."""
    script = (
        "from properties.cli.console import reported\n"
        "def command(): exec('raise KeyboardInterrupt')\n"
        "reported(command)()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)

    assert 130 == done.returncode
    assert b"headcount: interrupted; failures found so far are saved\n" == done.stderr


def test_interrupted_proof(home):
    """An interrupt of the proof leaves the counterexample, which was printed before."""
    process = started("verify", *WRONG, "--seed", 6, "--rounds", 4, "--prove", 10**9)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("found by"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert any(line.startswith("DIVERGED at step ") for line in lines)
    assert process.returncode in {130, 1}  # 1: the proof was faster
    assert "Traceback" not in err
    assert "smallest" in out


def test_killed_run_keeps_its_finding(home):
    """What was found is on disk before it is reduced."""
    process = started("verify", *WRONG, "--seed", 6, "--search", "soak")
    until = time.monotonic() + 60
    while not [*Path(".headcount").glob("*.trace")] and time.monotonic() < until:
        time.sleep(0.001)
    workers = children(process.pid)
    process.kill()
    process.communicate()
    (kept, *_) = Path(".headcount").glob("*.trace")

    assert 1 == run("replay", kept, *WRONG).exit_code
    assert gone(workers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_outlives_its_parent(home, number):
    """However the command ends, its processes end."""
    process = started("verify", "--seconds", 600, "--search", "soak")
    workers = family(process)
    process.send_signal(number)
    process.communicate()

    assert gone(workers)


def test_killed_process(home):
    """A process of the search that somebody kills is no bug of the candidate."""
    process = started("verify", "--seconds", 600, "--search", "soak", "--jobs", 2)
    os.kill(family(process)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=60)

    assert 2 == process.returncode
    assert err.startswith("headcount: a process of the search was killed by SIGKILL, and not by a ")
    assert "" == out
    assert not Path(".headcount").exists()


def test_killed_process_of_a_sketch(home):
    """Of a candidate of one's own the round is repeated; that is told, and no bug."""
    sketch = ("--candidate", f"{SKETCHES}:Regroups")
    process = started("verify", *sketch, "--rounds", 30, "--search", "soak", "--jobs", 1)
    assert process.stdout.readline().startswith("sketch ")
    os.kill(family(process)[0], signal.SIGKILL)
    out, _ = process.communicate(timeout=120)

    assert process.returncode in {0, 3}
    assert "\nended    round " in out
    assert "ended its process, which was killed by SIGKILL\n" in out
