# SPDX-License-Identifier: MIT

"""Programs of few steps about what page table entries map, and about long-term pins."""

from collections.abc import Sequence

from model.attributes import KINDS_OF, PLAIN, Attributes
from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.pagelist import PageList, joined, span
from model.semantics import PMD_ORDER
from model.step import Step
from model.steps import Pin, PinFast, Unpin
from model.world import DropReferences, TakeReferences
from properties.strategies.dice import Dice, among, one_in

#: Kinds and orders, of which the candidate has all.
Rows = Sequence[tuple[str, int]]

LONGTERM = ("FOLL_LONGTERM",)

#: What pages are that a long-term pin may have to move.
MOVABLE = (
    Attributes(movable=True),
    Attributes(movable=True),
    Attributes(movable=True, isolates="later"),
    Attributes(movable=True, migrates=False),
)


def draw_mapped(dice: Dice, rows: Rows, *, movable: bool) -> tuple[Mapping, list[Step]]:
    """A mapping, and steps of one of these forms; long-term pins only where pages are *movable*."""
    return (_longterm if one_in(dice, 2) and movable else _changes)(dice, rows)


def _changes(dice: Dice, rows: Rows) -> tuple[Mapping, list[Step]]:
    """Pins on the fast path around the end of what a PMD maps, where an entry changes."""
    kind, order = among(dice, [row for row in rows if row[1] >= PMD_ORDER] or rows)
    mapping = Mapping("a", kind, placed([(order, 2)], align_up(FIRST_PFN, order)))
    edge = (1 + dice.randrange(1 + (mapping.npages >> PMD_ORDER))) << PMD_ORDER
    start = max(0, min(edge, mapping.npages) - 1 - dice.randrange(4))
    pages = span("a", start, min(start + 2 + dice.randrange(6), mapping.npages))
    if one_in(dice, 4):
        pages = joined((pages, pages))
    return mapping, [PinFast(handle="h1", pages=pages, changed=dice.randrange(len(pages)))]


def _longterm(dice: Dice, rows: Rows) -> tuple[Mapping, list[Step]]:
    """Long-term pins, of which the first moves a page that the second need not move.

    Another holder may keep a page where it is; when it is gone, the page can be moved.
    """
    usable = [row for row in rows if row[0] in KINDS_OF["movable"]]
    kind, order = among(dice, usable or rows)
    attributes = among(dice, MOVABLE) if usable else PLAIN
    extents = placed([(order, 2 + dice.randrange(3))], align_up(FIRST_PFN, order))
    mapping = Mapping("a", kind, extents, attributes=attributes)
    several = joined(_page(dice, mapping) for _ in range(2 + dice.randrange(3)))
    steps: list[Step] = [Pin(handle="h1", pages=_page(dice, mapping), flags=LONGTERM)]
    if one_in(dice, 2):
        steps.append(Unpin(pages=span("h1", 0, 1)))
    if one_in(dice, 4):
        held = _page(dice, mapping)
        steps += [
            TakeReferences(pages=held),
            Pin(handle="h2", pages=several, flags=LONGTERM),
            DropReferences(pages=held),
        ]
    last = (PinFast if one_in(dice, 4) else Pin)(handle="h3", pages=several, flags=LONGTERM)
    return mapping, [*steps, last, Unpin(pages=span("h3", 0, len(several)))]


def _page(dice: Dice, mapping: Mapping) -> PageList:
    """One page of *mapping*."""
    page = dice.randrange(mapping.npages)
    return span("a", page, page + 1)
