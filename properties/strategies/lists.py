# SPDX-License-Identifier: MIT

"""Random lists of pages: neighbouring pages of mappings to pin, entries of handles to unpin."""

from collections.abc import Sequence
from itertools import islice
from random import Random

from model.mapping import Mapping
from model.pagelist import Group, PageList, Slice, joined, span
from properties.judging.ledger import Ledger
from properties.strategies.dice import among, one_in

#: Maximum lengths of a short list, in pages; one of these is drawn for each list.
SHORT_LENGTHS = (4, 4, 16, 64)

#: Maximum length of a long list, in pages.
MAX_LENGTH = 1 << 16

#: One list in ONE_LONG_IN is long, if its mapping or handle has enough pages. Most handles have
#: fewer, so of all calls about one in 20 has a long list.
ONE_LONG_IN = 2

#: Half of the long lists have a length near one of this many powers of two, from 2^7 to 2^15.
EDGE_POWERS = 9

#: Search at most this many runs of a handle for boundaries of compound pages, and at most
#: this many of its last entries for the start of the last run.
MAX_SEARCHED = 16

#: Maximum number of consecutive repetitions of a page in one list.
MAX_REPEATS = 2048

#: Maximum repetitions of a page; one of these is drawn for each list that repeats a page.
REPEATS = (2, 4, 64, MAX_REPEATS)

#: A head or a handle is drawn from the latest ones; this is their number.
LATEST = 8

#: Of the lists to pin, one in AGAIN_ONE_IN names pages that were pinned before.
AGAIN_ONE_IN = 8

#: One drawn handle in LONGEST_ONE_IN is the longest of the last LATEST handles.
LONGEST_ONE_IN = 6

#: Maximum number of handles to draw, one after another, until one suits the list to be drawn.
MAX_TRIES = 3


def draw_stretch(random: Random, mapping: Mapping, *, longest: int = MAX_LENGTH) -> PageList:
    """Neighbouring pages of *mapping*, starting near the edge of a compound page.

    :param longest: Maximum length in pages.
    """
    length = draw_length(random, min(mapping.npages, longest))
    extent = random.randrange(len(mapping.extents))
    order = mapping.extents[extent].order
    nth = random.randrange(mapping.extents[extent].count)
    start = mapping.offsets[extent] + (nth << order)
    if 0 < order < 5 and one_in(random, 6):
        # Name whole compound pages.
        length = min(max(1, length >> order) << order, mapping.npages, longest)
    elif order:
        # Start at one of the first tails, or at one of the last, so that a short list reaches
        # the next compound page.
        tail = random.randrange(min(5, 1 << order))
        start += (1 << order) - tail if tail and one_in(random, 2) else tail
    start = min(start, mapping.npages - length)
    return span(mapping.name, start, start + length)


def draw_length(random: Random, most: int) -> int:
    """A number of pages, from 1 to *most*."""
    short = SHORT_LENGTHS[-1]
    if most > short and one_in(random, ONE_LONG_IN):
        edge = (2 * short << random.randrange(EDGE_POWERS)) - 1 + random.randrange(3)
        if edge <= most and one_in(random, 2):
            # Bugs of integer widths and of batches show near powers of two.
            return edge
        # Draw the magnitude first: otherwise nearly all lengths would be of the largest magnitude.
        powers = MAX_LENGTH.bit_length() - short.bit_length()
        longest = MAX_LENGTH >> random.randrange(powers)
        return short + 1 + random.randrange(min(most, longest) - short)
    return 1 + random.randrange(min(most, among(random, SHORT_LENGTHS)))


def draw_pins(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Pages to pin: neighbouring pages of a mapping, sometimes of two, or repeated pages.

    One list in AGAIN_ONE_IN is of pages that were pinned before; they may have been split or
    reallocated since.
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
    """A few neighbouring pages, the first of which is a page of one of the last *handles*."""
    frames = ledger.table[handles[-1 - random.randrange(min(len(handles), LATEST))]]
    mapping, at = place(ledger, frames[random.randrange(len(frames))])
    length = draw_length(random, min(mapping.npages - at, SHORT_LENGTHS[-1]))
    return span(mapping.name, at, at + length)


def draw_pieces(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Entries of one or two of *handles*: all or some, reversed, repeated or interleaved."""
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
        # A-B-A: another head interrupts the run of a head. Each piece is cut to one or
        # two pages, because the list may unpin the pages of a piece twice.
        slices = [next(piece.slices()) for piece in pieces]
        a, b = (Slice(s.name, s.indices[: 1 + random.randrange(2)]) for s in slices)
        if one_in(random, 2):
            return PageList((Group((a, b), 2),))
        return PageList((a, b, a))
    return joined(pieces)


def _piece(random: Random, ledger: Ledger, handles: list[str]) -> PageList:
    """Entries of one of *handles*."""
    name = live(random, ledger, handles)
    held = len(ledger.table[name])
    form = random.randrange(10)
    if form in {0, 7, 8, 9} and (held <= SHORT_LENGTHS[-1] or one_in(random, ONE_LONG_IN)):
        part = form and 1 < held <= SHORT_LENGTHS[-1]
        return _first_or_last_part(ledger, name) if part else span(name, 0, held)
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
            # Release all pins of a head by naming one of its pages repeatedly.
            return PageList((Slice(name, indices[:1], min(pins, MAX_REPEATS)),))
        times = 1 + random.randrange(among(random, REPEATS))
        return PageList((Slice(name, indices[:1], times),))
    elif form == 6 and length > 2:
        # Length, first and last entry are those of a range; between them is one page, repeated.
        terms = (
            Slice(name, indices[:1]),
            Slice(name, indices[1:2], length - 2),
            Slice(name, indices[-1:]),
        )
        return PageList(terms)
    return PageList((Slice(name, indices),))


def live(random: Random, ledger: Ledger, handles: list[str]) -> str:
    """One of *handles*, preferably one whose first page is still pinned or referenced.

    One time in LONGEST_ONE_IN it is the longest of the last LATEST handles: few handles are long.
    """
    if one_in(random, LONGEST_ONE_IN):
        return max(handles[-LATEST:], key=lambda name: len(ledger.table[name]))
    name = handles[-1 - random.randrange(len(handles))]
    for _ in range(MAX_TRIES - 1):
        first = ledger.head(ledger.table[name][0])
        if first in ledger.pinned or first in ledger.got:
            break
        name = handles[-1 - random.randrange(len(handles))]
    return name


def _first_or_last_part(ledger: Ledger, name: str) -> PageList:
    """The first entries of handle *name*, or the last ones if the first were released.

    The parts meet in the middle of the handle's last run. If this run has one entry, they meet in
    the middle of the handle.
    """
    frames = ledger.table[name]
    count = len(frames)
    head = ledger.head(frames[-1])
    run = 1
    while run < min(count, MAX_SEARCHED) and ledger.head(frames[-1 - run]) == head:
        run += 1
    at = count - (run // 2 or count // 2)
    if ledger.held(head).pins <= count - at:
        return span(name, at, count)
    return span(name, 0, at)


def releasable(ledger: Ledger, pages: PageList, what: str = "pins") -> PageList | None:
    """The longest prefix of *pages* that the contract lets a step release; None if empty.

    :param what: What the step releases: ``pins``, or ``gets`` for plain references.
    """
    most = ledger.releasable(pages.resolve(ledger.table), what)
    return pages.prefix(most) if most else None


def draw_held_page(random: Random, ledger: Ledger, heads: dict[int, None]) -> PageList | None:
    """One of the first four pages of a compound page, named by its mapping.

    The compound page is drawn from those of the last LATEST *heads*; None if there are no heads.
    """
    return by_mapping(ledger, _held_page(random, ledger, heads)) if heads else None


def _held_page(random: Random, ledger: Ledger, heads: dict[int, None]) -> int:
    head = among(random, latest(heads))
    return head + random.randrange(min(4, 1 << ledger.order(head)))


def latest(heads: dict[int, None]) -> list[int]:
    """The last LATEST of *heads*, newest first."""
    return list(islice(reversed(heads), LATEST))


def by_mapping(ledger: Ledger, page: int) -> PageList:
    """The list of one page, the frame *page*, named by its mapping."""
    mapping, offset = place(ledger, page)
    return span(mapping.name, offset, offset + 1)


def place(ledger: Ledger, page: int) -> tuple[Mapping, int]:
    """The mapping that contains the frame *page*, and the offset of *page* in it.

    :raises LookupError: if *page* is in no mapping.
    """
    for mapping in ledger.mappings:
        offset = mapping.offset(page)
        if offset is not None:
            return mapping, offset
    raise LookupError(f"frame {page:#x} is in no mapping")


def draw_range(random: Random, ledger: Ledger, handles: list[str]) -> PageList | None:
    """A list of contiguous frames that a step may unpin; None if none was found."""
    across = _across(random, ledger, handles) if handles and not one_in(random, 3) else None
    if across:
        pages = across
    elif handles and not one_in(random, 3):
        pages = _piece(random, ledger, handles)
    elif not ledger.pinned:
        return None
    else:
        mapping, first = place(ledger, _held_page(random, ledger, ledger.pinned))
        length = draw_length(random, mapping.npages - first)
        pages = span(mapping.name, first, first + length)
    return releasable(ledger, up_to_gap(ledger, pages))


def up_to_gap(ledger: Ledger, pages: PageList) -> PageList:
    """The longest prefix of *pages* whose frames are contiguous."""
    frames = pages.resolve(ledger.table)
    # Frames that are a Python range with step 1 need not be compared one by one.
    follow = len(frames) if isinstance(frames, range) and frames.step == 1 else 1
    while follow < len(frames) and frames[follow] == frames[follow - 1] + 1:
        follow += 1
    return pages.prefix(follow)


def _across(random: Random, ledger: Ledger, handles: list[str]) -> PageList | None:
    """Consecutive entries of a handle: across edges of compound pages, or from edge to edge."""
    for _ in range(MAX_TRIES):
        name = live(random, ledger, handles)
        frames = ledger.table[name]
        count = len(frames)
        edges = _edges(ledger, frames)
        inner = [edge for edge in edges if 0 < edge < count]
        if len(edges) > 1 and one_in(random, 2):
            # Name whole compound pages.
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
    """Positions in *frames* where compound pages begin or end, up to the first gap.

    Searches only the first MAX_SEARCHED runs.
    """
    edges: list[int] = []
    at = 0
    for head, entries in islice(ledger.runs(frames), MAX_SEARCHED):
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
