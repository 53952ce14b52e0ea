# SPDX-License-Identifier: MIT

"""Faults of the dirty flag: whether it is set, when, and on which page."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.umem import Umem
from properties.faults.fault import fault


@fault("dirty flag", "mutation of the series")
class DirtiesAfterPut(Optimised):
    """Each head of a range is dirtied after its pins are put.

    If the put was the last, the page is free and perhaps somebody else's when it is dirtied;
    else reclaim in between may drop the page, still clean, with what the device wrote.
    """

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        self.put_compound_head(head, ntails)
        if make_dirty:
            self.dirty_head(head)


@fault("dirty flag", "mutation of the series", versions=("5.11", "5.13"))
class DirtiesListAfterwards(Optimised):
    """A list is unpinned first, and dirtied in a second walk over the pages that are left.

    It looks careful, because freed pages are left alone. The others were unpinned and clean for
    a while: reclaim may have dropped one, with what the device wrote.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        self.unpin_user_pages(pages, npages)
        for head in self._heads(pages[:npages]):
            if self.memory.page_ref_count(head) > 0:
                self.dirty_head(head)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesTailItself(Optimised):
    """The dirty flag is set on the page that the list names, even if it is a tail.

    Nobody reads the flag of a tail: the head looks clean, and reclaim drops the data.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        for page in dict.fromkeys(pages[:npages]):
            self.memory.set_dirty(page, dirty=True)
        self.unpin_user_pages(pages, npages)


@fault("dirty flag", "mutation")
class DirtiesFirstRunOnly(Optimised):
    """Only the first compound page of a range is dirtied.

    A helper for one page replaced a loop over pages. A range in one huge page never shows this.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        first = self.compound_range_next(0, npages, page)[1] if npages else 0
        super().unpin_user_page_range_dirty_lock(page, first, make_dirty)
        super().unpin_user_page_range_dirty_lock(page + first, npages - first, make_dirty=False)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesLastOnly(Optimised):
    """Only the head of a list's last entry is dirtied.

    The dirtying was moved out of the loop, after which the loop's variable holds the last head.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        if npages:
            self.dirty_head(self.memory.compound_head(pages[npages - 1]))
        self.unpin_user_pages(pages, npages)


@fault("dirty flag", "mutation")
class DirtiesNamedHeadsOnly(Optimised):
    """A run is dirtied only if it begins with its head; runs that begin in a tail stay clean.

    To dirty each compound page once, the code waits for the page that is its head.
    """

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        super().unpin_range_run(page, head, ntails, make_dirty and page == head)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class TogglesDirty(Optimised):
    """A head that is dirty already is cleaned: the flag is inverted where it should be set.

    Only a page that was written before, or two runs of one head in a list, show it.
    """

    def dirty_head(self, head: int) -> None:
        if self.memory.page_dirty(head):
            self.memory.set_dirty(head, dirty=False)
        else:
            self.memory.set_page_dirty_lock(head)


@fault("dirty flag", "mutation")
class DirtiesUnasked(Optimised):
    """A range is dirtied even if the caller did not ask for it.

    File pages that were only read become dirty without page_mkwrite(): no filesystem expects that.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty=True)


@fault("dirty flag", "mutation")
class DirtiesMappedOnly(Optimised):
    """A page that is no longer mapped is not dirtied.

    It may still be page cache of a file: what the device wrote after the unmapping may be lost.
    """

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        make_dirty = make_dirty and self.memory.page_mapcount(head) > 0
        super().unpin_range_run(page, head, ntails, make_dirty)


@fault("dirty flag", "mutation")
class AsksFirstHeadOnly(Optimised):
    """If the first page of a range is dirty, the others are taken to be dirty too.

    This saves reading the other flags; in a range that is dirty in part, clean pages stay clean.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        if make_dirty and npages and self.memory.page_dirty(page):
            make_dirty = False
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class DirtiesReadOnlyRegion(Optimised):
    """Releasing a region dirties its pages even if the device could not write to them.

    Of two conditions, that the region is writable and dirtying is asked for, the first was lost.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.writable = True
        super().release_umem(umem, dirty)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class WritableMeansDirty(Optimised):
    """Releasing a writable region dirties its pages even if nothing was written.

    The pages become dirty even if the release only unwinds a registration that failed.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        super().release_umem(umem, dirty=True)


@fault("dirty flag", "mutation", versions=("5.11", "5.13"))
class NeverDirtiesRegion(Optimised):
    """The pages of a region are unpinned without being dirtied.

    One function releases regions and unwinds failed registrations, and lost its parameter *dirty*.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        super().release_umem(umem, dirty=False)
