# SPDX-License-Identifier: MIT

"""RDMA memory regions: scatterlists (drivers/infiniband/core/umem.c, 5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from model.semantics import PAGE_SIZE


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Pages that are pinned at a time: as many pointers as fit into one page.
BATCH = PAGE_SIZE // 8


@define
class Scatterlist:
    """One entry: *length* bytes from the first frame on, physically contiguous."""

    page: int
    length: int

    @property
    def npages(self) -> int:
        """``DIV_ROUND_UP(sg->length, PAGE_SIZE)``."""
        return -(-self.length // PAGE_SIZE)


@define
class Umem:
    """``struct ib_umem``, as far as pins go.

    :param sgl: The scatterlist as the CPU sees it.
    :param nmap: Entries as the device sees them: the IOMMU may merge some.
    """

    writable: bool
    sgl: list[Scatterlist] = field(factory=list)
    nmap: int = 0

    @property
    def sg_nents(self) -> int:
        """Entries the CPU sees. Release walks these, never *nmap*."""
        return len(self.sgl)


def append_pages(sgl: list[Scatterlist], pages: Sequence[int], max_segment: int) -> None:
    """Put *pages* behind *sgl* (``__sg_alloc_table_from_pages``, lib/scatterlist.c).

    They join the last entry while they continue it, then form entries of their
    own, none longer than *max_segment* bytes, rounded down to whole pages.
    """
    most = max_segment // PAGE_SIZE
    for first, npages in _contiguous(pages):
        start = first
        left = npages
        if sgl and sgl[-1].page + sgl[-1].npages == start:
            joining = min(left, most - sgl[-1].npages)
            sgl[-1].length += joining * PAGE_SIZE
            start += joining
            left -= joining
        while left:
            entry = min(left, most)
            sgl.append(Scatterlist(start, entry * PAGE_SIZE))
            start += entry
            left -= entry


def _contiguous(pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first frame, pages) of each stretch whose frames follow each other."""
    start = 0
    for i in range(1, len(pages) + 1):
        if i == len(pages) or pages[i] != pages[i - 1] + 1:
            yield pages[start], i - start
            start = i
