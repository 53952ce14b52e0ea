# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT

COMMAND = f"{sys.executable} -m properties"
SKETCH = """\
from model.optimised import Optimised


class Größe(Optimised):
    def unpin_user_page(self, page):
        pass
"""


def shell(command, **settings):
    """The result of *command*, in a shell."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, env=env
    )


def test_closed_error(home):
    """With standard error closed a run prints its verdict all the same."""
    done = shell(f"{COMMAND} verify --search soak --rounds 2 --seed 1 2>&-")

    assert 0 == done.returncode
    assert done.stdout.startswith("agreed ")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams(home, closed):
    """Without a standard stream the exit status is the verdict."""
    done = shell(f"{COMMAND} verify --search soak --rounds 2 --seed 1 {closed}")

    assert 0 == done.returncode
    assert "" == done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", ["--help", "--version", "verify --help", "faults --list"])
def test_full_disk(home, words):
    """Where nothing can be printed one line says so."""
    done = shell(f"{COMMAND} {words} > /dev/full")

    assert 2 == done.returncode
    assert "headcount: cannot print: No space left on device\n" == done.stderr


def test_no_folder(tmp_path):
    """In a folder that was deleted one line says what to do."""
    done = shell(f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir ../gone; {COMMAND} --help")

    assert 2 == done.returncode
    assert "headcount: the working folder is gone: go to another one\n" == done.stderr


def test_ascii_terminal(home):
    """A name that the terminal cannot show is written in its place."""
    (home / "sketch.py").write_text(SKETCH, encoding="utf-8")
    words = "verify --candidate sketch.py:Größe --search soak --seed 1 --rounds 2"
    done = shell(f"{COMMAND} {words}", PYTHONIOENCODING="ascii", PYTHONUTF8="1")

    assert 1 == done.returncode
    assert "sketch.py:Gr\\xf6\\xdfe" in done.stdout
    assert "" == done.stderr


def test_interrupted_at_once(home):
    """An interrupt while modules are imported is no traceback, whenever it comes."""
    for delay in (0.05, 0.1, 0.15, 0.2, 0.3):
        process = subprocess.Popen(
            [*COMMAND.split(), "verify", "--seconds", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

        # Before headcount's first line the interpreter itself says what it likes.
        assert "properties" not in err, err


def test_interrupted_before_the_first_line(tmp_path):
    """An interrupt while Python finds headcount's first module is one line."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        "        if name == 'properties.start':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    done = shell(f"{COMMAND} --help", PYTHONPATH=f"{tmp_path}:{ROOT}")

    assert (130, "headcount: interrupted\n") == (done.returncode, done.stderr)
