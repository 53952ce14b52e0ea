# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from model.candidate import Unavailable
from model.errors import BadInput
from properties.candidates import load
from properties.importing import harmless
from properties.judging import watchdog
from tests.helpers import ROOT

SKETCH = """\
from model.optimised import Optimised


class Sketch(Optimised):
    def unpin_user_page(self, page):
        pass


"""
COMMAND = f"{sys.executable} -m properties verify --candidate sketch.py:Sketch --search soak"


@pytest.mark.parametrize(
    "code",
    [
        "import atexit, os; atexit.register(os._exit, 0)",
        "import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()",
        "import os; os.close(1); os.close(2)",
        "import sys; sys.stdout = sys.stderr = None",
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import os; os.fork()",
        "import signal; signal.setitimer(signal.ITIMER_REAL, 0.4)",
    ],
)
def test_import_with_effects(home, code):
    """Whatever importing a sketch does, it is told, once, that it is wrong."""
    (home / "sketch.py").write_text(SKETCH + code)
    done = subprocess.run(
        [*COMMAND.split(), "--seed", "1", "--rounds", "1", "--prove", "0"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert 1 == done.returncode
    assert 1 == done.stdout.count("DIVERGED")
    assert "Traceback" not in done.stderr


def test_harmless(capsys):
    """What is imported changes no signals and no clock that runs, and prints into no report."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
    handlers = [*map(signal.getsignal, numbers)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    signal.setitimer(signal.ITIMER_PROF, 3600)
    with harmless():
        print("imported")  # noqa: T201
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    left, _ = signal.setitimer(signal.ITIMER_PROF, 0)

    assert ("", "imported\n") == capsys.readouterr()
    assert handlers == [*map(signal.getsignal, numbers)]
    assert blocked == signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert left


def test_import_elsewhere(home):
    """A sketch that goes elsewhere when it is imported would have its traces kept there."""
    (home / "sketch.py").write_text(SKETCH + "import os; os.chdir('/')")
    with pytest.raises(
        BadInput, match=r"^sketch\.py:Sketch: importing it leaves the working folder"
    ):
        load("sketch.py:Sketch")


def test_import_error(home):
    """An exception is one line of bounded length, whatever it says."""
    (home / "sketch.py").write_text("raise ValueError('x' * 100_000)")
    with pytest.raises(BadInput) as raised:
        load("sketch.py:Sketch")

    assert len(str(raised.value)) < 300


def test_making_does_not_end(home, monkeypatch):
    """A candidate that waits when it is made again is told, and not waited for."""
    monkeypatch.setattr(watchdog, "STEP_SECONDS", 0.2)
    (home / "sketch.py").write_text(
        "import time\n"
        + SKETCH.replace(
            "    def", "    def __init__(self):\n        time.sleep(60 * len(made))\n\n    def"
        )
        + "made = []\n"
    )
    spec = load("sketch.py:Sketch")
    sys.modules["sketch"].made.append(1)

    with pytest.raises(Unavailable, match="making Sketch does not end"):
        spec.make()


def test_nothing_at_the_end(home, monkeypatch):
    """What an import wants done at the end is not done, but for modules of Python itself."""
    registered = []
    monkeypatch.setattr("atexit.register", lambda function, *_: registered.append(function))
    (home / "end.py").write_text(
        f"import atexit, os, weakref\n{SKETCH}atexit.register(os._exit, 0)\n"
        "weakref.finalize._registered_with_atexit = False\n"
        "weakref.finalize(Sketch, print)\n"
    )
    load("end.py:Sketch")

    assert ["_exitfunc"] == [function.__name__ for function in registered]
