# SPDX-License-Identifier: MIT

"""The types of the reducer's passes and of their proposals, which are smaller programs."""

from collections.abc import Generator, Iterable
from typing import Protocol

from model.program import Program

#: A generator of programs; after each it is sent the program that the reducer accepted, or None.
Proposals = Generator[Program, Program | None, None]


class Pass(Protocol):
    """A function that proposes smaller programs, made from a failing one, that may fail too."""

    __name__: str

    def __call__(self, program: Program, /) -> Proposals:
        """Yield proposals: programs made from *program* that are smaller and may fail too."""


def first_accepted(
    proposals: Iterable[Program],
) -> Generator[Program, Program | None, Program | None]:
    """Yield *proposals* until the reducer accepts one; return what it accepted, or None."""
    for proposal in proposals:
        answer = yield proposal
        if answer:
            return answer
    return None
