# SPDX-License-Identifier: MIT

"""Faults of memory regions: what a release unpins, and what is unpinned when a batch fails."""

from collections.abc import Sequence

from model.optimised import ENOMEM, Optimised
from model.semantics import PAGE_SIZE
from model.umem import Scatterlist, Umem
from properties.faults.fault import fault

# Releasing a region.


@fault("umem", "A01, review of v1 4/4", versions=("5.11", "5.13"))
class ReleasesNmap(Optimised):
    """The release walks only as many scatterlist entries as the device has after DMA mapping.

    An IOMMU merges neighbouring entries, so the device has fewer: the last ones stay pinned.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[: umem.nmap or None]


@fault("umem", "A02, follows from A01", versions=("5.11", "5.13"))
class UnmappedStays(Optimised):
    """A region that was never mapped for DMA is not unpinned at all.

    If the mapping fails, a loop up to the number of mapped entries does nothing.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl if umem.nmap else []


@fault("umem", "A03, sketch in the review of the RFC", versions=("5.11", "5.13"))
class LengthRoundedDown(Optimised):
    """The length of a scatterlist entry in pages is rounded down.

    If a region ends inside a page, that page stays pinned. The series rounds up.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return sg.length // PAGE_SIZE


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthPlusOne(Optimised):
    """The number of pages of a scatterlist entry is its number of whole pages plus one.

    This is right only if the entry ends inside a page. Else the page after the entry loses a pin.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return sg.length // PAGE_SIZE + 1


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthToNearest(Optimised):
    """The length of a scatterlist entry is rounded to the nearest number of pages.

    A last page of which less than half is used stays pinned; all others are unpinned.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return (sg.length + PAGE_SIZE // 2) // PAGE_SIZE


@fault("umem", "D06, at 17 bits instead of 32", versions=("5.11", "5.13"))
class LengthWraps(Optimised):
    """Rounding up the length of a scatterlist entry wraps, and the entry has no pages.

    In 32 bits, 4 GiB less a few bytes, plus nearly a page, is almost 0; here 128 KiB are enough.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return (sg.length + PAGE_SIZE - 1) % (1 << 17) // PAGE_SIZE


@fault("umem", "mutation", versions=("5.11", "5.13"))
class LastEntryOfManyStays(Optimised):
    """If a scatterlist has several entries, its last one is not released.

    The loop looks one entry ahead. Regions of one entry, as most tests have, are released.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[:-1] or umem.sgl


@fault("umem", "mutation", versions=("5.11", "5.13"))
class FirstPageTwice(Optimised):
    """The first page of each scatterlist entry after the first entry is unpinned twice.

    The code assumes that an entry begins with the last page of the one before.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl[1:]:
            self.unpin_user_page(sg.page)
        super().release_umem(umem, dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RepeatedEntrySkipped(Optimised):
    """A scatterlist entry that begins with the same page as the entry before is not released.

    A page that a region names twice in a row has two entries, and one pin for each of them.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        before = [-1, *(sg.page for sg in umem.sgl)]
        return [sg for sg, page in zip(umem.sgl, before, strict=False) if sg.page != page]


@fault("umem", "E07, 770c8d55c428", versions=("5.11", "5.13"))
class EntryIsOneHead(Optimised):
    """All pages of a scatterlist entry are taken to belong to one compound page.

    Neighbouring compound pages are contiguous too. A block I/O vector that spanned two folios
    had one reference for both, and the second was freed while it was in use.
    """

    def release_entry(self, page: int, npages: int, make_dirty: bool) -> None:
        head = self.memory.compound_head(page)
        self.unpin_range_run(page, head, npages, make_dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RegionReleasedTwice(Optimised):
    """A writable region is released twice: by a loop that dirties and by one that does not.

    The two loops were meant as alternatives, for writable and for read-only regions.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        if umem.writable and dirty:
            super().release_umem(umem, dirty)
        super().release_umem(umem, dirty=False)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class SegmentRoundedUp(Optimised):
    """The maximum segment size of a device is rounded up to whole pages, and not down.

    The device gets too large an entry only if the maximum is no multiple of the page size.
    """

    def umem_append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        super().umem_append(umem, batch, -(-max_segment // PAGE_SIZE) * PAGE_SIZE)


@fault("umem", "mutation of A01", versions=("5.11", "5.13"))
class ReleasesOneMoreThanNmap(Optimised):
    """The release walks one scatterlist entry more than the device has after DMA mapping.

    The bound is inclusive by mistake: nothing leaks if the IOMMU merged just two entries.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[: umem.nmap + 1]


# Making a region.


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
