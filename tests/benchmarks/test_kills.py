# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from attrs import evolve

from tests.benchmarks.kills import (
    COMMANDS,
    MARK,
    End,
    Place,
    announced,
    files,
    kills,
    listens,
    outlived,
    troubles,
)
from tests.helpers import HEADER

KEPT = "pincount-unpin_user_page_range_dirty_lock.trace"
#: A trace on which the candidate of ``reduce`` fails.
FAILS = (
    f'{HEADER}a = mapping("driver", orders=[2, 0])\n'
    "h1 = pin_user_pages(a[3:5])\n"
    "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
)


@pytest.fixture
def place(tmp_path):
    """A folder of the command ``reduce``, in which it has not run."""
    files(tmp_path)
    with Place(tmp_path, "reduce") as made:
        (made.made / ".headcount").mkdir()
        yield made


def test_kills(tmp_path):
    """Some kills leave nothing torn, nothing lost, nothing running and nothing stale."""
    files(tmp_path)
    found = [*kills(tmp_path, 1, range(2), ("reduce",))]

    assert [0, 1, 1] == [number for number, *_ in found]
    assert [] == [one for *_, bad in found for one in bad]


def test_run(place):
    """A command gets its signal after the delay, and is known not to have ended before."""
    end = place.run(1, number=signal.SIGKILL, delay=0)

    assert (-signal.SIGKILL, False) == (end.status, end.before)


@pytest.mark.slow("compiles trees, and kills every command")
@pytest.mark.parametrize("name", COMMANDS)
def test_kills_of_each(tmp_path, name):
    files(tmp_path)

    assert [] == [one for *_, bad in kills(tmp_path, 2, range(10), (name,)) for one in bad]


def test_whole(place):
    """A trace that fails as its name says is whole."""
    (place.made / ".headcount" / KEPT).write_text(FAILS)

    assert [] == [*place.wrong()]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (KEPT, FAILS[: FAILS.index("unpin")], "does not fail as its name says"),
        (KEPT, FAILS.replace("a[3:5]", "a[3 : 5]"), "is not as it was written"),
        ("refcount-x.trace", FAILS, "does not fail as its name says"),
    ],
)
def test_torn(place, name, text, said):
    """A trace without its end is torn, though it can be read."""
    (place.made / ".headcount" / name).write_text(text)

    assert said in "".join(place.wrong())


def test_stale(place):
    """Temporary files and locks are stale; traces, and what is in the cache, are not."""
    stale = [".headcount/.x-1-0123abcd.tmp", ".headcount/x.lock", "cache/tree/x.tmp", "tmp/x"]
    (place.made / "cache" / "tree").mkdir(parents=True)
    for name in (*stale, ".headcount/x.trace", "cache/tree/x.so"):
        (place.made / name).touch()

    assert [f"left behind: {name}" for name in stale] == [*place.stale()]


def test_torn_results(tmp_path):
    """Results of planted bugs can be read, unless there was no room for them."""
    with Place(tmp_path, "faults") as place:
        (place.made / "results").write_text('{"fault"')
        assert ["results of faults"] == [said[:17] for said in place.wrong()]
        place.full = True
        assert [] == [*place.wrong()]


FOUND = "DIVERGED at step 2 of 2\n"
SAVED = f"saved    .headcount/{KEPT}\n"
NOWHERE = "saved    nowhere: no room\n"


@pytest.mark.parametrize(
    ("changes", "end", "said"),
    [
        ({}, End(1, FOUND + SAVED, ""), ["nothing is kept", "saved, but not"]),
        ({}, End(-9, "", "found, reducing"), ["nothing is kept"]),
        ({"name": "replay"}, End(1, FOUND, ""), []),
        ({"full": True}, End(1, FOUND + NOWHERE, ""), []),
        ({"full": True}, End(-9, "", "found, reducing"), []),
        ({"full": True}, End(1, FOUND + SAVED, ""), ["saved, but not", "nothing is kept"]),
    ],
)
def test_lost(place, changes, end, said):
    """What was printed as found or saved is there."""
    for name, value in changes.items():
        setattr(place, name, value)
    made = place.made / ".headcount" / KEPT

    assert len(said) == len(found := [*announced(end, place)])
    assert all(map(str.startswith, found, said))
    made.write_text(FAILS)
    assert [] == [*announced(end, place)]


def test_troubles_of_files(place):
    """What is torn or lost is trouble, however the command ended."""
    (place.made / ".headcount" / "refcount-x.trace").write_text(FAILS)
    found = "\n".join(troubles(End(1, SAVED, "", before=True), 0, place))

    assert "does not fail as its name says" in found
    assert "saved, but not there" in found


def test_listens():
    """A process that handles SIGTERM is known by that; one that has ended is past its start."""
    former = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert not listens(os.getpid())
    signal.signal(signal.SIGTERM, lambda *_: None)
    assert listens(os.getpid())
    signal.signal(signal.SIGTERM, former)
    assert listens(1 << 30)


@pytest.mark.parametrize(
    ("number", "changes", "said"),
    [
        (signal.SIGINT, {"status": 130}, ""),
        (signal.SIGINT, {"status": -2}, "status -2 after SIGINT"),
        (signal.SIGINT, {"status": -2, "early": True}, ""),
        (signal.SIGTERM, {"status": 130, "took": 4.0}, "ends only 4.0 s after SIGTERM"),
        (signal.SIGTERM, {"status": 130, "err": "Traceback"}, "a traceback"),
        (signal.SIGTERM, {"status": 130, "err": "Exception ignored in"}, "a traceback"),
        (signal.SIGKILL, {"status": -9}, ""),
        (signal.SIGHUP, {"status": 0}, "status 0 after SIGHUP"),
        (signal.SIGHUP, {"status": 1, "before": True}, ""),
        (0, {"status": 0, "before": True}, "status 0"),
        (0, {"status": 2, "err": "one\ntwo\n", "before": True}, "no one line"),
    ],
)
def test_troubles(place, number, changes, said):
    """Each end is held against what the signal asks for."""
    found = "\n".join(troubles(evolve(End(0, "", ""), **changes), number, place))

    assert said in found
    assert bool(said) == bool(found)


def test_outlived(monkeypatch):
    """A process that is left is found by its environment."""
    monkeypatch.setattr("tests.benchmarks.kills.AFTER", 0.2)
    script = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={MARK: "test"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        assert outlived("test")
        process.kill()
    assert not outlived("test")
