# SPDX-License-Identifier: MIT

"""Temporary files and directories, named after the process that writes them.

What a process left behind that was killed in the middle is known by its name, and removed. Of
processes of another container, or from before the last boot, nobody here can tell whether they
have ended: what they left is removed once it is old.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex

#: The end of a name that `marked` made: the process, where its number counts, and a random part.
MARKED = re.compile(r"-(\d+)-([0-9a-f]{8})-[0-9a-f]{8}\.tmp$")

#: Seconds after which what cannot be known to be in use is removed: a week.
OLD = 7 * 24 * 3600


def marked(name: str) -> str:
    """*name* with this process's number, for a file or directory that it will rename."""
    return f"{name}-{os.getpid()}-{_numbering()}-{token_hex(4)}.tmp"


@cache
def _numbering() -> str:
    """Names the processes among which this one's number is its own: one boot, one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return "0" * 8
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:8]


@contextmanager
def temporary(place: Path) -> Iterator[Path]:
    """A new directory in *place*, from which what is to stay is moved; old leavings go too."""
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    made = place / marked("made")
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(place: Path) -> None:
    """Remove what processes that have ended left behind in the directory *place*."""
    try:
        left = [path for path in place.iterdir() if _left(path)]
    except OSError:
        return
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _left(path: Path) -> bool:
    """Whether *path* is temporary, and its process has ended or, if nobody can know, it is old."""
    found = MARKED.search(path.name)
    if found is None:
        return False
    if found[2] != _numbering():
        with suppress(OSError):
            return time.time() - path.lstat().st_mtime > OLD
        return False
    try:
        os.kill(int(found[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's process
        pass
    return False
