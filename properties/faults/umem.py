# SPDX-License-Identifier: MIT

"""Faults of releasing a memory region: which entries, and which pages of each."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.semantics import PAGE_SIZE
from model.umem import Scatterlist, Umem
from properties.faults.fault import fault


@fault("umem", "A01, review of v1 4/4", versions=("5.11", "5.13"))
class ReleasesNmap(Optimised):
    """The release walks the entries that the device saw, not those that the CPU made.

    An IOMMU joins neighbours, so the device sees fewer: the pages of the others stay pinned.
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
    """The length of an entry in pages is rounded down.

    If a region ends inside a page, that page stays pinned. The series rounds up.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return sg.length // PAGE_SIZE


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthPlusOne(Optimised):
    """The number of pages of an entry is its number of whole pages plus one.

    Right for entries that end inside a page. All others, which are nearly all, lose a pin.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return sg.length // PAGE_SIZE + 1


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthToNearest(Optimised):
    """The length of an entry is rounded to the nearest number of pages.

    Only the pin of a last page of which less than half is used stays.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return (sg.length + PAGE_SIZE // 2) // PAGE_SIZE


@fault("umem", "D06, at 17 bits instead of 32", versions=("5.11", "5.13"))
class LengthWraps(Optimised):
    """Rounding up the length of an entry wraps, and the entry has no pages.

    In 32 bits, 4 GiB less a few bytes plus a page are almost zero; here 128 KiB are enough.
    """

    def npages_of_entry(self, sg: Scatterlist) -> int:
        return (sg.length + PAGE_SIZE - 1) % (1 << 17) // PAGE_SIZE


@fault("umem", "mutation", versions=("5.11", "5.13"))
class LastEntryOfManyStays(Optimised):
    """The last entry of a scatterlist of several is not released.

    The loop looks one entry ahead. A region of one entry is right, as in most tests.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[:-1] or umem.sgl


@fault("umem", "mutation", versions=("5.11", "5.13"))
class FirstPageTwice(Optimised):
    """The first page of each entry but the first is put once more.

    Two entries were taken to overlap by one page.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl[1:]:
            self.unpin_user_page(sg.page)
        super().release_umem(umem, dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RepeatedEntrySkipped(Optimised):
    """An entry that begins at the same page as the one before is skipped.

    A page that is mapped twice in a row makes two entries, and both are pinned.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        before = [-1, *(sg.page for sg in umem.sgl)]
        return [sg for sg, page in zip(umem.sgl, before, strict=False) if sg.page != page]


@fault("umem", "E07, 770c8d55c428", versions=("5.11", "5.13"))
class EntryIsOneHead(Optimised):
    """All pages of an entry are taken to belong to one compound page.

    Neighbouring compound pages are contiguous too. A block I/O vector that spanned two folios
    had one reference for both, and freed the second under its user.
    """

    def release_entry(self, page: int, npages: int, make_dirty: bool) -> None:
        head = self.memory.compound_head(page)
        self.unpin_range_run(page, head, npages, make_dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RegionReleasedTwice(Optimised):
    """A writable region is released by a pass that dirties and by one that does not.

    The two loops were meant as alternatives, one for each kind of region.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        if umem.writable and dirty:
            super().release_umem(umem, dirty)
        super().release_umem(umem, dirty=False)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class SegmentRoundedUp(Optimised):
    """The largest segment of a device is rounded up to whole pages, and not down.

    Only a limit that is no multiple of the page size gives the device too large an entry.
    """

    def umem_append(self, umem: Umem, batch: Sequence[int], max_segment: int) -> None:
        super().umem_append(umem, batch, -(-max_segment // PAGE_SIZE) * PAGE_SIZE)


@fault("umem", "mutation of A01", versions=("5.11", "5.13"))
class ReleasesOneMoreThanNmap(Optimised):
    """The release ends one entry behind the last that the device saw.

    A bound that is inclusive by mistake. It is right while the IOMMU joins only two entries.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[: umem.nmap + 1]
