# SPDX-License-Identifier: MIT

"""Mappings: where a process, or a driver, sees which compound pages.

A mapping is kept as runs of equal compound pages, so that 16 GiB cost as
much as 16 KiB. Page *i* of a mapping is the same frame for ever; which
compound page that frame belongs to may change (split, free and allocate).
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, chain, groupby, pairwise
from typing import TYPE_CHECKING

from attrs import field, frozen

from model.errors import BadInput
from model.semantics import KINDS, MAX_ORDER


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Frames are numbered below this: 4 PiB in pages of 4 KiB.
MAX_PFN = 1 << 40

#: More references than this a mapping cannot start with: the count is signed.
MAX_REFS = (1 << 31) - 1

#: The first frame that is used when no mapping says where it lies.
FIRST_PFN = 0x1000

#: A mapping with gaps or falling frames keeps a list of them: 64 GiB at most.
MAX_SCATTERED = 1 << 24

#: From this many equal orders on, ``[0]*4`` instead of ``[0, 0, 0, 0]``.
SHORT = 4


def align_up(pfn: int, order: int) -> int:
    """The first frame from *pfn* on where a compound page of *order* fits."""
    return -(-pfn >> order) << order


@frozen
class Extent:
    """*count* compound pages of one *order*, side by side from *pfn* on."""

    pfn: int
    order: int
    count: int

    @property
    def stop(self) -> int:
        """The first frame after it."""
        return self.pfn + (self.count << self.order)

    def heads(self) -> range:
        """The first frame of each of its compound pages."""
        return range(self.pfn, self.stop, 1 << self.order)


def placed(orders: Iterable[tuple[int, int]], pfn: int) -> tuple[Extent, ...]:
    """Extents for runs of (order, count), each at the next frame that fits."""
    extents = []
    for order, count in orders:
        at = align_up(pfn, order)
        extents.append(Extent(at, order, count))
        pfn = extents[-1].stop
    return tuple(extents)


def side_by_side(orders: Iterable[int], pfn: int) -> tuple[Extent, ...]:
    """Extents for compound pages of *orders* from *pfn* on, in as few as there can be."""
    return placed(((order, sum(1 for _ in run)) for order, run in groupby(orders)), pfn)


def _joined(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """The same frames in as few extents as there can be."""
    joined: list[Extent] = []
    for extent in extents:
        if joined and (joined[-1].stop, joined[-1].order) == (extent.pfn, extent.order):
            last = joined.pop()
            extent = Extent(last.pfn, last.order, last.count + extent.count)  # noqa: PLW2901 - the joined one replaces both
        joined.append(extent)
    return tuple(joined)


@frozen(slots=False)
class Mapping:
    """Compound pages one after another, as a list of pages sees them.

    :param name: How steps name it.
    :param kind: One of `model.semantics.KINDS`.
    :param extents: The compound pages in the mapping's order. Frames may
        rise, fall and have gaps from one extent to the next.
    :param refs: References on each head that are no pins: one for each time
        the page is mapped, or the driver's own.
    :raises BadInput: for an order out of bounds, a frame that is not aligned
        to its order or lies too high, or extents that overlap.
    """

    name: str
    kind: str
    extents: tuple[Extent, ...] = field(converter=_joined)
    refs: int = 1

    def __attrs_post_init__(self) -> None:
        complaint = self._complaint()
        if complaint:
            msg = f"mapping {self.name}: {complaint}"
            raise BadInput(msg)

    def _complaint(self) -> str:
        if self.kind not in KINDS:
            return f"kind {self.kind!r} is not known; known are {', '.join(KINDS)}"
        if not 1 <= self.refs <= MAX_REFS:
            return f"refs={self.refs} is not in 1..{MAX_REFS}"
        if not self.extents:
            return "no compound pages"
        for extent in self.extents:
            if not 0 <= extent.order <= MAX_ORDER:
                return f"order {extent.order} is not in 0..{MAX_ORDER}"
            if extent.count < 1:
                return f"{extent.count} compound pages of order {extent.order}"
            if extent.pfn % (1 << extent.order):
                return f"frame {extent.pfn:#x} is not aligned to order {extent.order}"
            if extent.pfn < 0 or extent.stop > MAX_PFN:
                return f"frame {extent.pfn:#x} is not in 0..{MAX_PFN - 1:#x}"
        clash = overlap(self.extents)
        if clash is not None:
            return f"two of its compound pages hold frame {clash:#x}"
        if not self._contiguous and self.npages > MAX_SCATTERED:
            return f"over {MAX_SCATTERED} pages whose frames do not follow each other"
        return ""

    @cached_property
    def stop(self) -> int:
        """The first frame after all of its own."""
        return max(extent.stop for extent in self.extents)

    @cached_property
    def npages(self) -> int:
        """Pages of 4 KiB in all."""
        return sum(extent.count << extent.order for extent in self.extents)

    @cached_property
    def ncompound(self) -> int:
        """Compound pages in all; a single page counts as one."""
        return sum(extent.count for extent in self.extents)

    @cached_property
    def _contiguous(self) -> bool:
        return all(a.stop == b.pfn for a, b in zip(self.extents, self.extents[1:], strict=False))

    @cached_property
    def pages(self) -> Sequence[int]:
        """The frame of each page: a range where the frames rise without a gap."""
        if self._contiguous:
            return range(self.extents[0].pfn, self.extents[-1].stop)
        return list(chain.from_iterable(range(e.pfn, e.stop) for e in self.extents))

    @cached_property
    def offsets(self) -> list[int]:
        """The page at which each extent begins."""
        return [0, *accumulate(e.count << e.order for e in self.extents)][:-1]

    def offset(self, pfn: int) -> int | None:
        """The page that frame *pfn* is, or None if it is none of these."""
        for extent, first in zip(self.extents, self.offsets, strict=True):
            if extent.pfn <= pfn < extent.stop:
                return first + pfn - extent.pfn
        return None

    def text(self, default_pfn: int) -> str:
        """The statement that makes it; *default_pfn* is where it would lie unasked."""
        groups = _groups(self.extents)
        brackets = [bracket for group in groups for bracket in group]
        orders = " + ".join(_orders(bracket) for bracket in brackets)
        parts = [f'"{self.kind}"', f"orders={orders}"]
        if len(groups) > 1:
            parts.append(f"pfn=[{', '.join(hex(b[0].pfn) for b in brackets)}]")
        elif self.extents[0].pfn != default_pfn:
            parts.append(f"pfn={self.extents[0].pfn:#x}")
        if self.refs != 1:
            parts.append(f"refs={self.refs}")
        return f"{self.name} = mapping({', '.join(parts)})"


def _groups(extents: Sequence[Extent]) -> list[list[list[Extent]]]:
    """Extents that follow each other, in the brackets they are written in."""
    groups: list[list[Extent]] = []
    for extent in extents:
        if groups and extent.pfn == align_up(groups[-1][-1].stop, extent.order):
            groups[-1].append(extent)
        else:
            groups.append([extent])
    return [_brackets(group) for group in groups]


def _brackets(extents: Sequence[Extent]) -> list[list[Extent]]:
    """Long runs of one order get a bracket each, shorter ones share one."""
    brackets: list[list[Extent]] = []
    for long, found in groupby(extents, key=lambda e: e.count >= SHORT):
        run = list(found)
        brackets += [[extent] for extent in run] if long else [run]
    return brackets


def _orders(bracket: Sequence[Extent]) -> str:
    if len(bracket) == 1 and bracket[0].count >= SHORT:
        return f"[{bracket[0].order}]*{bracket[0].count}"
    return f"[{', '.join(str(e.order) for e in bracket for _ in range(e.count))}]"


def orders_text(orders: Iterable[int]) -> str:
    """*orders* as a trace writes them: ``[0, 1] + [9]*4``."""
    runs = [Extent(0, order, sum(1 for _ in run)) for order, run in groupby(orders)]
    return " + ".join(map(_orders, _brackets(runs)))


def overlap(extents: Iterable[Extent]) -> int | None:
    """A frame that two of *extents* hold, if there is one."""
    before = sorted(extents, key=lambda e: e.pfn)
    for a, b in pairwise(before):
        if b.pfn < a.stop:
            return b.pfn
    return None


def default_pfn(end: int, orders: Iterable[int]) -> int:
    """Where a mapping lies that does not say so.

    That is the first frame past *end*, where all mappings before it end, with
    at least one frame between, that is aligned to the largest of its *orders*.
    """
    return align_up(end + 1, max(orders, default=0))
