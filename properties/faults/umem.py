# SPDX-License-Identifier: MIT

"""Faults of releasing a memory region: which entries, and how much of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import Optimised
from model.semantics import PAGE_SIZE
from model.umem import Scatterlist
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.umem import Umem


@fault("umem", "A01, review of v1 4/4", versions=("5.11", "5.13"))
class ReleasesNmap(Optimised):
    """The release walks as many entries as the device saw, not as the CPU made.

    An IOMMU joins neighbours, so that the device sees fewer. What lies in the
    entries behind stays pinned.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        if umem.nmap:
            umem.sgl = umem.sgl[: umem.nmap]
        super().release_umem(umem, dirty)


@fault("umem", "A02, follows from A01", versions=("5.11", "5.13"))
class UnmappedStays(Optimised):
    """A region that was never mapped for DMA is not unpinned at all.

    Where mapping fails, the number of mapped entries is zero, and a loop up to
    it does nothing: every failed registration leaks its whole region.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        if umem.nmap:
            super().release_umem(umem, dirty)


@fault("umem", "A03, sketch in the review of the RFC", versions=("5.11", "5.13"))
class LengthRoundedDown(Optimised):
    """Bytes of an entry are divided by the page size, and the rest is dropped.

    A region that ends inside a page keeps that page pinned. The series rounds
    up.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        entries = [Scatterlist(sg.page, sg.length // PAGE_SIZE * PAGE_SIZE) for sg in umem.sgl]
        umem.sgl = [sg for sg in entries if sg.length]
        super().release_umem(umem, dirty)


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthPlusOne(Optimised):
    """The pages of an entry are its whole pages and one more.

    Right for entries that end inside a page, and one pin too many for all that
    end with one, as nearly all do.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.sgl = [Scatterlist(sg.page, sg.length + 1) for sg in umem.sgl]
        super().release_umem(umem, dirty)


@fault("umem", "mutation of A03", versions=("5.11", "5.13"))
class LengthToNearest(Optimised):
    """Bytes of an entry are rounded to the nearest number of pages.

    Of a last page that is used by less than half the pin stays; more than half
    is right, and so is a whole page.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl:
            sg.length = (sg.length + PAGE_SIZE // 2) // PAGE_SIZE * PAGE_SIZE
        super().release_umem(umem, dirty)


@fault("umem", "D06, at 17 bits instead of 32", versions=("5.11", "5.13"))
class LengthWraps(Optimised):
    """Rounding up an entry's length wraps, and the entry has no pages.

    On a 32-bit machine adding a page less one byte to a length close to 4 GiB
    gives next to nothing. Here 128 KiB are enough.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl:
            sg.length = (sg.length + PAGE_SIZE - 1) % (1 << 17) // PAGE_SIZE * PAGE_SIZE
        super().release_umem(umem, dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class LastEntryOfManyStays(Optimised):
    """The last entry of a scatterlist of several is not released.

    The loop looks one entry ahead, as it would to join neighbours. A region of
    one entry is right, and most tests have no other.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.sgl = umem.sgl[:-1] or umem.sgl
        super().release_umem(umem, dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class FirstPageTwice(Optimised):
    """The first page of each entry but the first is put once more.

    Two entries were taken to overlap by one page. The extra put takes a pin that
    someone else holds, or the mapping's reference.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl[1:]:
            self.unpin_user_page(sg.page)
        super().release_umem(umem, dirty)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RepeatedEntrySkipped(Optimised):
    """An entry that begins where the one before began is skipped.

    Taken for the same entry. A page that is mapped twice in a row makes two
    entries, and both are pinned.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        before = [-1, *(sg.page for sg in umem.sgl)]
        umem.sgl = [sg for sg, page in zip(umem.sgl, before, strict=False) if sg.page != page]
        super().release_umem(umem, dirty)


@fault("umem", "E07, 770c8d55c428", versions=("5.11", "5.13"))
class EntryIsOneHead(Optimised):
    """All pages of an entry are taken to belong to one compound page.

    Entries are contiguous in memory, which compound pages lying side by side
    are as well. A block I/O vector that was joined across two folios had one
    reference for both, and freed the second under its user.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl:
            head = self.memory.compound_head(sg.page)
            if umem.writable and dirty:
                self.dirty_head(head)
            self.put_compound_head(head, sg.npages)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class RegionReleasedTwice(Optimised):
    """A region that is writable is released by a pass that dirties and by one that does not.

    The two loops were meant as alternatives, one for each kind of region.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        if umem.writable and dirty:
            super().release_umem(umem, dirty)
        super().release_umem(umem, dirty=False)


@fault("umem", "mutation", versions=("5.11", "5.13"))
class SegmentRoundedUp(Optimised):
    """The largest entry a device takes is rounded up to whole pages.

    A limit that is no multiple of the page size has to be rounded down, or the
    device is given entries that it cannot take.
    """

    def ib_umem_get(
        self,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Umem | int:
        """Register with a limit of whole pages."""
        most = -(-max_segment // PAGE_SIZE) * PAGE_SIZE
        return super().ib_umem_get(pages, writable, most, nmap, append_fails)


@fault("umem", "mutation of A01", versions=("5.11", "5.13"))
class ReleasesOneMoreThanNmap(Optimised):
    """The release ends one entry behind the last that the device saw.

    A bound that is inclusive by mistake, and hides the same mistake as long as
    the IOMMU joins no more than two entries.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.sgl = umem.sgl[: umem.nmap + 1]
        super().release_umem(umem, dirty)
