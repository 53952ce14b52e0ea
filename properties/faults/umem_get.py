# SPDX-License-Identifier: MIT

"""Faults of making a memory region: batches, and what is unwound when one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import ENOMEM, Optimised
from model.semantics import PAGE_SIZE
from model.umem import BATCH, Umem, append_pages
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence


class _Get(Optimised):
    """``ib_umem_get()`` with a method for each of its decisions."""

    def append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        """Put *batch* behind the region's scatterlist."""
        append_pages(umem.sgl, batch, max_segment)

    def reached(self, asked: int, pinned: int) -> int:
        """How far a batch of *asked* pages went of which *pinned* were pinned."""
        return pinned

    def pin_failed(self, umem: Umem) -> None:
        """Unwind where no page of a batch could be pinned."""
        self.release_umem(umem, dirty=False)

    def append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Unwind where the scatterlist found no memory for *batch* of *pages*."""
        self.unpin_user_pages_dirty_lock(batch, len(batch), make_dirty=False)
        self.release_umem(umem, dirty=False)

    def map_failed(self, umem: Umem) -> Umem | int:
        """Unwind where DMA mapping failed."""
        self.release_umem(umem, dirty=False)
        return ENOMEM

    def ib_umem_get(
        self,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Umem | int:
        """Register, batch by batch."""
        umem = Umem(writable)
        done = 0
        batch = 0
        while done < len(pages):
            page_list = pages[done : done + BATCH]
            pinned = self.pin_user_pages(page_list)
            if pinned < 0:
                self.pin_failed(umem)
                return pinned
            done += self.reached(len(page_list), pinned)
            if batch == append_fails:
                self.append_failed(umem, pages, page_list[:pinned])
                return ENOMEM
            self.append(umem, page_list[:pinned], max_segment)
            batch += 1
        umem.nmap = umem.sg_nents if nmap is None else min(nmap, umem.sg_nents)
        return umem if umem.nmap else self.map_failed(umem)


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class BatchNotUnwound(_Get):
    """The batch for which no memory was found stays pinned.

    It is pinned, and not in the scatterlist yet, so releasing that does not
    reach it. The kernel unpins it by itself, and must.
    """

    def append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Release the scatterlist only."""
        self.release_umem(umem, dirty=False)


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class BatchUnwoundTwice(_Get):
    """The batch that failed is unpinned as a list, and again as part of the scatterlist.

    True if appending had got so far as to enter the pages before it failed. The
    second unpin takes the mapping's references.
    """

    def append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Release the batch twice."""
        self.unpin_user_pages(batch, len(batch))
        super().append_failed(umem, pages, batch)


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class TableNotUnwound(_Get):
    """Only the batch that failed is unpinned, and not those before it.

    The first batch has none before it. It takes a region of more than 512 pages
    whose second batch fails.
    """

    def append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Release the batch only."""
        self.unpin_user_pages(batch, len(batch))


@fault("umem", "E04, iommufd, 6.3-rc", versions=("5.11", "5.13"))
class UnwindsFromStart(_Get):
    """What is unpinned of the batch that failed are the region's first pages.

    An index that begins at the region and not at the batch: as many pages as are
    to be unpinned, but the wrong ones. iommufd carried a batch over so.
    """

    def append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        """Release as many pages from the beginning."""
        super().append_failed(umem, pages, pages[: len(batch)])


@fault("umem", "E03, io_sqe_buffer_register()", versions=("5.11", "5.13"))
class PinErrorLeaks(_Get):
    """Where a page cannot be pinned, those before it are left pinned.

    The error goes to the caller at once, past the label that unwinds. It is
    the path that nobody takes in a test: all memory is there.
    """

    def pin_failed(self, umem: Umem) -> None:
        """Unwind nothing."""


@fault("umem", "A02's kind, E03's kind", versions=("5.11", "5.13"))
class MapErrorLeaks(_Get):
    """Where DMA mapping fails, the error is returned and the pages stay pinned.

    All is pinned and in the scatterlist then, and nobody will ever release a
    region that the caller did not get.
    """

    def map_failed(self, umem: Umem) -> Umem | int:
        """Unwind nothing."""
        return ENOMEM


@fault("umem", "mutation", versions=("5.11", "5.13"))
class MapErrorIgnored(_Get):
    """A region that could not be mapped for DMA is returned as a good one.

    Zero mapped entries is how the mapping call says that it failed. The device
    is given a region it cannot reach.
    """

    def map_failed(self, umem: Umem) -> Umem | int:
        """Go on."""
        return umem


@fault("umem", "mutation of E05", versions=("5.11", "5.13"))
class PartialBatchIsWhole(_Get):
    """A batch that was pinned in part is taken for a whole one.

    The walk goes on behind the hole, which the next call would have reported.
    The region has fewer pages than addresses, and each page behind the hole
    lies at the wrong one.
    """

    def reached(self, asked: int, pinned: int) -> int:
        """All that was asked for."""
        return asked


@fault("umem", "mutation of E01", versions=("5.11", "5.13"))
class NoJoinAcrossBatches(_Get):
    """The first page of a batch always begins an entry.

    Each batch makes a table of its own, and the tables are chained. Nothing
    leaks; a device with few entries has no room for a region that would fit.
    """

    def append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        """Append entries of *batch* alone."""
        alone = Umem(umem.writable)
        append_pages(alone.sgl, batch, max_segment)
        umem.sgl.extend(alone.sgl)


@fault("umem", "mutation of E01", versions=("5.11", "5.13"))
class JoinPastSegment(_Get):
    """Joining a batch to the last entry does not look at how long that may be.

    The limit is asked where entries are made, and forgotten where one goes on.
    The device gets an entry that is longer than it can take.
    """

    def append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        """Let the last entry grow by all that follows it."""
        joining = 0
        if umem.sgl:
            following = umem.sgl[-1].page + umem.sgl[-1].npages
            while joining < len(batch) and batch[joining] == following + joining:
                joining += 1
            umem.sgl[-1].length += joining * PAGE_SIZE
        append_pages(umem.sgl, batch[joining:], max_segment)
