# SPDX-License-Identifier: MIT

"""Maps frames to the compound pages that currently contain them."""

from bisect import bisect_right
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from model.attributes import PLAIN, Attributes
from model.mapping import Extent, Mapping


class Block(NamedTuple):
    """Adjacent compound pages of one order, in a mapping with *refs*, *kind* and *attributes*."""

    start: int
    stop: int
    order: int
    refs: int
    kind: str
    attributes: Attributes = PLAIN


class Frames:
    """The compound pages of some mappings, stored as blocks with ascending frames."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._blocks = sorted(
            (
                Block(e.pfn, e.stop, e.order, m.refs, m.kind, m.attributes)
                for m in mappings
                for e in m.extents
            ),
            key=attrgetter("start"),
        )
        self._starts = [block.start for block in self._blocks]

    def block(self, page: int) -> Block | None:
        """The block that contains frame *page*; None if no mapping does."""
        at = bisect_right(self._starts, page) - 1
        if at < 0 or page >= self._blocks[at].stop:
            return None
        return self._blocks[at]

    def replace(self, extents: Iterable[Extent]) -> None:
        """Replace some compound pages by *extents*, as a split or a new allocation does.

        The extents are ascending, contiguous, and cover exactly the frames of the old pages.
        """
        new = list(extents)
        start, stop = new[0].pfn, new[-1].stop
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, stop - 1) - 1
        head, tail = self._blocks[first], self._blocks[last]
        blocks = [head._replace(start=e.pfn, stop=e.stop, order=e.order) for e in new]
        if head.start < start:
            blocks.insert(0, head._replace(stop=start))
        if stop < tail.stop:
            blocks.append(tail._replace(start=stop))
        self._blocks[first : last + 1] = blocks
        self._starts[first : last + 1] = [block.start for block in blocks]
