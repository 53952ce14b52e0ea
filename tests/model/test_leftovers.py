# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.leftovers import MARKED, OLD, _numbering, marked, sweep, temporary

#: What `marked` puts into the names of all processes of this boot and container, and another one.
HERE = MARKED.search(marked("x"))[2]
ELSEWHERE = f"{(int(HERE, 16) + 1) % (1 << 32):08x}"


def ended():
    """The number of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_left_behind(tmp_path):
    """What a process left that has ended goes, file or directory; all else stays."""
    dead, huge = ended(), 10**30
    stay = [
        marked("mine"),
        "plain.tmp",
        f"x-{dead}-{HERE}-0123abcd",
        f"x-y-{HERE}-0123abcd.tmp",
        f"x-{dead}-{HERE}-0123abcd.tmp.trace",
        "a.trace",
    ]
    stay.append(f"x-1-{HERE}-0123abcd.tmp")  # process 1 is always there
    go = [f".a-b-{dead}-{HERE}-0123abcd.tmp", f"x-{huge}-{HERE}-0123abcd.tmp"]
    for name in (*stay, *go):
        (tmp_path / name).touch()
    (tmp_path / f"made-{dead}-{HERE}-0123abcd.tmp").mkdir()
    (tmp_path / f"made-{dead}-{HERE}-0123abcd.tmp" / "file").touch()
    (tmp_path / f"link-{dead}-{HERE}-0123abcd.tmp").symlink_to(tmp_path)
    sweep(tmp_path)

    assert sorted(stay) == sorted(path.name for path in tmp_path.iterdir())


def test_marked(tmp_path):
    """What a process marks gets a name of its own, which is known when the process has ended."""
    code = "from model.leftovers import marked; print(marked('x'), marked('x'))"
    names = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    for name in names:
        (tmp_path / name).touch()
    sweep(tmp_path)

    assert 2 == len({*names})
    assert not list(tmp_path.iterdir())


def test_somebody_elses(tmp_path, monkeypatch):
    """Processes of others may be at work."""

    def refused(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    (tmp_path / f"x-7-{HERE}-0123abcd.tmp").touch()
    sweep(tmp_path)

    assert (tmp_path / f"x-7-{HERE}-0123abcd.tmp").exists()


@pytest.mark.parametrize(("seconds", "stays"), [(OLD / 2, True), (2 * OLD, False)])
def test_of_another_container(tmp_path, seconds, stays):
    """Numbers of processes of another container say nothing here: what is old goes."""
    path = tmp_path / f"x-{ended()}-{ELSEWHERE}-0123abcd.tmp"
    path.touch()
    os.utime(path, (0, path.stat().st_mtime - seconds))
    sweep(tmp_path)

    assert path.exists() is stays


def test_swept_by_two(tmp_path, monkeypatch):
    """What another process removes meanwhile keeps nothing else from going."""
    gone, old = (tmp_path / f"{name}-1-{ELSEWHERE}-0123abcd.tmp" for name in "xy")
    old.touch()
    os.utime(old, (0, 0))
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([gone, old]))
    sweep(tmp_path)

    assert not old.exists()


@pytest.mark.parametrize(
    ("method", "other"),
    [("read_text", "another boot"), ("stat", SimpleNamespace(st_ino=-1))],
)
def test_numbering(monkeypatch, method, other):
    """After another boot, and in another container, numbers of processes are others."""
    monkeypatch.setattr(Path, method, lambda *_, **__: other)
    _numbering.cache_clear()
    name = marked("x")
    _numbering.cache_clear()

    assert HERE != MARKED.search(name)[2]


def test_numbering_unknown(monkeypatch):
    """Where the system tells neither boot nor container, there is one numbering."""
    monkeypatch.setattr(Path, "stat", lambda _: (_ for _ in ()).throw(FileNotFoundError))
    _numbering.cache_clear()
    name = marked("x")
    _numbering.cache_clear()

    assert "0" * 8 == MARKED.search(name)[2]


def test_nowhere(tmp_path):
    """Where there is no directory, nothing is left, and a temporary one can be made."""
    sweep(tmp_path / "nowhere")
    with temporary(tmp_path / "nowhere" / "deep") as place:
        assert place.is_dir()


def test_temporary(tmp_path):
    """A temporary directory goes at the end, however that comes, and takes old ones along."""
    (tmp_path / f"made-{ended()}-{HERE}-0123abcd.tmp").mkdir()
    with pytest.raises(KeyError), temporary(tmp_path) as place:
        assert [place] == list(tmp_path.iterdir())
        (place / "file").touch()
        raise KeyError

    assert not list(tmp_path.iterdir())
