# SPDX-License-Identifier: MIT

"""The store of failing programs: one file for each signature, replaced only by a smaller program.

A program is written as soon as it fails, so that nothing is lost if headcount is killed. The
files belong to the user: one is overwritten only if the program in it fails in the same way on
the same candidate and is larger.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from attrs import evolve

from model.candidate import Candidate
from model.contents import contents
from model.errors import BadInput
from model.leftovers import marked, sweep
from model.parse import MAX_BYTES, read_program
from model.program import Program
from model.semantics import Semantics
from properties.judging.finding import Finding
from properties.judging.judge import judge
from properties.reports.visible import visible

DIRECTORY = Path(".headcount")


class Store:
    """A directory that keeps the programs on which one candidate fails, as traces.

    :param comments: Comment lines at the top of each file, such as the command that found it.
    """

    def __init__(
        self,
        candidate: Callable[[], Candidate],
        comments: tuple[str, ...] = (),
        directory: Path = DIRECTORY,
    ) -> None:
        self._candidate = candidate
        self._comments = comments
        self._directory = directory
        self._more: dict[str, tuple[str, ...]] = {}
        sweep(directory)
        self._seen: dict[Path, tuple[bytes, Program]] = {}
        #: Why a program could not be written; empty if all could.
        self.trouble = ""

    def keep(self, program: Program, finding: Finding, *more: str) -> Path:
        """Keep *program* in its signature's file unless a smaller one is there; return the path.

        :param more: Words for the end of the last comment, such as the round in which it was found.
            They are also for later programs with the same signature that come without.
        """
        signature = finding.signature
        more = self._more[signature] = more or self._more.get(signature, ())
        *first, last = (" ".join(finding.summary.split()), *self._comments)
        comments = tuple(map(visible, (*first, " ".join((last, *more)))))
        text = evolve(program, comments=comments).text()
        while True:
            path, before, smallest = self._slot(signature, program.semantics)
            if smallest is not None and not program.size() < smallest.size():
                return path
            try:
                with locked(path.parent):
                    if _content(path) != before:
                        continue  # another process has just written it
                    write(path, text)
                self._seen[path] = (text.encode(), program)
            except OSError as err:
                # A finding whose program cannot be written is still reported.
                self.trouble = f"nowhere: {path}: {err.strerror or err}"
            return path

    def _slot(
        self, signature: str, semantics: Semantics
    ) -> tuple[Path, bytes | None, Program | None]:
        """The file for *signature*, its content, and its program; None if it does not exist.

        It is the first of SIGNATURE.trace, SIGNATURE-2.trace, ... that does not exist, or whose
        trace fails on this candidate with the same signature.
        """
        for number in count(1):
            suffix = f"-{number}" if number > 1 else ""
            path = self._directory / f"{signature}{suffix}.trace"
            if not path.exists():
                return path, None, None
            if not path.is_file():  # nothing waits for a pipe
                continue
            try:
                stored = self._stored(path, signature, semantics)
            except (BadInput, OSError):
                continue
            if stored is not None:
                return path, self._seen[path][0], stored
        raise AssertionError  # count() does not end

    def _stored(self, path: Path, signature: str, semantics: Semantics) -> Program | None:
        """The program in *path*, if it has *semantics* and fails with *signature*."""
        content = contents(path, MAX_BYTES, "a trace")
        seen = self._seen.get(path)
        if seen and seen[0] == content:
            # No other process has changed the file, so its program is known. Parsing 10^5 steps
            # would take seconds, and the reducer stores fifty programs.
            return seen[1] if seen[1].semantics == semantics else None
        program = read_program(path)
        if program.semantics != semantics:
            return None
        found = judge(program, self._candidate()).worst
        if found is None or found.signature != signature:
            return None
        self._seen[path] = (content, program)
        return program


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes from the ``with`` block for *directory*, where the system can do so."""
    with ExitStack() as stack:
        with suppress(OSError):  # where nothing can be written, or locks are unknown
            directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(directory, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _content(path: Path) -> bytes | None:
    """What is in *path*; None if it does not exist, nothing if it can be no trace."""
    try:
        return contents(path, MAX_BYTES, "a trace") if path.exists() else None
    except BadInput:
        return b""


def write(path: Path, text: str) -> None:
    """Write *text* to *path* atomically: a reader sees the old file or the new one.

    :raises OSError: if it cannot be written, or *path* is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if path.parent.exists() and not path.parent.is_dir():
        said = f"{path.parent} is a file, not a directory: move it away"
        raise OSError(errno.ENOTDIR, said, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(marked(f".{path.stem[:40]}"))
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
