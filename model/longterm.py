# SPDX-License-Identifier: MIT

"""Moving pages out of the way of long-term pins (mm/gup.c): of the optimised model."""

from collections.abc import Sequence

from model.iterators import runs
from model.memory import Memory


def collect(memory: Memory, pages: Sequence[int]) -> tuple[int, list[int]]:
    """Number of runs in *pages* that must move, and the heads of those that were isolated.

    (``collect_longterm_unpinnable_folios()``)
    """
    collected = 0
    isolated = []
    for head, _ in runs(memory, pages):
        if not memory.is_longterm_pinnable(head):
            collected += 1
            if memory.isolate(head):
                isolated.append(head)
    memory.end_round()
    return collected, isolated


def migrate(memory: Memory, heads: Sequence[int]) -> bool:
    """Move each of *heads* that nothing but its mappings refers to; whether all were moved.

    (``migrate_longterm_unpinnable_folios()``)
    """
    stay = 0
    for head in heads:
        expected = memory.page_mapcount(head)
        if memory.attributes(head).migrates and memory.page_ref_count(head) == expected:
            memory.set_migrated(head)
        else:
            stay += 1
    return not stay
