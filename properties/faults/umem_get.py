# SPDX-License-Identifier: MIT

"""Faults of making a memory region: its batches, and what is unpinned when one fails."""

from collections.abc import Sequence

from model.optimised import ENOMEM, Optimised
from model.semantics import PAGE_SIZE
from model.umem import Umem
from properties.faults.fault import fault


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class BatchNotUnwound(Optimised):
    """A batch for whose scatterlist entries there is no memory stays pinned.

    It is not in the scatterlist yet, so releasing the scatterlist does not reach it.
    """

    def umem_append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        self.release_umem(umem, dirty=False)


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class BatchUnwoundTwice(Optimised):
    """The batch that failed is unpinned twice, the second time with references of other holders.

    The code assumes that the batch was added to the scatterlist before memory ran out.
    """

    def umem_append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        self.unpin_user_pages(batch, len(batch))
        super().umem_append_failed(umem, pages, batch)


@fault("umem", "E10, mutation", versions=("5.11", "5.13"))
class TableNotUnwound(Optimised):
    """Only the batch that failed is unpinned, and not the batches before it.

    Only a region of more than 512 pages shows this, if a batch after the first fails.
    """

    def umem_append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        self.unpin_user_pages(batch, len(batch))


@fault("umem", "E04, iommufd, 6.3-rc", versions=("5.11", "5.13"))
class UnwindsFromStart(Optimised):
    """Instead of the batch that failed, the first pages of the region are unpinned.

    An index counts from the region's start and not from the batch's: only the number of pages
    is right. iommufd did this with a batch that it kept for the next call.
    """

    def umem_append_failed(self, umem: Umem, pages: Sequence[int], batch: Sequence[int]) -> None:
        super().umem_append_failed(umem, pages, pages[: len(batch)])


@fault("umem", "E03, io_sqe_buffer_register()", versions=("5.11", "5.13"))
class PinErrorLeaks(Optimised):
    """If a page cannot be pinned, the pages before it stay pinned.

    The error is returned without a jump to the label that unwinds. In tests, pins rarely fail.
    """

    def umem_pin_failed(self, umem: Umem) -> None:
        pass


@fault("umem", "A02's kind, E03's kind", versions=("5.11", "5.13"))
class MapErrorLeaks(Optimised):
    """If the DMA mapping fails, the error is returned and the pages stay pinned.

    Nobody can unpin them later: the caller got no region that it could release.
    """

    def umem_map_failed(self, umem: Umem) -> Umem | int:
        return ENOMEM


@fault("umem", "mutation", versions=("5.11", "5.13"))
class MapErrorIgnored(Optimised):
    """A region whose DMA mapping failed is returned as a good one.

    The mapping call reports a failure as 0 mapped entries, which looks like a valid number.
    """

    def umem_map_failed(self, umem: Umem) -> Umem | int:
        return umem


@fault("umem", "mutation of E05", versions=("5.11", "5.13"))
class PartialBatchIsWhole(Optimised):
    """A batch of which only a part was pinned is treated as if all of it was.

    The walk continues with the next batch: the unpinned pages are missing from the region, and
    all later pages are at wrong addresses.
    """

    def umem_advance(self, asked: int, pinned: int) -> int:
        return asked


@fault("umem", "mutation of E01", versions=("5.11", "5.13"))
class NoJoinAcrossBatches(Optimised):
    """The first page of a batch always begins a new scatterlist entry.

    Nothing leaks; a device with few entries has no room for a region that would fit.
    """

    def umem_append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        alone = Umem(umem.writable)
        super().umem_append(alone, batch, max_segment)
        umem.sgl.extend(alone.sgl)


@fault("umem", "mutation of E01", versions=("5.11", "5.13"))
class JoinPastSegment(Optimised):
    """A batch is joined to the last scatterlist entry without a check of the maximum length.

    The limit is checked for new entries, and not where an entry is extended.
    """

    def umem_append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        joining = 0
        if umem.sgl:
            following = umem.sgl[-1].page + umem.sgl[-1].npages
            while joining < len(batch) and batch[joining] == following + joining:
                joining += 1
            umem.sgl[-1].length += joining * PAGE_SIZE
        super().umem_append(umem, batch[joining:], max_segment)
