# SPDX-License-Identifier: MIT

"""Which compound page a frame belongs to, at this moment."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple


if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.mapping import Extent, Mapping


class Block(NamedTuple):
    """Equal compound pages side by side: frames [start, stop) of one order.

    *refs* and *kind* are those of the mapping that they began in.
    """

    start: int
    stop: int
    order: int
    refs: int
    kind: str


class Frames:
    """All frames that any mapping holds, as blocks of equal compound pages.

    Look-ups cost the logarithm of the number of blocks. `replace` gives some
    frames another compound structure, as a split or a new allocation does.
    """

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._blocks = sorted(
            Block(e.pfn, e.stop, e.order, m.refs, m.kind) for m in mappings for e in m.extents
        )
        self._starts = [block.start for block in self._blocks]

    def block(self, page: int) -> Block | None:
        """The block that holds frame *page*, or None where nothing is mapped."""
        at = bisect_right(self._starts, page) - 1
        if at < 0 or page >= self._blocks[at].stop:
            return None
        return self._blocks[at]

    def replace(self, extents: Iterable[Extent]) -> None:
        """Let *extents* stand where whole compound pages stood before.

        They cover the frames of those pages exactly, rising and without a gap.
        """
        new = list(extents)
        start, stop = new[0].pfn, new[-1].stop
        first = bisect_right(self._starts, start) - 1
        last = bisect_right(self._starts, stop - 1) - 1
        head, tail = self._blocks[first], self._blocks[last]
        blocks = [Block(e.pfn, e.stop, e.order, head.refs, head.kind) for e in new]
        if head.start < start:
            blocks.insert(0, head._replace(stop=start))
        if stop < tail.stop:
            blocks.append(tail._replace(start=stop))
        self._blocks[first : last + 1] = blocks
        self._starts[first : last + 1] = [block.start for block in blocks]
