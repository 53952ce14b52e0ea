# SPDX-License-Identifier: MIT

"""Faults by which a page is freed too early, twice or never, used when free, or wrongly split."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class NeverFreed(Optimised):
    """A put that drops the last reference does not free the page.

    The test for zero was lost when the subtraction became batched.
    """

    def put_page_refs(self, head: int, refs: int) -> None:
        self.memory.page_ref_sub_and_test(head, refs)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedTwice(Optimised):
    """A page whose refcount reached zero is freed by the put and again by the put's caller.

    Put and caller both act as the last user of the page, so the allocator hands it out twice.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 0:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedAtOne(Optimised):
    """A page with one reference left, the mapping's or another driver's, is freed.

    The refcount after the put is compared with 1, as would be right for the value before it.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 1:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedWhenUnpinned(Optimised):
    """An unmapped page is freed with its last pin, although plain references are left.

    The code treats the pincount as if it counted all references and not only pins.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        memory = self.memory
        super().put_compound_head(head, refs)
        held = memory.page_maybe_dma_pinned(head) or memory.page_mapcount(head)
        if not held and memory.page_ref_count(head) > 0:
            memory.free(head)


@fault("lifetime", "mutation of B08", versions=("5.11", "5.13"))
class PincountAfterPut(Optimised):
    """A put lowers the pincount after the refcount.

    The last put frees a page whose pins are still counted. A wrong order of the two counters in
    the grab was a real bug, which only a second CPU could see.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        self.count_released(head, refs)
        exact = self.puts_exactly(head)
        self.put_page_refs(head, refs if exact else refs * BIAS)
        if exact:
            self.memory.pincount_add(head, -refs)


@fault("lifetime", "E06, KVM, 2021; mutation", versions=("5.11", "5.13"))
class HeldOnceMore(Optimised):
    """After a put, a reference is taken and dropped: a page that the put freed is freed again.

    The reference is meant to hold the page while its state is read. KVM had this bug with tails
    of higher-order pages that were not compound.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        self.memory.page_ref_add(head, 1)
        self.put_page([head], 1)


@fault("lifetime", "E06, mutation", versions=("5.11", "5.13"))
class FreesNamedPage(Optimised):
    """Unpinning one page frees the page that was named, not its head.

    If this is a tail, the allocator gets it alone; the rest of the compound page is never freed.
    """

    def unpin_user_page(self, page: int) -> None:
        head = self.memory.compound_head(page)
        self.count_released(head, 1)
        if self.memory.page_ref_sub_and_test(head, self.drop_pincount(head, 1)):
            self.memory.free(page)


@fault("lifetime", "B06, 5.14 with DEBUG_VM", versions=("5.11", "5.13"))
class UnderflowKeepsPins(Optimised):
    """A put that would leave a negative refcount warns and does nothing.

    It was a check for debugging. A refcount that overflowed is negative until enough pins are
    dropped, and the check lets none be dropped.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        each = 1 if self.puts_exactly(head) else BIAS
        if self.memory.page_ref_count(head) < refs * each:
            self.memory.warn("a put would leave a negative refcount")
        else:
            super().put_compound_head(head, refs)


@fault("lifetime", "C05", versions=("5.11", "5.13"))
class SplitsPinned(Optimised):
    """A huge page is split although it is pinned.

    The split expects the references of pins and then sets all refcounts anew: the pins are lost,
    and their unpins drop references of other holders.
    """

    def refs_of_split(self, head: int) -> int:
        return super().refs_of_split(head) + self.memory.page_pincount(head)


@fault("lifetime", "B18, c56b6f3d801d, 6.11", versions=("5.11", "5.13"))
class BornHeldTwice(Optimised):
    """A page is allocated with a reference that nothing drops.

    A folio that was allocated for a memfd had one reference too many, and was never freed.
    """

    def alloc_pages(self, pages: Sequence[int], orders: Sequence[int]) -> None:
        super().alloc_pages(pages, orders)
        for head in self._heads(pages):
            self.memory.page_ref_add(head, 1)
