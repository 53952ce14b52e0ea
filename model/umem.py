# SPDX-License-Identifier: MIT

"""RDMA memory regions and their scatterlists (drivers/infiniband/core/umem.c, 5.13)."""

from collections.abc import Iterator, Sequence

from attrs import define, field

from model.semantics import PAGE_SIZE

#: Number of pages in one batch of pins: the number of pointers that fit into one page.
BATCH = PAGE_SIZE // 8


@define
class Scatterlist:
    """One scatterlist entry: *length* bytes of contiguous frames, from frame *page* on."""

    page: int
    length: int

    @property
    def npages(self) -> int:
        """Number of pages, the last one possibly partial: ``DIV_ROUND_UP(length, PAGE_SIZE)``."""
        return -(-self.length // PAGE_SIZE)


@define
class Umem:
    """The fields of ``struct ib_umem`` that matter for pins.

    :param sgl: The scatterlist as the CPU sees it.
    :param nmap: Number of entries as the device sees them; the IOMMU may merge some.
    """

    writable: bool
    sgl: list[Scatterlist] = field(factory=list)
    nmap: int = 0

    @property
    def sg_nents(self) -> int:
        """Number of entries as the CPU sees them. A release unpins all these, not only *nmap*."""
        return len(self.sgl)

    @property
    def longest(self) -> int:
        """Length of the longest entry, in bytes; 0 if there is none."""
        return max((sg.length for sg in self.sgl), default=0)


def append_pages(sgl: list[Scatterlist], pages: Sequence[int], max_segment: int) -> None:
    """Append *pages* to *sgl* (``__sg_alloc_table_from_pages()``, lib/scatterlist.c).

    Frames that continue the last entry extend it. No entry gets longer than *max_segment* bytes,
    rounded down to whole pages.
    """
    max_pages = max_segment // PAGE_SIZE
    for first, npages in _contiguous(pages):
        start, stop = first, first + npages
        if sgl and sgl[-1].page + sgl[-1].npages == start:
            joining = min(npages, max_pages - sgl[-1].npages)
            sgl[-1].length += joining * PAGE_SIZE
            start += joining
        sgl += [
            Scatterlist(page, min(max_pages, stop - page) * PAGE_SIZE)
            for page in range(start, stop, max_pages)
        ]


def _contiguous(pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first frame, number of frames) of each maximal contiguous part of *pages*."""
    start = 0
    for i in range(1, len(pages) + 1):
        if i == len(pages) or pages[i] != pages[i - 1] + 1:
            yield pages[start], i - start
            start = i
