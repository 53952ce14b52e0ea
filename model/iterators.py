# SPDX-License-Identifier: MIT

"""The two iterators of the series: runs of pages that share a head.

Both give one run at a time, ``(head, ntails)``, where the next begins *ntails*
later. Every run has at least one page, and all of them together *npages*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.pagelist import NULL


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.memory import Memory


def compound_next(memory: Memory, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
    """The run of ``pages[i]``: adjacent entries of one head (mm/gup.c, 5.13).

    Entries count, not distinct pages: repeats and any order of tails belong to
    one run, and an entry of another head ends it, as does NULL. A-B-A gives three
    runs.
    """
    head = memory.compound_head(pages[i])
    nr = i + 1
    while nr < npages and pages[nr] != NULL and memory.compound_head(pages[nr]) == head:
        nr += 1
    return head, nr - i


def compound_range_next(memory: Memory, i: int, npages: int, page: int) -> tuple[int, int]:
    """The run of frame ``page + i``: what is left of its compound page (5.13).

    The first run may begin in a tail, the last may stop short of the end.
    """
    following = page + i
    head = memory.compound_head(following)
    nr = memory.compound_nr(head)
    return head, min(head + nr - following, npages - i)
