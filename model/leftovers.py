# SPDX-License-Identifier: MIT

"""Temporary files and directories, named after the process that writes them.

What a process left behind that was killed in the middle is known by its name, and removed.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

#: The end of a name that `marked` made.
MARKED = re.compile(r"-(\d+)-[0-9a-f]{8}\.tmp$")


def marked(name: str) -> str:
    """*name* with this process's number, for a file or directory that it will rename."""
    return f"{name}-{os.getpid()}-{token_hex(4)}.tmp"


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
        left = [path for path in place.iterdir() if _left(path.name)]
    except OSError:
        return
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _left(name: str) -> bool:
    """Whether *name* is that of a temporary file whose process has ended."""
    found = MARKED.search(name)
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's process
        pass
    return False
