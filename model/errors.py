# SPDX-License-Identifier: MIT

"""The error for invalid input, whose text is one line, and how it gets the name of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BadInput(ValueError):
    """A trace, a layout, a candidate or an option is invalid; the command's exit status is 2.

    The text is one line: file and line if known, what is wrong, and what to do if that is not
    obvious.
    """

    def __init__(self, reason: str, *, file: str = "", line: int = 0) -> None:
        self.reason = reason
        self.file = file
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        if not self.file:
            return f"line {self.line}: {self.reason}" if self.line else self.reason
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.reason}"

    def at(self, *, file: str = "", line: int = 0) -> BadInput:
        """The same error, with *file* and *line* added if it has none."""
        return BadInput(self.reason, file=self.file or file, line=self.line or line)


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Turn errors in the ``with`` block into a `BadInput` that names *path*."""
    try:
        yield
    except BadInput as err:
        raise err.at(file=str(path)) from None
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(path)) from None
