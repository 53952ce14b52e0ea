# SPDX-License-Identifier: MIT

"""The store of failing programs: one file for each signature, replaced only by a smaller program.

A program is written as soon as it fails, so that a killed run loses nothing. The files belong
to the user: one is overwritten only if the program in it fails in the same way on the same
candidate and is larger.
"""

import errno
import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from attrs import evolve

from model.candidate import Candidate
from model.errors import BadInput
from model.parse import read_program
from model.program import Program
from properties.judging.finding import Finding
from properties.judging.judge import judge


DIRECTORY = Path(".headcount")


class Store:
    """The traces in one directory on which one candidate fails.

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
        self._kept: dict[str, tuple[Path, Program]] = {}
        self._written: dict[Path, bytes] = {}
        #: Why a program could not be written; empty if all could.
        self.trouble = ""

    def keep(self, program: Program, finding: Finding) -> Path:
        """Write *program* to its signature's file, unless that has a smaller one; its path."""
        signature = finding.signature
        # Read the file each time, because another run may have written a smaller program.
        path, smallest = self._kept[signature] = self._slot(signature, program)
        if not path.exists() or program.size() < smallest.size():
            comments = (" ".join(finding.summary.split()), *self._comments)
            text = evolve(program, comments=comments).text()
            try:
                write(path, text)
                self._kept[signature] = (path, program)
                self._written[path] = text.encode()
            except OSError as err:
                # A finding whose program cannot be written is still reported.
                self.trouble = f"nowhere: {path}: {err.strerror or err}"
        return path

    def path(self, signature: str) -> Path | None:
        """The file for *signature*; None if no program was kept for it."""
        found = self._kept.get(signature)
        return found[0] if found else None

    def _slot(self, signature: str, program: Program) -> tuple[Path, Program]:
        """The file for *program*, and the smallest program known for it.

        It is the first file that does not exist, or whose trace fails on this candidate with
        the same signature. Traces of other bugs are skipped.
        """
        for number in count(1):
            suffix = f"-{number}" if number > 1 else ""
            path = self._directory / f"{signature}{suffix}.trace"
            if not path.exists():
                return path, program
            known = self._kept.get(signature)
            if (
                known
                and known[0] == path
                and known[1].semantics == program.semantics
                and self._as_written(path)
            ):
                return known
            try:
                stored = read_program(path)
                if stored.semantics != program.semantics:
                    continue
                if known and known[0] == path and known[1].steps == stored.steps:
                    return known
                found = judge(stored, self._candidate()).worst
            except BadInput:
                continue
            if found is not None and found.signature == signature:
                return path, stored
        raise AssertionError  # count() does not end

    def _as_written(self, path: Path) -> bool:
        """Whether *path* still holds what this store wrote.

        This saves parsing: 10^5 steps take seconds, and the reducer keeps fifty programs.
        """
        try:
            return path.read_bytes() == self._written.get(path)
        except OSError:
            return False


def write(path: Path, text: str) -> None:
    """Write *text* to *path* atomically: a reader sees the old file or the new one.

    :raises OSError: if it cannot be written, or *path* is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
