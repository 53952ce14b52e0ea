# SPDX-License-Identifier: MIT

"""Lists of pages: stretches of mappings to pin, and what of handles to unpin."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from model.pagelist import Group, PageList, Slice, joined, span
from properties.strategies import among, one_in


if TYPE_CHECKING:
    from random import Random

    from model.mapping import Mapping
    from properties.ledger import Ledger

#: Most calls name few pages. Where there are many, every other names many, which
#: comes to about one call in twenty.
SHORT = (4, 4, 16, 64)
LONG = 1 << 17
ONE_LONG_IN = 2

#: So many pages of a handle are searched for the edge of a compound page.
SEARCHED = 64

#: A page stands in a row in one list no more often than this.
MOST_REPEATS = 1024


def draw_stretch(random: Random, mapping: Mapping, *, longest: int = LONG) -> PageList:
    """Neighbouring pages of *mapping*, begun near the edge of a compound page."""
    length = draw_length(random, min(mapping.npages, longest))
    extent = random.randrange(len(mapping.extents))
    order = mapping.extents[extent].order
    nth = random.randrange(mapping.extents[extent].count)
    start = mapping.offsets[extent] + (nth << order)
    if order:
        # A tail near the front, or near the end so that few pages cross over.
        tail = random.randrange(min(5, 1 << order))
        start += (1 << order) - tail if tail and one_in(random, 2) else tail
    start = min(start, mapping.npages - length)
    return span(mapping.name, start, start + length)


def draw_length(random: Random, most: int) -> int:
    """A number of pages, from 1 to *most*."""
    short = SHORT[-1]
    if most > short and one_in(random, ONE_LONG_IN):
        # Every power of two as often, or nearly all would be of the largest.
        powers = LONG.bit_length() - short.bit_length()
        longest = LONG >> random.randrange(powers)
        return short + 1 + random.randrange(min(most, longest) - short)
    return 1 + random.randrange(min(most, among(random, SHORT)))


def draw_pins(random: Random, ledger: Ledger) -> PageList:
    """Pages to pin: one stretch, now and then several, or one that is mapped twice."""
    stretch = draw_stretch(random, among(random, ledger.mappings))
    if not one_in(random, 4) or len(stretch) > 64:
        return stretch
    other = draw_stretch(random, among(random, ledger.mappings), longest=64)
    form = random.randrange(4)
    if form == 0:
        return joined([stretch, other])
    if form == 1:
        return joined([stretch, stretch])
    first, second = next(stretch.slices()), next(other.slices())
    if form == 2:
        times = draw_length(random, MOST_REPEATS)
        return PageList((Slice(first.name, first.indices[:1], times), second))
    return PageList((Group((first, second), 2),))


def draw_pieces(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Entries of one to three of *handles*: whole, part, reversed, repeated, interleaved."""
    pieces = [_piece(random, ledger, handles)]
    if one_in(random, 3):
        pieces.append(_piece(random, ledger, handles))
    if len(pieces) == 2 and one_in(random, 2):
        # A-B-A: runs of one head that another interrupts.
        a, b = (next(piece.slices()) for piece in pieces)
        if len(a) + len(b) <= 64:
            if one_in(random, 2):
                return PageList((Group((a, b), 2),))
            return joined([pieces[0], pieces[1], pieces[0]])
    return joined(pieces)


def _piece(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    name = handles[-1 - random.randrange(len(handles))]
    held = len(ledger.table[name])
    form = random.randrange(7)
    if form == 0 and (held <= SHORT[-1] or one_in(random, ONE_LONG_IN)):
        return span(name, 0, held)
    start = random.randrange(held)
    length = draw_length(random, held - start)
    indices = range(start, start + length)
    if form == 3:
        indices = indices[::-1]
    elif form == 4:
        indices = indices[::2]
    elif form == 5:
        times = among(random, (2, 4, 64, MOST_REPEATS))
        return PageList((Slice(name, indices[:1], 1 + random.randrange(times)),))
    elif form == 6 and length > 2:
        # As long as the range from its first to its last, but not that range.
        terms = (
            Slice(name, indices[:1]),
            Slice(name, indices[1:2], length - 2),
            Slice(name, indices[-1:]),
        )
        return PageList(terms)
    return PageList((Slice(name, indices),))


def releasable(ledger: Ledger, pages: PageList, what: str = "pins") -> PageList | None:
    """As much of *pages*, from the front, as the contract lets go; None if nothing."""
    most = ledger.releasable(pages.resolve(ledger.table), what)
    return pages.prefix(most) if most else None


def draw_held_page(random: Random, ledger: Ledger, heads: dict[int, None]) -> PageList | None:
    """Some page of one of *heads*, by its mapping."""
    if not heads:
        return None
    head = among(random, list(heads)[-8:])
    page = head + random.randrange(min(4, 1 << ledger.order(head)))
    return by_mapping(ledger, page)


def by_mapping(ledger: Ledger, page: int) -> PageList:
    """The frame *page*, named by its mapping."""
    for mapping in ledger.mappings:
        offset = mapping.offset(page)
        if offset is not None:
            return span(mapping.name, offset, offset + 1)
    msg = f"frame {page:#x} is in no mapping"
    raise LookupError(msg)


def draw_range(random: Random, ledger: Ledger, handles: list[str]) -> PageList | None:
    """Contiguous frames, all of which can be unpinned; begun in a tail where there is one."""
    across = _across(random, ledger, handles) if handles and one_in(random, 3) else None
    if across:
        pages = across
    elif handles and not one_in(random, 3):
        pages = _piece(random, ledger, handles)
    else:
        held = draw_held_page(random, ledger, ledger.pinned)
        if held is None:
            return None
        start = next(held.slices())
        (mapping,) = (m for m in ledger.mappings if m.name == start.name)
        first = start.indices[0]
        length = draw_length(random, mapping.npages - first)
        pages = span(mapping.name, first, first + length)
    frames = pages.resolve(ledger.table)
    if isinstance(frames, range) and frames.step == 1:
        follow = len(frames)
    else:
        follow = 1
        while follow < len(frames) and frames[follow] == frames[follow - 1] + 1:
            follow += 1
    return releasable(ledger, pages.prefix(follow))


def _across(random: Random, ledger: Ledger, handles: list[str]) -> PageList | None:
    """Pages of a handle on both sides of where one compound page ends and the next begins."""
    name = handles[-1 - random.randrange(len(handles))]
    frames = ledger.table[name][:SEARCHED]
    edges = [
        i
        for i, (a, b) in enumerate(pairwise(frames), start=1)
        if b == a + 1 and ledger.head(b) == b
    ]
    if not edges:
        return None
    edge = among(random, edges)
    start = max(0, edge - 1 - random.randrange(3))
    return span(name, start, min(len(frames), edge + 1 + random.randrange(4)))
