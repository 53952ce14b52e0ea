# SPDX-License-Identifier: MIT

"""Programs of few steps that pin the folios of a file in memory."""

from collections.abc import Sequence

from model.attributes import PLAIN, Attributes
from model.folios import UnpinFolios
from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.memfd import FILE_KINDS, MemfdPinFolios
from model.pagelist import joined, span
from model.step import Step
from model.steps import Unpin
from model.world import DropReferences, TakeReferences
from properties.judging.pins import COUNT_LIMIT
from properties.strategies.dice import Dice, among, one_in

#: What the pages of a file are: there, to be made, or to be moved.
IN_FILE = (
    PLAIN,
    *(Attributes(present=False),) * 2,
    *(Attributes(present=False, fault="retry"),) * 3,
    Attributes(present=False, fault="oom"),
    Attributes(present=False, fault="bus"),
    Attributes(movable=True),
    Attributes(movable=True, isolates="later"),
    Attributes(movable=True, migrates=False),
)

#: Numbers of folios: a look-up in the page cache gives up to 31, in older kernels 15.
NUMBERS = (2, 3, 4, 5, 16, 17, 33, 64)

#: At higher orders there are no more than this many.
FEW = 5
LARGE_ORDER = 4


def draw_file(dice: Dice, rows: Sequence[tuple[str, int]]) -> tuple[Mapping, list[Step]]:
    """A file, and steps that pin its folios and unpin them; one may have no room for a pin.

    :param rows: Kinds and orders, of which the candidate has all.
    """
    usable = [row for row in rows if row[0] in FILE_KINDS]
    kind, order = among(dice, usable or rows)
    number = among(dice, NUMBERS)
    sizes = [(order, min(number, FEW) if order > LARGE_ORDER else number)]
    if kind != "hugetlb" and (kind, 0) in usable and one_in(dice, 2):
        sizes.append((0, 1 + dice.randrange(3)))
    extents = placed(sizes, align_up(FIRST_PFN, order))
    mapping = Mapping("a", kind, extents, attributes=among(dice, IN_FILE) if usable else PLAIN)
    start = dice.randrange(1 << order)
    stop = start + 1 + dice.randrange(mapping.npages - start)
    pages = span("a", start, mapping.npages if one_in(dice, 2) else stop)
    most = dice.randrange(4) if one_in(dice, 2) else None
    steps: list[Step] = [MemfdPinFolios(handle="h1", pages=pages, max_folios=most)]
    if one_in(dice, 2):
        at = start + dice.randrange(len(pages))
        left = COUNT_LIMIT - 1 - mapping.refs - dice.randrange(2)
        full = TakeReferences(pages=span("a", at, at + 1), n=left)
        steps = [full, *steps, DropReferences(pages=full.pages, n=full.n)]
    whole = span("h1", 0, _folios(mapping, start, start + len(pages), most))
    if one_in(dice, 3):
        steps.append(MemfdPinFolios(handle="h2", pages=pages))
        whole = joined((whole, span("h2", 0, 1)))
    if len(whole):
        steps.append(UnpinFolios(pages=whole) if one_in(dice, 2) else Unpin(pages=whole))
    return mapping, steps


def _folios(mapping: Mapping, start: int, stop: int, most: int | None) -> int:
    """The number of folios that pages *start* to *stop* of *mapping* lie in, at most *most*."""
    found = 0
    for extent, offset in zip(mapping.extents, mapping.offsets, strict=True):
        first = max(start - offset, 0) >> extent.order
        last = (min(stop - offset, extent.count << extent.order) - 1) >> extent.order
        found += max(0, last - first + 1) if stop > offset else 0
    return found if most is None else min(found, most)
