# SPDX-License-Identifier: MIT

"""Mappings: the compound pages that a process or a driver uses, in order.

A mapping is stored as extents (compound pages of one order), so that one of 16 GiB needs
as much memory as one of 16 KiB. A page of a mapping always has the same frame; the compound page
that contains this frame can change (if it is split, or freed and allocated again).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, chain, groupby, pairwise
from typing import overload

from attrs import field, frozen

from model.attributes import PLAIN, Attributes
from model.errors import BadInput
from model.semantics import KINDS, MAX_ORDER

#: Frame numbers are below this: 4 PiB in pages of 4 KiB.
MAX_PFN = 1 << 40

#: Maximum number of references that a head can start with: the highest signed refcount.
MAX_REFS = (1 << 31) - 1

#: The first frame of the first mapping, before alignment, if its statement has no ``pfn=``.
FIRST_PFN = 0x1000

#: Maximum number of pages (64 GiB) of a mapping that is not contiguous, and of one whose frames are
#: stored, which is faster.
MAX_SCATTERED, MAX_STORED = 1 << 24, 1 << 12

#: An order that is repeated at least this often is written ``[0]*4``, not ``[0, 0, 0, 0]``.
MIN_REPEATED = 4


def align_up(pfn: int, order: int) -> int:
    """*pfn* rounded up to a frame at which a compound page of *order* can start."""
    return -(-pfn >> order) << order


@frozen
class Extent:
    """*count* adjacent compound pages of one *order* from frame *pfn* on."""

    pfn: int
    order: int
    count: int

    @property
    def stop(self) -> int:
        """The first frame after the extent."""
        return self.pfn + (self.count << self.order)

    def heads(self) -> range:
        """The first frame of each compound page in the extent."""
        return range(self.pfn, self.stop, 1 << self.order)


def placed(orders: Iterable[tuple[int, int]], pfn: int) -> tuple[Extent, ...]:
    """An extent for each (order, count) in *orders*, at the next aligned frame, from *pfn* on."""
    extents = []
    for order, count in orders:
        extents.append(Extent(align_up(pfn, order), order, count))
        pfn = extents[-1].stop
    return tuple(extents)


def side_by_side(orders: Iterable[int], pfn: int) -> tuple[Extent, ...]:
    """The fewest extents for compound pages of *orders*, one after another from *pfn* on."""
    return placed(((order, sum(1 for _ in run)) for order, run in groupby(orders)), pfn)


def append_joined(extents: list[Extent], extent: Extent) -> None:
    """Append *extent* to *extents*, or extend the last of them if *extent* continues it."""
    last = extents[-1] if extents else None
    if last and (last.stop, last.order) == (extent.pfn, extent.order):
        extents[-1] = Extent(last.pfn, last.order, last.count + extent.count)
    else:
        extents.append(extent)


def _joined(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    joined: list[Extent] = []
    for extent in extents:
        append_joined(joined, extent)
    return tuple(joined)


class Scattered(Sequence[int]):
    """The frames of the pages of *extents*, none of which is stored."""

    def __init__(self, extents: Sequence[Extent], offsets: Sequence[int]) -> None:
        self._extents = extents
        self._offsets = offsets
        self._length = offsets[-1] + extents[-1].stop - extents[-1].pfn

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> list[int]: ...

    def __getitem__(self, index: int | slice) -> int | list[int]:
        indices = range(self._length)[index]
        if isinstance(indices, int):
            return self._frame(indices)
        if indices.step == 1:
            return [*chain.from_iterable(self._pieces(indices.start, indices.stop))]
        return [self._frame(at) for at in indices]

    def _frame(self, index: int) -> int:
        at = bisect_right(self._offsets, index) - 1
        return self._extents[at].pfn + index - self._offsets[at]

    def _pieces(self, start: int, stop: int) -> Iterator[range]:
        """The frames of the pages *start* to *stop*, for each extent."""
        at = bisect_right(self._offsets, start) - 1
        while start < stop:
            extent, first = self._extents[at], self._offsets[at]
            piece = range(extent.pfn + start - first, min(extent.stop, extent.pfn + stop - first))
            yield piece
            start += len(piece)
            at += 1


@frozen(slots=False)
class Mapping:
    """A named sequence of compound pages; steps name pages by mapping and position.

    :param name: The name in steps.
    :param kind: One of `model.semantics.KINDS`.
    :param extents: The compound pages in the sequence of the mapping. Their frames need not
        ascend, and may have gaps.
    :param refs: References on each head that are not pins: one for each time the page is
        mapped, or the driver's own.
    :param attributes: What its page table entries are like.
    :raises BadInput: if a value is out of bounds, a frame not aligned, or extents overlap.
    """

    name: str
    kind: str
    extents: tuple[Extent, ...] = field(converter=_joined)
    refs: int = 1
    attributes: Attributes = PLAIN

    def __attrs_post_init__(self) -> None:
        complaint = self._complaint()
        if complaint:
            raise BadInput(f"mapping {self.name}: {complaint}")

    def _complaint(self) -> str:
        if self.kind not in KINDS:
            return f"unknown kind {self.kind!r}; kinds are {', '.join(KINDS)}"
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
            return f"more than {MAX_SCATTERED} pages with frames that are not contiguous"
        return ""

    @cached_property
    def stop(self) -> int:
        """The first frame after all frames of the mapping."""
        return max(extent.stop for extent in self.extents)

    @cached_property
    def npages(self) -> int:
        """Number of pages of 4 KiB."""
        return sum(extent.count << extent.order for extent in self.extents)

    @cached_property
    def ncompound(self) -> int:
        """Number of compound pages; an order-0 page counts as one."""
        return sum(extent.count for extent in self.extents)

    @cached_property
    def _contiguous(self) -> bool:
        return all(a.stop == b.pfn for a, b in pairwise(self.extents))

    @cached_property
    def pages(self) -> Sequence[int]:
        """The frame of each page; a ``range`` if the frames are contiguous, else a list if few."""
        if self._contiguous:
            return range(self.extents[0].pfn, self.extents[-1].stop)
        if self.npages > MAX_STORED:
            return Scattered(self.extents, self.offsets)
        return list(chain.from_iterable(range(e.pfn, e.stop) for e in self.extents))

    @cached_property
    def offsets(self) -> list[int]:
        """The index of the first page of each extent."""
        return [0, *accumulate(e.count << e.order for e in self.extents)][:-1]

    def offset(self, pfn: int) -> int | None:
        """The index of the page with frame *pfn*; None if the mapping does not contain it."""
        for extent, first in zip(self.extents, self.offsets, strict=True):
            if extent.pfn <= pfn < extent.stop:
                return first + pfn - extent.pfn
        return None

    def text(self, default_pfn: int) -> str:
        """The statement that makes the mapping, without ``pfn=`` if that is *default_pfn*."""
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
        if self.attributes != PLAIN:
            parts.append(self.attributes.text())
        return f"{self.name} = mapping({', '.join(parts)})"


def _groups(extents: Sequence[Extent]) -> list[list[list[Extent]]]:
    """*extents* split at gaps that alignment does not explain; each part as its brackets."""
    groups: list[list[Extent]] = []
    for extent in extents:
        if groups and extent.pfn == align_up(groups[-1][-1].stop, extent.order):
            groups[-1].append(extent)
        else:
            groups.append([extent])
    return [_brackets(group) for group in groups]


def _brackets(extents: Sequence[Extent]) -> list[list[Extent]]:
    """*extents* as brackets: ``[9]*4`` for a long extent, ``[0, 1]`` for adjacent short ones."""
    brackets: list[list[Extent]] = []
    for long, found in groupby(extents, key=lambda e: e.count >= MIN_REPEATED):
        run = list(found)
        brackets += [[extent] for extent in run] if long else [run]
    return brackets


def _orders(bracket: Sequence[Extent]) -> str:
    if len(bracket) == 1 and bracket[0].count >= MIN_REPEATED:
        return f"[{bracket[0].order}]*{bracket[0].count}"
    return f"[{', '.join(str(e.order) for e in bracket for _ in range(e.count))}]"


def orders_text(orders: Iterable[int]) -> str:
    """*orders* in the syntax of traces: ``[0, 1] + [9]*4``."""
    runs = [Extent(0, order, sum(1 for _ in run)) for order, run in groupby(orders)]
    return " + ".join(map(_orders, _brackets(runs)))


def overlap(extents: Iterable[Extent]) -> int | None:
    """The first frame that two of *extents* contain, or None."""
    ascending = sorted(extents, key=lambda e: e.pfn)
    return next((b.pfn for a, b in pairwise(ascending) if b.pfn < a.stop), None)


def default_pfn(end: int, orders: Iterable[int]) -> int:
    """The first frame of a mapping without ``pfn=``: aligned to the largest of its *orders*.

    Frame *end*, the first after all earlier mappings, stays free, so that there is a gap.
    """
    return align_up(end + 1, max(orders, default=0))
