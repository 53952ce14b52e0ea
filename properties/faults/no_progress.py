# SPDX-License-Identifier: MIT

"""Faults by which a walk does not end, or does not see that it has nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.optimised import EFAULT, MIN_ERR_VALUE, Optimised
from model.semantics import PAGE_SIZE
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.umem import Umem


@fault("no progress", "D01, 5.13 to 6.12, at 8 bits instead of 32")
class NarrowMinimum(Optimised):
    """The minimum that cuts a run is taken in too few bits.

    What is left of the range is narrowed first: a multiple of 2^32 is none, and
    the walk stands still. Any other number only makes shorter runs. Here 256
    pages suffice; as in the kernel, single pages do not come that way.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The run, with eight bits of what is left."""
        head = self.memory.compound_head(page + i)
        if head == page + i and self.memory.compound_order(head) == 0:
            return head, 1
        rest = head + self.memory.compound_nr(head) - page - i
        return head, min(rest, (npages - i) % 256)


@fault("no progress", "D02, 5.14, at 8 bits instead of 32")
class NarrowIndex(Optimised):
    """The index where a run ends is kept in fewer bits than the list has.

    From 2^32 entries on the end lies before the begin. The difference is so
    large that a 5.14 kernel did not come back. Here 256 entries are as many.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        """The run, from an index of eight bits."""
        head, ntails = super().compound_next(i, npages, pages)
        return head, (i + ntails) % 256 - i


@fault("no progress", "mutation; the kernel wants each run to be 1 or more")
class LastPageIsNone(Optimised):
    """The run that begins with the last page of a compound page has no pages.

    The last page's number is taken where the number of pages was meant. The
    walk meets such a page at the end of each compound page, and stays there.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run up to the last page, exclusive."""
        head = self.memory.compound_head(page + i)
        last = head + max(1, self.memory.compound_nr(head) - 1)
        return head, min(max(0, last - page - i), npages - i)


@fault("no progress", "mutation", versions=("5.11", "5.13"))
class EmptyListWalked(Optimised):
    """An empty list is walked once before anybody looks at its length.

    A loop with its condition at the end. It reads the first entry of a list
    that has none.
    """

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Put a run, then look whether there was one."""
        if npages >= MIN_ERR_VALUE:
            super().unpin_user_pages(pages, npages)
            return
        i = 0
        while True:
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails
            if i >= npages:
                return


@fault("no progress", "mutation of B07, 9857a17f206f", versions=("5.11", "5.13"))
class RefusedGrabRepeated(Optimised):
    """A grab that is refused is tried until it works.

    That is how one takes a page that another CPU is just letting go. A count
    that overflowed refuses as well, and will go on refusing.
    """

    def _grab_runs(self, pages: Sequence[int], grab: Callable[[int, int], int]) -> int:
        i = 0
        while i < len(pages):
            head, ntails = self._mapped(i, pages)
            if not ntails:
                return i or EFAULT
            i += grab(head, ntails)
        return i


@fault("no progress", "mutation", versions=("5.11", "5.13"))
class FaultRepeated(Optimised):
    """A page that is not mapped is looked for until it is.

    The slow path faults a page in and looks again, which ends because the fault
    says when it cannot help. Here nobody asks it.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super()._mapped(i, pages)
        while not ntails:
            head, ntails = super()._mapped(i, pages)
        return head, ntails


@fault("no progress", "A03, mutation", versions=("5.11", "5.13"))
class PartialPageRepeated(Optimised):
    """What is left of an entry is counted down by whole pages until nothing is left.

    With a length that ends inside a page something always is left, and no whole
    page of it.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl:
            page, left = sg.page, sg.length
            while left:
                head = self.memory.compound_head(page)
                whole = min(left // PAGE_SIZE, head + self.memory.compound_nr(head) - page)
                if umem.writable and dirty:
                    self.dirty_head(head)
                self.put_compound_head(head, whole)
                page += whole
                left -= whole * PAGE_SIZE
