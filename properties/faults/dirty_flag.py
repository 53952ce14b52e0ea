# SPDX-License-Identifier: MIT

"""Faults of the dirty flag: when it is set, on what, and whether at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import Optimised
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.umem import Umem


@fault("dirty flag", "mutation of the series")
class DirtiesAfterPut(Optimised):
    """Each head of a range is dirtied when its references are gone already.

    The put may be the last. Then the page is free, perhaps someone else's, by
    the time it is marked; and writeback in between loses what DMA wrote.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Put, then dirty."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            self.put_compound_head(head, ntails)
            if make_dirty:
                self.dirty_head(head)
            i += ntails


@fault("dirty flag", "mutation of the series", versions=("5.11", "5.13"))
class DirtiesListAfterwards(Optimised):
    """A list is unpinned in full, and dirtied in a second walk where pages are left.

    It looks careful, since pages that were freed are left alone. Those that
    live on were unpinned and clean for a while, so a writeback may have taken
    their old content and thrown them away.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Unpin all, then dirty what is still referenced."""
        self.unpin_user_pages(pages, npages)
        if make_dirty:
            for head in self._heads(pages[:npages]):
                if self.memory.page_ref_count(head) > 0:
                    self.dirty_head(head)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesTailItself(Optimised):
    """The flag is set on the page that the list names, be it a tail.

    The flag of a compound page is its head's. One that is set on a tail is read
    by nobody, so the data is dropped with a page that looks clean.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Dirty entries, not heads."""
        if make_dirty:
            for page in dict.fromkeys(pages[:npages]):
                self.memory.set_dirty(page, dirty=True)
        self.unpin_user_pages(pages, npages)


@fault("dirty flag", "mutation")
class DirtiesFirstRunOnly(Optimised):
    """Only the first compound page of a range is dirtied.

    Where a helper that dirties "the page" replaced a loop over pages. A region
    inside one huge page never shows it.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Ask for dirty pages in the first turn."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty and i == 0:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesLastOnly(Optimised):
    """Only the head of a list's last entry is dirtied.

    The dirtying slipped out of the loop, and what the loop's variable holds
    then is the last head.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Dirty one head of the list."""
        if make_dirty and npages:
            self.dirty_head(self.memory.compound_head(pages[npages - 1]))
        self.unpin_user_pages(pages, npages)


@fault("dirty flag", "mutation")
class DirtiesNamedHeadsOnly(Optimised):
    """A run is dirtied only if it begins with its head.

    Somebody wanted each compound page dirtied once, and took the head's own
    entry as the occasion. Runs that begin in a tail stay clean.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Dirty a head when the walk meets it."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty and page + i == head:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class TogglesDirty(Optimised):
    """A head that is dirty already is cleaned.

    A flag that is changed where it should be set. It takes a page that was
    written before, or two runs of one head in a list, to see it.
    """

    def dirty_head(self, head: int) -> None:
        """Turn the flag over."""
        if self.memory.page_dirty(head):
            self.memory.set_dirty(head, dirty=False)
        else:
            self.memory.set_page_dirty_lock(head)


@fault("dirty flag", "mutation")
class DirtiesUnasked(Optimised):
    """A range is dirtied whether or not the caller asked for it.

    Pages that were only read get written back for nothing, and clean file pages
    of a read-only mount become dirty, which their filesystem cannot handle.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Forget *make_dirty*."""
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty=True)


@fault("dirty flag", "mutation")
class DirtiesMappedOnly(Optimised):
    """A page that nobody maps any more is not dirtied.

    The writer unmapped its buffer before the device was done. Such a page may
    still be page cache of a file, and what the device wrote is lost.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Dirty only where a page table entry is left."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty and self.memory.page_mapcount(head):
                self.dirty_head(head)
            self.put_compound_head(head, ntails)
            i += ntails


@fault("dirty flag", "mutation")
class AsksFirstHeadOnly(Optimised):
    """Whether a range is dirty already is asked of its first head, once.

    Saves a look at each head, and is wrong for every range that is dirty in
    part: the clean rest stays clean.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Let the first head answer for all."""
        if make_dirty and npages and self.memory.page_dirty(page):
            make_dirty = False
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesReadOnlyRegion(Optimised):
    """Releasing a region dirties its pages even where the device could not write.

    The call asks both: was the region writable, and is what it holds to be
    kept. Here the first question was lost.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.writable = True
        super().release_umem(umem, dirty)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class WritableMeansDirty(Optimised):
    """Releasing a region dirties its pages though nothing was written.

    The other half of the same condition: any writable region is dirty, also
    one that is given back because a later step of its setup failed.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        super().release_umem(umem, dirty=True)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class NeverDirtiesRegion(Optimised):
    """The pages of a region are unpinned clean.

    One path for unwinding and for releasing, and the flag that tells them apart
    is lost on the way. What the device wrote is dropped under memory pressure.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        super().release_umem(umem, dirty=False)
