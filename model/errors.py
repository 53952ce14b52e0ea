# SPDX-License-Identifier: MIT

"""What a person did wrong, in one line."""

from __future__ import annotations


class BadInput(ValueError):
    """A trace, a layout, a candidate or an option that cannot be used.

    Its text is one line: where (file and line, if there is one), what is
    wrong, and what to do where that is not plain. The command prints it and
    exits with status 2.
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
        """The same complaint, with the place filled in where it was open."""
        return BadInput(self.reason, file=self.file or file, line=self.line or line)
