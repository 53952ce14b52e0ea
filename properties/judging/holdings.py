# SPDX-License-Identifier: MIT

"""What is held of each compound page: mappings, plain references, pins."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from attrs import define

from model.errors import BadInput
from model.frames import Block, Frames
from model.mapping import Extent
from model.page import HeadState, wrapped
from model.pagelist import NULL
from model.semantics import BIAS
from model.step import Table


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.mapping import Mapping
    from model.semantics import Semantics


#: The largest count that a signed 32-bit integer holds.
MOST = (1 << 31) - 1


class ContractBroken(BadInput):
    """A step releases more than is held, or touches what is free."""


@define
class Held:
    """What is held of one compound page.

    :param each: What one pin adds to the refcount; 0 where pins are not counted.
    """

    each: int
    maps: int
    gets: int = 0
    pins: int = 0
    dirty: bool = False
    alive: bool = True

    @property
    def mapped(self) -> bool:
        """Whether the page tables lead to it."""
        return self.maps > 0 and self.alive

    @property
    def total(self) -> int:
        """The refcount, were it as wide as it needs to be."""
        return self.maps + self.gets + self.pins * self.each


class Region(NamedTuple):
    """A memory region: the frames of each scatterlist entry, and what DMA made of them."""

    entries: list[Sequence[int]]
    writable: bool
    nmap: int | None

    def pages(self) -> Sequence[int]:
        """All its frames, one entry after another."""
        return self.entries[0] if len(self.entries) == 1 else [*chain(*self.entries)]


class Holdings:
    """The books: for each head that was touched what is held of it, and for each name its pages."""

    def __init__(self, semantics: Semantics, mappings: Sequence[Mapping]) -> None:
        self.semantics = semantics
        self.mappings = mappings
        self.table = Table({m.name: m.pages for m in mappings})
        self.umems: dict[str, Region] = {}
        self.acquired = 0
        self.released = 0
        #: Heads that the last step had to do with, and whether it must have warned.
        self.touched: set[int] = set()
        self.warned = False
        #: Lists of frames that it unpinned, each of which the code under test sees
        #: as one, and whether it is to dirty them.
        self.unpinned: list[Sequence[int]] = []
        self.dirties = False
        self.released_umem: Region | None = None
        self.pinned: dict[int, None] = {}
        self.got: dict[int, None] = {}
        self.freed: dict[int, None] = {}
        self._frames = Frames(mappings)
        self._last = Block(0, 0, 0, 0, "")
        self._held: dict[int, Held] = {}

    def looks(self, head: int) -> tuple[HeadState, bool]:
        """What *head* must look like now, and whether it must look pinned.

        Its counts are the only ones that fit what is held of it, and a page that
        is pinned never looks as if it was not.
        """
        held = self.held(head)
        pins, each = held.pins, held.each
        count = held.maps + held.gets + pins * each
        if count > MOST:
            count = wrapped(count)
        if each == 1:
            return HeadState(count, pins, held.dirty, held.alive), pins > 0
        return HeadState(count, 0, held.dirty, held.alive), not 0 <= count < BIAS

    def held(self, head: int) -> Held:
        """What is held of the compound page at *head*."""
        self.touched.add(head)
        record = self._held.get(head)
        if record is None:
            block = self._block(head)
            record = self._held[head] = Held(self._each(block.order, block.kind), block.refs)
        return record

    def head(self, page: int) -> int:
        """The head of the compound page of *page*, from where its block begins."""
        block = self._block(page)
        return page - (page - block.start) % (1 << block.order)

    def order(self, page: int) -> int:
        """The order of the compound page of *page*."""
        return self._block(page).order

    def known(self) -> list[tuple[int, Held]]:
        """The compound pages that any step had to do with, lowest frame first."""
        return sorted(self._held.items())

    def extents(self, mapping: Mapping) -> tuple[Extent, ...]:
        """The compound pages that stand in the frames of *mapping* now."""
        found = []
        for extent in mapping.extents:
            at = extent.pfn
            while at < extent.stop:
                block = self._block(at)
                stop = min(block.stop, extent.stop)
                found.append(Extent(at, block.order, (stop - at) >> block.order))
                at = stop
        return tuple(found)

    def each(self, page: int) -> int:
        """What a put that drops one pin takes from the refcount of its compound page."""
        block = self._block(page)
        return self._each(block.order, block.kind) or BIAS

    def first_refs(self, page: int) -> int:
        """What its mapping held of the compound page of *page* at first."""
        return self._block(page).refs

    def kind(self, page: int) -> str:
        """The kind of mapping that *page* began in."""
        return self._block(page).kind

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """(head, entries) of each stretch of adjacent entries of one head."""
        if isinstance(pages, range):
            at, end, step = 0, len(pages), pages.step
            while at < end:
                page = pages[at]
                start, _, order, _, _ = self._block(page)
                head = page - (page - start) % (1 << order)
                last = head + (1 << order) - 1 if step > 0 else head
                entries = min((last - page) // step + 1, end - at)
                yield head, entries
                at += entries
            return
        head = stop = entries = 0
        for page in pages:
            if head <= page < stop:
                entries += 1
                continue
            if entries:
                yield head, entries
            start, _, order, _, _ = self._block(page)
            head = page - (page - start) % (1 << order)
            stop = head + (1 << order)
            entries = 1
        if entries:
            yield head, entries

    def counts(self, pages: Sequence[int]) -> dict[int, int]:
        """How many entries each head has in *pages*."""
        counts: dict[int, int] = {}
        for head, entries in self.runs(pages):
            counts[head] = counts.get(head, 0) + entries
        return counts

    def releasable(self, pages: Sequence[int], what: str = "pins") -> int:
        """How many of *pages*, from the first on, can be released before one is not held."""
        left: dict[int, int] = {}
        done = 0
        for head, entries in self.runs(pages):
            have = left.get(head)
            if have is None:
                held = self._held.get(head)
                have = getattr(held, what) if held else 0
            left[head] = have - entries
            if have < entries:
                return done + have
            done += entries
        return done

    def _block(self, page: int) -> Block:
        # Most look-ups fall into the block that was looked up last.
        if self._last.start <= page < self._last.stop:
            return self._last
        block = self._frames.block(page)
        if block is None:
            msg = f"frame {page:#x} is in no mapping" if page != NULL else "NULL is no page"
            raise ContractBroken(msg)
        self._last = block
        return block

    def _each(self, order: int, kind: str) -> int:
        if self.semantics.uncounted(kind):
            return 0
        return 1 if self.semantics.exact(order) else BIAS

    def where(self, page: int) -> tuple[str, int] | None:
        """The mapping that holds the frame *page*, and which page of it that is."""
        for mapping in self.mappings:
            offset = mapping.offset(page)
            if offset is not None:
                return mapping.name, offset
        return None

    def name(self, page: int) -> str:
        """The frame *page* as a person reads it: ``a+0``."""
        where = self.where(page)
        return f"{where[0]}+{where[1]}" if where else f"frame {page:#x}"
