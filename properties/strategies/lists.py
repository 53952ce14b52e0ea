# SPDX-License-Identifier: MIT

"""Lists of pages: stretches of mappings to pin, and what of handles to unpin."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from model.pagelist import Group, PageList, Slice, joined, span
from properties.strategies import among, one_in


if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from model.mapping import Mapping
    from properties.judging.ledger import Ledger

#: Most calls name few pages. Where there are many, every other names many, which
#: comes to about one call in twenty.
SHORT = (4, 4, 16, 64)
LONG = 1 << 16
ONE_LONG_IN = 2

#: Long lists are often as long as one of so many powers of two, up to 2^15 pages.
EDGES = 9

#: So many compound pages of a handle are searched for where they begin and end.
SEARCHED = 16

#: A page stands in a row in one list no more often than this.
MOST_REPEATS = 2048

#: So often at most does a page that is repeated stand in a row.
REPEATS = (2, 4, 64, MOST_REPEATS)

#: A head is drawn from so many that were pinned last.
LATEST = 8

#: One list in so many is of pages that were pinned before.
AGAIN_ONE_IN = 8

#: One handle in so many is the longest of so few.
LONGEST_ONE_IN = 6

#: So many handles are drawn until one is found that still holds pins.
TRIES = 3


def draw_stretch(random: Random, mapping: Mapping, *, longest: int = LONG) -> PageList:
    """Neighbouring pages of *mapping*, begun near the edge of a compound page."""
    length = draw_length(random, min(mapping.npages, longest))
    extent = random.randrange(len(mapping.extents))
    order = mapping.extents[extent].order
    nth = random.randrange(mapping.extents[extent].count)
    start = mapping.offsets[extent] + (nth << order)
    if 0 < order < 5 and one_in(random, 6):
        # Compound pages as a whole.
        length = min(max(1, length >> order) << order, mapping.npages, longest)
    elif order:
        # A tail near the front, or near the end so that few pages cross over.
        tail = random.randrange(min(5, 1 << order))
        start += (1 << order) - tail if tail and one_in(random, 2) else tail
    start = min(start, mapping.npages - length)
    return span(mapping.name, start, start + length)


def draw_length(random: Random, most: int) -> int:
    """A number of pages, from 1 to *most*."""
    short = SHORT[-1]
    if most > short and one_in(random, ONE_LONG_IN):
        edge = (2 * short << random.randrange(EDGES)) - 1 + random.randrange(3)
        if edge <= most and one_in(random, 2):
            # Where a width ends, or a batch.
            return edge
        # Every power of two as often, or nearly all would be of the largest.
        powers = LONG.bit_length() - short.bit_length()
        longest = LONG >> random.randrange(powers)
        return short + 1 + random.randrange(min(most, longest) - short)
    return 1 + random.randrange(min(most, among(random, SHORT)))


def draw_pins(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Pages to pin: one stretch, now and then several, or one that is mapped twice.

    Some were pinned before, and may since have been split or allocated anew.
    """
    if handles and one_in(random, AGAIN_ONE_IN):
        return _again(random, ledger, handles)
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
        times = among(random, REPEATS) - random.randrange(2)
        return PageList((Slice(first.name, first.indices[:1], times), second))
    return PageList((Group((first, second), 2),))


def _again(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Few neighbours, begun at a page of one of the last *handles*."""
    frames = ledger.table[handles[-1 - random.randrange(min(len(handles), LATEST))]]
    first = by_mapping(ledger, frames[random.randrange(len(frames))])
    (start,) = first.slices()
    (mapping,) = (m for m in ledger.mappings if m.name == start.name)
    at = start.indices[0]
    length = draw_length(random, min(mapping.npages - at, SHORT[-1]))
    return span(start.name, at, at + length)


def draw_pieces(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Entries of one to three of *handles*: whole, part, reversed, repeated, interleaved."""
    if one_in(random, 12):
        twice = [h for h in latest(ledger.pinned) if ledger.held(h).pins > 1]
        if len(twice) > 1:
            first = random.randrange(len(twice) - 1)
            slices = [next(by_mapping(ledger, head).slices()) for head in twice[first : first + 2]]
            return PageList((Group(tuple(slices), 2),))
    pieces = [_piece(random, ledger, handles)]
    if one_in(random, 3):
        pieces.append(_piece(random, ledger, handles))
    if len(pieces) == 2 and one_in(random, 2):
        # A-B-A: runs of one head that another interrupts. Few pages each, as all
        # of them are unpinned twice.
        a, b = (_few(random, next(piece.slices())) for piece in pieces)
        if one_in(random, 2):
            return PageList((Group((a, b), 2),))
        return PageList((a, b, a))
    return joined(pieces)


def _few(random: Random, piece: Slice) -> Slice:
    return Slice(piece.name, piece.indices[: 1 + random.randrange(2)])


def _piece(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    name = live(random, ledger, handles)
    held = len(ledger.table[name])
    form = random.randrange(10)
    if form in {0, 7, 8, 9} and (held <= SHORT[-1] or one_in(random, ONE_LONG_IN)):
        part = form and 1 < held <= SHORT[-1]
        return _part(ledger, name) if part else span(name, 0, held)
    start = random.randrange(held)
    length = draw_length(random, held - start)
    indices = range(start, start + length)
    if form == 3:
        indices = indices[::-1]
    elif form == 4:
        indices = indices[::2]
    elif form == 5:
        pins = ledger.held(ledger.head(ledger.table[name][start])).pins
        if pins and one_in(random, 2):
            # All pins of a head through one of its pages.
            return PageList((Slice(name, indices[:1], min(pins, MOST_REPEATS)),))
        times = 1 + random.randrange(among(random, REPEATS))
        return PageList((Slice(name, indices[:1], times),))
    elif form == 6 and length > 2:
        # As long as the range from its first to its last, but not that range.
        terms = (
            Slice(name, indices[:1]),
            Slice(name, indices[1:2], length - 2),
            Slice(name, indices[-1:]),
        )
        return PageList(terms)
    return PageList((Slice(name, indices),))


def live(random: Random, ledger: Ledger, handles: list[str]) -> str:
    """One of *handles*, rather one whose pins were not all given back.

    Now and then it is the longest of the last ones: few are long.
    """
    if one_in(random, LONGEST_ONE_IN):
        return max(handles[-LATEST:], key=lambda name: len(ledger.table[name]))
    name = handles[-1 - random.randrange(len(handles))]
    for _ in range(TRIES - 1):
        first = ledger.head(ledger.table[name][0])
        if first in ledger.pinned or first in ledger.got:
            break
        name = handles[-1 - random.randrange(len(handles))]
    return name


def _part(ledger: Ledger, name: str) -> PageList:
    """The first part of what *name* holds, or the rest where that was let go.

    They part amid the entries of the last head, where it has several.
    """
    frames = ledger.table[name]
    count = len(frames)
    head = ledger.head(frames[-1])
    of_last = 1
    while of_last < min(count, SEARCHED) and ledger.head(frames[-1 - of_last]) == head:
        of_last += 1
    at = count - (of_last // 2 or count // 2)
    if ledger.held(head).pins <= count - at:
        return span(name, at, count)
    return span(name, 0, at)


def releasable(ledger: Ledger, pages: PageList, what: str = "pins") -> PageList | None:
    """As much of *pages*, from the front, as the contract lets go; None if nothing."""
    most = ledger.releasable(pages.resolve(ledger.table), what)
    return pages.prefix(most) if most else None


def draw_held_page(random: Random, ledger: Ledger, heads: dict[int, None]) -> PageList | None:
    """Some page of one of *heads*, by its mapping."""
    if not heads:
        return None
    head = among(random, latest(heads))
    page = head + random.randrange(min(4, 1 << ledger.order(head)))
    return by_mapping(ledger, page)


def latest(heads: dict[int, None]) -> list[int]:
    """The few of *heads* that came last, the latest first."""
    return list(islice(reversed(heads), LATEST))


def by_mapping(ledger: Ledger, page: int) -> PageList:
    """The frame *page*, named by its mapping."""
    where = ledger.where(page)
    if where is None:
        msg = f"frame {page:#x} is in no mapping"
        raise LookupError(msg)
    name, offset = where
    return span(name, offset, offset + 1)


def draw_range(random: Random, ledger: Ledger, handles: list[str]) -> PageList | None:
    """Contiguous frames, all of which can be unpinned; begun in a tail where there is one."""
    across = _across(random, ledger, handles) if handles and not one_in(random, 3) else None
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
    """Pages of a handle on both sides of where compound pages meet, or from one edge to another."""
    for _ in range(TRIES):
        name = live(random, ledger, handles)
        frames = ledger.table[name]
        count = len(frames)
        edges = _edges(ledger, frames)
        inner = [edge for edge in edges if 0 < edge < count]
        if len(edges) > 1 and one_in(random, 2):
            # Compound pages as a whole.
            first = random.randrange(len(edges) - 1)
            return span(
                name, edges[first], edges[first + 1 + random.randrange(len(edges) - first - 1)]
            )
        if inner:
            first = last = random.randrange(len(inner))
            if one_in(random, 2):
                last += random.randrange(len(inner) - first)
            start = max(0, inner[first] - 1 - random.randrange(3))
            return span(name, start, min(count, inner[last] + 1 + random.randrange(4)))
    return None


def _edges(ledger: Ledger, frames: Sequence[int]) -> list[int]:
    """Where, in the first of *frames*, one compound page ends and the next begins."""
    edges: list[int] = []
    at = 0
    for head, entries in islice(ledger.runs(frames), SEARCHED):
        page = frames[at]
        last = frames[at + entries - 1]
        if page == head:
            if at and frames[at - 1] != page - 1:
                break
            edges.append(at)
        at += entries
        if last - page != entries - 1 or last + 1 != head + (1 << ledger.order(head)):
            break
        if at == len(frames):
            edges.append(at)
    return edges
