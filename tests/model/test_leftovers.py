# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from model.leftovers import marked, sweep, temporary


def ended():
    """The number of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def test_left_behind(tmp_path):
    """What a process left that has ended goes, file or directory; all else stays."""
    dead, huge = ended(), 10**30
    stay = [marked("mine"), "plain.tmp", f"x-{dead}-0123abcd", "x-y-0123abcd.tmp", "a.trace"]
    stay.append("x-1-0123abcd.tmp")  # process 1 is always there
    go = [f".a-b-{dead}-0123abcd.tmp", f"x-{huge}-0123abcd.tmp"]
    for name in (*stay, *go):
        (tmp_path / name).touch()
    (tmp_path / f"made-{dead}-0123abcd.tmp").mkdir()
    (tmp_path / f"made-{dead}-0123abcd.tmp" / "file").touch()
    (tmp_path / f"link-{dead}-0123abcd.tmp").symlink_to(tmp_path)
    sweep(tmp_path)

    assert sorted(stay) == sorted(path.name for path in tmp_path.iterdir())


def test_somebody_elses(tmp_path, monkeypatch):
    """Processes of others may be at work."""

    def refused(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    (tmp_path / "x-7-0123abcd.tmp").touch()
    sweep(tmp_path)

    assert (tmp_path / "x-7-0123abcd.tmp").exists()


def test_nowhere(tmp_path):
    """Where there is no directory, nothing is left."""
    sweep(tmp_path / "nowhere")


def test_temporary(tmp_path):
    """A temporary directory goes at the end, however that comes, and takes old ones along."""
    (tmp_path / f"made-{ended()}-0123abcd.tmp").mkdir()
    with pytest.raises(KeyError), temporary(tmp_path) as place:
        assert [place] == list(tmp_path.iterdir())
        (place / "file").touch()
        raise KeyError

    assert not list(tmp_path.iterdir())
