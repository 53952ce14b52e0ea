# SPDX-License-Identifier: MIT

"""What a pass of the reducer is: a function that makes proposals for a program."""

from collections.abc import Generator, Iterable
from typing import Protocol

from model.program import Program

#: Yields proposals, and is sent the accepted program for each, or None.
Proposals = Generator[Program, Program | None, None]


class Pass(Protocol):
    """A function that makes proposals for a program."""

    __name__: str

    def __call__(self, program: Program, /) -> Proposals:
        """Yield proposals for *program*."""


def first_accepted(
    proposals: Iterable[Program],
) -> Generator[Program, Program | None, Program | None]:
    """Yield *proposals* until one is accepted; return the accepted program, or None."""
    for proposal in proposals:
        answer = yield proposal
        if answer:
            return answer
    return None
