# SPDX-License-Identifier: MIT

"""The page map: the positions of a list or range in its compound pages.

    a    |0---1---2---3---|4---5---6---7---|
    range     ^^^^^^^^^^^^^^^^^

For a list that is not a rising range, the second line has each entry's position in the list.
The positions of NULL stand in a line of their own, and so do the attributes of a mapping.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise

from model.attributes import PLAIN
from model.mapping import Mapping
from model.pagelist import NULL, NULL_NAME
from properties.judging.ledger import Ledger

#: Maximum width of a map, in columns.
WIDTH = 96

#: A list of at most this many pages is drawn whole; of a longer list only the ends are drawn.
MAX_LIST_DRAWN = 4096

#: Maximum number of pages drawn of one mapping; the others are shown as "...".
MAX_PAGES_DRAWN = 20


def page_map(ledger: Ledger, pages: Sequence[int], label: str = "list") -> list[str]:
    """The lines that show the positions of *pages*, two for each mapping and one for NULL.

    :param pages: Frames, in the order in which the call gets them.
    :param label: The label of the second line; "list" becomes "range" for contiguous frames.
    """
    rising = _rises(pages)
    ends: Sequence[int] = range(len(pages))
    if len(pages) > MAX_LIST_DRAWN:
        # The list has too many pages to draw them all.
        ends = [*range(MAX_PAGES_DRAWN), *range(len(pages) - MAX_PAGES_DRAWN, len(pages))]
    lines = []
    for mapping in ledger.mappings:
        found: dict[int, list[int]] = {}
        for position in ends:
            offset = mapping.offset(pages[position])
            if offset is not None:
                found.setdefault(offset, []).append(position)
        if found:
            name = "range" if rising and label == "list" else label
            lines += _draw(ledger, mapping, found, name, rising)
            if mapping.attributes != PLAIN:
                width = max(len(mapping.name), len(name)) + 2
                lines.append(f"{mapping.name:{width}}{mapping.attributes.text()}"[:WIDTH])
    absent = [position for position in ends if pages[position] == NULL]
    if absent:
        width = max(len(NULL_NAME), len(label)) + 3
        lines.append(f"{NULL_NAME:{width}}{_positions(absent)}")
    return lines


def _positions(positions: Sequence[int]) -> str:
    """The first of *positions*, joined by ``+``; another ``+`` at the end stands for the others."""
    return "+".join(map(str, positions[:3])) + "+" * (len(positions) > 3)


def _rises(pages: Sequence[int]) -> bool:
    if isinstance(pages, range):
        return pages.step == 1 or len(pages) < 2
    return all(b == a + 1 for a, b in pairwise(pages))


def _draw(
    ledger: Ledger, mapping: Mapping, found: dict[int, list[int]], label: str, rising: bool
) -> list[str]:
    def begins(offset: int) -> bool:
        return ledger.head(mapping.pages[offset]) == mapping.pages[offset]

    shown = _shown(ledger, mapping, sorted(found))
    first, last = min(found), max(found)
    cell = max(4, len(str(shown[-1])) + 1)
    if rising:
        marks = {offset: "^" * cell for offset in shown if first <= offset <= last}
    else:
        marks = {offset: _positions(places) for offset, places in found.items()}
        cell = max(cell, *(len(mark) + 1 for mark in marks.values()))
    top = under = ""
    before = -1
    for offset in shown:
        gap = "" if offset == before + 1 else "..."
        gap += "|" if begins(offset) else ""
        top += gap + str(offset).ljust(cell, "-")
        inside = "^" if rising and first < offset <= last else " "
        under += inside * len(gap) + marks.get(offset, "").ljust(cell)
        before = offset
    if before + 1 == mapping.npages:
        top += "|"
    else:
        top += "|..." if begins(before + 1) else "..."
    width = max(len(mapping.name), len(label)) + 2
    lines = (f"{mapping.name:{width}}{top}", f"{label:{width}}{under}")
    return [line[:WIDTH].rstrip() for line in lines]


def _shown(ledger: Ledger, mapping: Mapping, offsets: list[int]) -> list[int]:
    """The offsets to draw: *offsets*, their neighbours, and the ends of their compound pages.

    If these are more than MAX_PAGES_DRAWN, only those around the first and the last of *offsets*.
    """
    wanted: set[int] = set()
    for offset in offsets:
        head = mapping.offset(ledger.head(mapping.pages[offset]))
        size = 1 << ledger.order(mapping.pages[offset])
        wanted |= {offset - 1, offset, offset + 1}
        if head is not None:
            whole = range(head, head + size)
            wanted |= set(whole) if size <= 8 else {head, head + size - 1}
    if len(wanted) > MAX_PAGES_DRAWN:
        first, last = offsets[0], offsets[-1]
        wanted = {*range(first - 1, first + 4), *range(last - 3, last + 2)}
        for offset in (first, last):
            head = mapping.offset(ledger.head(mapping.pages[offset]))
            wanted.add(offset if head is None else head)
    return sorted(o for o in wanted if 0 <= o < mapping.npages)


def runs_in_words(runs: Sequence[tuple[str, int]]) -> str:
    """*runs*, each a head and its entries, in words: ``2 runs: 3 of a+0, 1 of a+4``."""
    return f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}: {in_words(runs)}"


def in_words(counts: Sequence[tuple[str, int]]) -> str:
    """*counts* as ``3 of a+0, 1 of a+4 (2 times)``; a long list ends in ``and 5 more``."""
    parts = []
    for (name, n), group in groupby(counts):
        times = sum(1 for _ in group)
        parts.append(f"{n} of {name}" + (f" ({times} times)" if times > 1 else ""))
    if len(parts) > 6:
        parts = [*parts[:5], f"and {len(parts) - 5} more"]
    return ", ".join(parts)
