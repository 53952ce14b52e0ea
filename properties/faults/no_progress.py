# SPDX-License-Identifier: MIT

"""Faults by which a walk does not end, or does not see that it has nothing to do."""

from collections.abc import Callable, Sequence

from model.optimised import EFAULT, Optimised
from model.semantics import PAGE_SIZE
from model.umem import Umem
from properties.faults.fault import fault


@fault("no progress", "D01, 5.13 to 6.12, at 8 bits instead of 32")
class NarrowMinimum(Optimised):
    """The length of a run is computed in 8 bits: if 256 pages of the range are left, it is 0.

    If the number left is no multiple of 256, runs only become shorter. As in the kernel, single
    pages are exempt.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        if head == page + i and self.memory.compound_order(head) == 0:
            return head, 1
        rest = head + self.memory.compound_nr(head) - page - i
        return head, min(rest, (npages - i) % 256)


@fault("no progress", "D02, 5.14, at 8 bits instead of 32")
class NarrowIndex(Optimised):
    """The index at which a run ends has fewer bits than the length of the list.

    From 2^32 entries on (here 256), the end of a run is before its start: the walk goes back and
    does not end.
    """

    def compound_next(self, i: int, npages: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super().compound_next(i, npages, pages)
        return head, (i + ntails) % 256 - i


@fault("no progress", "mutation; the kernel wants each run to be 1 or more")
class LastPageIsNone(Optimised):
    """The run that begins with the last page of a compound page has no pages.

    The index of the last page is used as the number of pages, except in single pages.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        last = head + max(1, self.memory.compound_nr(head) - 1)
        return head, min(max(0, last - page - i), npages - i)


@fault("no progress", "mutation", versions=("5.11", "5.13"))
class EmptyListWalked(Optimised):
    """The loop over a list executes once, even if the list is empty.

    The loop has its condition at the end, and reads the first entry of a list that has none.
    """

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        if npages == 0:
            self.put_compound_head(*self.compound_next(0, npages, pages))
        super().unpin_runs(pages, npages)


@fault("no progress", "mutation of B07, 9857a17f206f", versions=("5.11", "5.13"))
class RefusedGrabRepeated(Optimised):
    """A grab that is refused is repeated until it succeeds.

    That is right for a page that is being freed; a refcount that overflowed refuses for ever.
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
    """A page that is not mapped is looked up again and again until it is mapped.

    The slow path faults a page in until the fault reports an error, which is ignored here.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super()._mapped(i, pages)
        while not ntails:
            head, ntails = super()._mapped(i, pages)
        return head, ntails


@fault("no progress", "A03, mutation", versions=("5.11", "5.13"))
class PartialPageRepeated(Optimised):
    """The length of an entry is counted down by whole pages until it is zero.

    If the length ends inside a page, less than a page is left, and no iteration lowers that.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        for sg in umem.sgl:
            page, left = sg.page, sg.length
            while left:
                head = self.memory.compound_head(page)
                whole = min(left // PAGE_SIZE, head + self.memory.compound_nr(head) - page)
                self.unpin_range_run(page, head, whole, umem.writable and dirty)
                page += whole
                left -= whole * PAGE_SIZE
