# SPDX-License-Identifier: MIT

"""Faults of the range iterator's arithmetic (``compound_range_next``)."""

from __future__ import annotations

from model.optimised import Optimised
from model.umem import BATCH
from properties.faults.fault import fault


#: Pages of one section of SPARSEMEM on x86-64: 128 MiB.
SECTION = 1 << 15


@fault("range math", "A10, near-miss of the series")
class NoTailOffset(Optimised):
    """The run is the whole compound page, wherever in it the range begins.

    A range that starts in a tail and crosses into the next compound page takes
    too many pins from the first and too few from the next.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run of ``compound_nr()``, without the offset of the tail."""
        head = self.memory.compound_head(page + i)
        return head, min(self.memory.compound_nr(head), npages - i)


@fault("range math", "A11, near-miss of the series")
class CutAtNpages(Optimised):
    """The run is cut at all of the range's pages, not at those that are left.

    Every compound page but the last is right either way. The last one, if the
    range stops inside it, loses pins of pages that the caller never named.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run that may go past the range's end."""
        head = self.memory.compound_head(page + i)
        return head, min(head + self.memory.compound_nr(head) - page - i, npages)


@fault("range math", "mutation of A11")
class NeverCut(Optimised):
    """The last run goes to the end of its compound page, whatever was asked.

    Without any minimum even a range of one page in a huge page drops hundreds
    of pins; a driver that returns its buffers piece by piece underflows it.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run without a minimum."""
        head = self.memory.compound_head(page + i)
        return head, head + self.memory.compound_nr(head) - page - i


@fault("range math", "mutation")
class RunOnePageLong(Optimised):
    """The run reaches one page past the end of its compound page.

    An end that is taken as inclusive. The first page after the edge is put
    against the head before it, so that its own head keeps a pin for ever.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run with one page of the next head."""
        head = self.memory.compound_head(page + i)
        stop = head + self.memory.compound_nr(head) + 1
        return head, min(stop - page - i, npages - i)


@fault("range math", "mutation")
class LastTailStays(Optimised):
    """The walk steps over a whole run, but its put is one page short.

    What stays is one pin of every compound page that has more than one page in
    the range: a leak that grows with each region, and that no single page shows.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Put all but the last page of each run."""
        i = 0
        while i < npages:
            head, ntails = self.compound_range_next(i, npages, page)
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, max(1, ntails - 1))
            i += ntails


@fault("range math", "mutation")
class OrderPlusOne(Optimised):
    """A compound page is taken to be twice as large as it is.

    The order was read from where the order plus one is stored. Two neighbours
    of one order are then put as one, against the head of the first.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run to the end of twice the compound page."""
        head = self.memory.compound_head(page + i)
        nr = 2 << self.memory.compound_order(head)
        return head, min(head + nr - page - i, npages - i)


@fault("range math", "C06, mutation of the series")
class HeadIsPage(Optimised):
    """The put goes to the page the run begins with, though that is a tail.

    A tail has counters of its own, which are zero and nobody's: they go
    negative, and the head keeps its pins. Only ranges that begin in a tail do
    it, since any later run begins with its head.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The right run, of the wrong page."""
        _, ntails = super().compound_range_next(i, npages, page)
        return page + i, ntails


@fault("range math", "mutation")
class OnlyFirstRun(Optimised):
    """The first run of the range is put, and the call returns.

    Right for every range inside one compound page, which is what a test with
    one huge page makes. All others leak.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """One run only."""
        if npages:
            _, npages = self.compound_range_next(0, npages, page)
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("range math", "mutation")
class PartialEndStays(Optimised):
    """The walk stops before a compound page of which the range holds only a part.

    A loop that wants whole compound pages. A region whose last page lies inside
    a huge page keeps all its pins of that huge page.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Leave out what does not fill its compound page, unless it comes first."""
        if npages:
            head = self.memory.compound_head(page + npages - 1)
            if head > page and head + self.memory.compound_nr(head) > page + npages:
                npages = head - page
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)


@fault("range math", "D04, 5.13 on classic SPARSEMEM, fixed 2022-01")
class OffsetWithinSection(Optimised):
    """In a gigantic page the tail's offset is right in the first section only.

    Where memory has a page array for each section, subtracting pointers into
    different arrays does not give a number of pages. The model of it: the
    offset counts from the section's start. A range from a late tail into the
    next page then takes too much from the gigantic one.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run whose offset forgets whole sections."""
        head = self.memory.compound_head(page + i)
        offset = (page + i - head) % SECTION
        return head, min(self.memory.compound_nr(head) - offset, npages - i)


@fault("range math", "D03, 5.13 on classic SPARSEMEM, fixed 2022-01")
class WrapsInSection(Optimised):
    """A step across the edge of a section lands elsewhere.

    Adding to a pointer into one section's page array leaves that array; what
    lies behind it belongs to another place. The model of it: the range begins
    again at its section's start, so that pages nobody named lose their pins.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The run at a frame that never leaves the section of the first."""
        following = page - page % SECTION + (page + i) % SECTION
        return super().compound_range_next(0, npages - i, following)


@fault("range math", "D07, at 12 bits instead of 31")
class NpagesTruncated(Optimised):
    """The number of pages is narrowed on the way in, and its upper bits are lost.

    Of a parameter that went from unsigned long to int, a range of 2^31 pages or
    more sees only the rest. Here 4096 are as good as none, so that it can be met.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Keep twelve bits of *npages*."""
        super().unpin_user_page_range_dirty_lock(page, npages % 4096, make_dirty)


@fault("range math", "mutation")
class OneBatchOfRange(Optimised):
    """No more than one batch of 512 pages is walked.

    A caller's limit that got into the callee: pinning goes by 512 pages at a
    time, unpinning a region must not. All small regions are right.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """The first 512 pages, and no more."""
        super().unpin_user_page_range_dirty_lock(page, min(npages, BATCH), make_dirty)
