# SPDX-License-Identifier: MIT

"""Faults of the range iterator's arithmetic (``compound_range_next``)."""

from model.optimised import Optimised
from model.umem import BATCH
from properties.faults.fault import fault

#: Number of pages of one section of SPARSEMEM on x86-64: 128 MiB.
SECTION = 1 << 15


@fault("range math", "A10, near-miss of the series")
class NoTailOffset(Optimised):
    """The run is the whole compound page, even if the range begins in a tail.

    If such a range crosses into the next compound page, the first one loses too many pins.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        return head, min(self.memory.compound_nr(head), npages - i)


@fault("range math", "A11, near-miss of the series")
class CutAtNpages(Optimised):
    """A run is cut to the number of pages of the whole range, not of the pages that are left.

    If the range stops inside the last of several compound pages, this one loses too many pins.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        return head, min(head + self.memory.compound_nr(head) - page - i, npages)


@fault("range math", "mutation of A11")
class NeverCut(Optimised):
    """The last run goes to the end of its compound page, even if the range ends before.

    A driver that unpins its buffer piece by piece drops more pins than it took.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        return head, head + self.memory.compound_nr(head) - page - i


@fault("range math", "mutation")
class RunOnePageLong(Optimised):
    """The run reaches one page past the end of its compound page.

    The end is taken as inclusive: this head loses the pin of the next compound page's first page.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        stop = head + self.memory.compound_nr(head) + 1
        return head, min(stop - page - i, npages - i)


@fault("range math", "mutation")
class LastTailStays(Optimised):
    """The walk steps over a whole run, but the put drops one pin less than the run has pages.

    Each run of more than one page leaks a pin; a run of a single page leaks none.
    """

    def unpin_range_run(self, page: int, head: int, ntails: int, make_dirty: bool) -> None:
        super().unpin_range_run(page, head, max(1, ntails - 1), make_dirty)


@fault("range math", "mutation")
class OrderPlusOne(Optimised):
    """A compound page is taken to be twice as large as it is.

    Two neighbouring compound pages of one order are one run: the first head loses all pins.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        nr = 2 << self.memory.compound_order(head)
        return head, min(head + nr - page - i, npages - i)


@fault("range math", "C06, mutation of the series")
class HeadIsPage(Optimised):
    """The put goes to the first page of the run, even if that is a tail.

    Only ranges that begin in a tail show it, because any later run begins with its head.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        _, ntails = super().compound_range_next(i, npages, page)
        return page + i, ntails


@fault("range math", "mutation")
class OnlyFirstRun(Optimised):
    """The first run of the range is put, and the call returns.

    This is right for every range inside one compound page, as in a test with one huge page.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        if npages:
            _, npages = self.compound_range_next(0, npages, page)
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("range math", "mutation")
class PartialEndStays(Optimised):
    """The walk stops before the last compound page if the range ends inside that page.

    A region that ends inside a huge page, and begins before it, keeps all its pins of it.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        if npages:
            head = self.memory.compound_head(page + npages - 1)
            if head > page and head + self.memory.compound_nr(head) > page + npages:
                npages = head - page
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("range math", "D04, 5.13 on classic SPARSEMEM, fixed 2022-01")
class OffsetWithinSection(Optimised):
    """The offset of a tail from its head is counted from the start of the tail's section.

    It models a subtraction of pointers into the memmaps of two sections, which does not give a
    number of pages. Only gigantic pages, which lie in several sections, show it.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        offset = (page + i - head) % SECTION
        return head, min(self.memory.compound_nr(head) - offset, npages - i)


@fault("range math", "D03, 5.13 on classic SPARSEMEM, fixed 2022-01")
class WrapsInSection(Optimised):
    """A range that crosses the end of a section continues at the start of the same section.

    It models pointer arithmetic past the end of one section's array of struct page: the
    memory there describes other pages, which nobody named and which lose their pins.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        following = page - page % SECTION + (page + i) % SECTION
        return super().compound_range_next(0, npages - i, following)


@fault("range math", "D07, at 12 bits instead of 31")
class NpagesTruncated(Optimised):
    """The upper bits of the number of pages are lost when the number is passed on.

    This happens if a parameter is an int, not an unsigned long. Here 12 bits are left: 4096 is 0.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        super().unpin_user_page_range_dirty_lock(page, npages % 4096, make_dirty)


@fault("range math", "mutation")
class OneBatchOfRange(Optimised):
    """A range call unpins at most 512 pages.

    A region is pinned in batches of 512 pages, but its release must not stop after one batch.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        super().unpin_user_page_range_dirty_lock(page, min(npages, BATCH), make_dirty)
