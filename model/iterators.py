# SPDX-License-Identifier: MIT

"""The two iterators of the series. They return runs: neighbouring pages of one head.

Each call returns one run as ``(head, number of pages)``. The caller adds that number, at
least 1, to *i* for the next call, until *i* is *npages*.
"""

from collections.abc import Iterator, Sequence

from model.memory import Memory


def compound_next(memory: Memory, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
    """The run at ``pages[i]``: adjacent entries with the same head (mm/gup.c, 5.13).

    A run may repeat pages and name tails in any sequence. An entry of another head, or
    NULL, ends the run; so entries of heads A, B and A again are three runs.
    """
    head = memory.compound_head(pages[i])
    return head, memory.end_of_run(head, pages, i + 1, npages) - i


def compound_range_next(memory: Memory, i: int, npages: int, page: int) -> tuple[int, int]:
    """The run at frame ``page + i``: to the end of its compound page or of the range (5.13).

    The first run may begin in a tail, the last one may end before its compound page does.
    """
    following = page + i
    head = memory.compound_head(following)
    nr = memory.compound_nr(head)
    return head, min(head + nr - following, npages - i)


def run_at(memory: Memory, i: int, pages: Sequence[int]) -> tuple[int, int]:
    """The run at ``pages[i]``, by `compound_range_next` if *pages* are contiguous frames."""
    if isinstance(pages, range) and pages.step == 1:
        return compound_range_next(memory, i, len(pages), pages[0])
    return compound_next(memory, i, len(pages), pages)


def runs(memory: Memory, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """All runs of *pages*, from the first on."""
    i = 0
    while i < len(pages):
        head, ntails = run_at(memory, i, pages)
        yield head, ntails
        i += ntails
