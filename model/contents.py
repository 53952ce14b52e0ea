# SPDX-License-Identifier: MIT

"""Reads a user's files: no more of each than a bound, and nothing that would never end.

A pipe is read as a file is, so that ``<(git show)`` and ``/dev/stdin`` can be a patch or a trace.
"""

import os
import select
import stat
from pathlib import Path

from model.errors import BadInput, about

#: Bytes that one read asks for.
CHUNK = 1 << 20

#: Seconds within which something must have opened a pipe to write to it, and within which it must
#: write: a command that writes a patch may take its time.
OPENED, WRITTEN = 5, 60

#: What can be opened, but is neither a file nor a pipe.
OTHERS = {
    stat.S_IFDIR: "is a directory, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
}


def expanded(name: str) -> Path:
    """The path *name*, with the home directory in place of ``~`` if that is known."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def contents(path: Path, most: int, what: str) -> bytes:
    """The bytes of the file or pipe at *path*.

    :param most: Maximum number of bytes, a whole number of MiB.
    :param what: What it is read as, for the message: ``a trace``.
    :raises BadInput: if it cannot be read, is larger or no file, or if nothing writes to the pipe.
    """
    with about(path):
        # Not opened yet: opening a device may do something.
        other = OTHERS.get(stat.S_IFMT(path.stat().st_mode))
        if other:
            raise BadInput(other)
        # Without O_NONBLOCK, opening a pipe would wait for something that writes to it.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            data = bytearray()
            if found.st_size <= most:
                while len(data) <= most and (chunk := _chunk(file, most + 1 - len(data))):
                    data += chunk
        finally:
            os.close(file)
        if max(found.st_size, len(data)) > most:
            raise BadInput(f"has more than {most >> 20} MiB, the most that {what} may have")
        return bytes(data)


def _chunk(file: int, most: int) -> bytes:
    """The next bytes of the open *file*, at most *most*; none at its end."""
    ready = select.poll()
    ready.register(file, select.POLLIN)
    for seconds in (OPENED, WRITTEN):
        told = ready.poll(seconds * 1000)
        try:
            chunk = os.read(file, min(CHUNK, most))
        except BlockingIOError:
            continue
        if not chunk and not told:
            raise BadInput("is a pipe to which nothing writes")
        return chunk
    raise BadInput(f"is a pipe to which nothing was written for {WRITTEN} s")
