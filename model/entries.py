# SPDX-License-Identifier: MIT

"""What page table entries map, and what pins meet at them: of the optimised model."""

from collections.abc import Sequence

from model.attributes import PLAIN
from model.iterators import runs
from model.memory import Memory
from model.semantics import PMD_ORDER, PUD_ORDER
from model.step import FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE

#: The error of a fault that fails, by `model.attributes.Attributes.fault`.
FAILED = {"bus": -14, "oom": -12}


def mapped_together(memory: Memory, pages: Sequence[int], position: int) -> tuple[int, int]:
    """The positions (start, stop) of *pages* that the entry of ``pages[position]`` maps."""
    _, start, stop = entry_of(memory, pages, position)
    return start, stop


def entry_of(memory: Memory, pages: Sequence[int], position: int) -> tuple[int, int, int]:
    """The order of the entry of ``pages[position]``, and the positions (start, stop) that it maps.

    The pages are mapped one after another, the first at an address that is its frame modulo the
    pages of a PUD. A PUD or PMD maps neighbours that lie in it as in their compound page.
    """
    page, first = pages[position], pages[0]
    if memory.huge_entry(page):
        order = min(memory.compound_order(page), memory.attributes(page).largest)
        for level in (PUD_ORDER, PMD_ORDER):
            if order < level or (first + position - page) % (1 << level):
                continue
            at = (first + position) & -1 << level
            start, stop = max(at - first, 0), min(at + (1 << level) - first, len(pages))
            mapped = pages[start:stop]
            neighbours = range(page - position + start, page - position + stop)
            if mapped == (neighbours if isinstance(mapped, range) else [*neighbours]):
                return level, start, stop
    return 0, position, position + 1


def refused(memory: Memory, pages: Sequence[int], gup_flags: int) -> tuple[int, int]:
    """The position of the first of *pages* that the slow path is refused, and its -errno.

    A page that is not mapped ends the walk by itself: the length of *pages*, and 0.
    """
    position = 0
    for head, ntails in runs(memory, pages):
        if not memory.page_mapped(head):
            break
        attributes = memory.attributes(head)
        error = FAILED.get(attributes.fault, FAILED["bus"] if attributes.gone else 0)
        if gup_flags & FOLL_WRITE and not attributes.writable:
            error = FAILED["bus"]
        if error:
            return position, error
        position += ntails
    return len(pages), 0


def fast_allowed(memory: Memory, head: int, gup_flags: int) -> bool:
    """Whether the fast path may pin pages of *head*, by what their page table entries are."""
    attributes = memory.attributes(head)
    if attributes is PLAIN:
        return True
    if attributes.protnone or not attributes.present:
        return False
    return not gup_flags & FOLL_WRITE or (attributes.writable and not attributes.shared)


def must_unshare(memory: Memory, head: int, gup_flags: int) -> bool:
    """Whether the fast path leaves what it grabbed of *head*: ``gup_must_unshare()``."""
    attributes = memory.attributes(head)
    if attributes is PLAIN or not gup_flags & FOLL_PIN or gup_flags & FOLL_WRITE:
        return False
    if memory.page_anon(head):
        return attributes.shared
    reads = memory.semantics.reads_apart and gup_flags & FOLL_LONGTERM
    return bool(reads) and not attributes.writable


def not_cached(memory: Memory, folio: int) -> int:
    """The -errno if *folio* is not in the page cache and cannot be put there, else 0.

    A new folio comes from where a long-term pin may keep it; one that somebody else has put there
    meanwhile ("retry") may not.
    """
    attributes = memory.attributes(folio)
    if attributes.present or attributes.fault == "retry":
        return 0
    if attributes.fault:
        return FAILED["oom"]
    memory.set_migrated(folio)
    return 0
