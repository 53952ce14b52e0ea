# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from model import contents as module
from model.contents import contents, expanded
from model.errors import BadInput

MIB = 1 << 20


@pytest.fixture
def pipe(tmp_path):
    """A named pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def refused(path, most=MIB):
    with pytest.raises(BadInput) as caught:
        contents(path, most, "a patch")
    return str(caught.value)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB])
def test_file(tmp_path, size):
    """A file is read whole, up to the bound."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)

    assert b"x" * size == contents(path, MIB, "a patch")


def test_expanded(monkeypatch):
    """A home directory that is not known is part of the name."""
    monkeypatch.setenv("HOME", "/home/me")

    assert "/home/me/a" == str(expanded("~/a"))
    assert "~nobody-of-this-name/a" == str(expanded("~nobody-of-this-name/a"))


def test_large_file(tmp_path):
    """A file beyond the bound is refused, with the bound."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * (2 * MIB + 1))

    assert f"{path}: has more than 2 MiB, the most that a patch may have" == refused(path, 2 * MIB)


def test_no_file(tmp_path):
    """What is no file is not opened."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))

        assert f"{path}: is a socket, not a file" == refused(path)
    assert "/dev/zero: is a device, not a file" == refused(Path("/dev/zero"))
    assert f"{tmp_path}: is a directory, not a file" == refused(tmp_path)
    assert f"{tmp_path}/b: No such file or directory" == refused(tmp_path / "b")


def test_pipe(pipe):
    """A pipe is read until nothing has it open for writing, over any number of reads."""
    text = b"x" * (MIB // 2)
    writer = threading.Thread(target=pipe.write_bytes, args=[text])
    writer.start()

    assert text == contents(pipe, MIB, "a patch")
    writer.join()


def test_process_substitution():
    """What a shell makes of <(...) can be read, and what comes late too."""
    done = subprocess.run(
        [
            *("bash", "-c", 'python -c "$0" <(echo a; sleep 0.2; echo b)'),
            (
                "import sys; from pathlib import Path; from model.contents import contents;"
                "print(contents(Path(sys.argv[1]), 1 << 20, 'a patch'))"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "b'a\\nb\\n'\n" == done.stdout


def test_pipe_that_is_too_large(pipe):
    """A pipe without end is read up to the bound, and closed."""
    opened = {*Path("/proc/self/fd").iterdir()}
    with subprocess.Popen(["bash", "-c", 'cat /dev/zero >"$0"', pipe], stderr=-3) as writer:
        said = refused(pipe)
        writer.kill()

    assert "has more than 1 MiB" in said
    assert opened >= {*Path("/proc/self/fd").iterdir()}


def test_pipe_that_nothing_writes_to(pipe, monkeypatch):
    """A pipe that nothing has open is given up, as is one whose writer is silent."""
    monkeypatch.setattr(module, "OPENED", 0.01)
    monkeypatch.setattr(module, "WRITTEN", 0.02)

    assert f"{pipe}: is a pipe to which nothing writes" == refused(pipe)

    holder = os.open(pipe, os.O_RDWR)
    assert f"{pipe}: is a pipe to which nothing was written for 0.02 s" == refused(pipe)
    os.close(holder)


def test_pipe_that_ends_late(pipe, monkeypatch):
    """A pipe whose writer was silent for a while before the end was read whole."""
    monkeypatch.setattr(module, "OPENED", 0.01)
    holder = os.open(pipe, os.O_RDWR)
    os.write(holder, b"a")
    late = threading.Timer(0.2, os.close, [holder])
    late.start()

    assert b"a" == contents(pipe, MIB, "a patch")
    late.join()
