# SPDX-License-Identifier: MIT

"""Faults of the end of a page: freed too early, twice or never, or touched afterwards."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class NeverFreed(Optimised):
    """A put of the last reference does not free the page.

    The test for zero was lost when the subtraction became batched.
    """

    def put_page_refs(self, head: int, refs: int) -> None:
        self.memory.page_ref_sub_and_test(head, refs)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedTwice(Optimised):
    """A page whose refcount reached zero is freed by the put and again by its caller.

    Both act as the last user of the page, so the allocator hands it out twice.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 0:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedAtOne(Optimised):
    """A page with one reference left, the mapping's or another driver's, is freed.

    The comparison uses the value that the refcount had before the last put.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 1:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedWhenUnpinned(Optimised):
    """An unmapped page is freed with its last pin, although plain references are left.

    The pincount is read as if it counted all holders, also those that only read the page.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        memory = self.memory
        super().put_compound_head(head, refs)
        held = memory.page_maybe_dma_pinned(head) or memory.page_mapcount(head)
        if not held and memory.page_ref_count(head) > 0:
            memory.free(head)


@fault("lifetime", "mutation of B08", versions=("5.11", "5.13"))
class PincountAfterPut(Optimised):
    """The pincount goes down after the references did.

    The last put frees a page whose pins are still counted. The reverse on the grab side was a
    real bug that only a second CPU could see.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        self.count_released(head, refs)
        exact = self.puts_exactly(head)
        self.put_page_refs(head, refs if exact else refs * BIAS)
        if exact:
            self.memory.pincount_add(head, -refs)


@fault("lifetime", "E06, KVM, 2021; mutation", versions=("5.11", "5.13"))
class HeldOnceMore(Optimised):
    """A page is referenced and put once more after its last reference is gone: freed twice.

    The reference is meant to hold the page while its state is read. KVM met this on tails of
    blocks that were not compound.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        self.memory.page_ref_add(head, 1)
        self.put_page([head], 1)


@fault("lifetime", "E06, mutation", versions=("5.11", "5.13"))
class FreesNamedPage(Optimised):
    """Unpinning one page frees the page that was named, not its head.

    A tail goes to the allocator alone; the rest of its compound page is never freed.
    """

    def unpin_user_page(self, page: int) -> None:
        head = self.memory.compound_head(page)
        self.count_released(head, 1)
        if self.memory.page_ref_sub_and_test(head, self.drop_pincount(head, 1)):
            self.memory.free(page)


@fault("lifetime", "B06, 5.14 with DEBUG_VM", versions=("5.11", "5.13"))
class UnderflowKeepsPins(Optimised):
    """A put that would leave a negative refcount warns and does nothing.

    A check for debugging. A refcount that overflowed is negative and has to go down through
    negative values; with the check its pins stay for ever.
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

    It expects the references of pins, which then belong to a head that counts one page only.
    """

    def refs_of_split(self, head: int) -> int:
        return super().refs_of_split(head) + self.memory.page_pincount(head)


@fault("lifetime", "B18, c56b6f3d801d, 6.11", versions=("5.11", "5.13"))
class BornHeldTwice(Optimised):
    """A page is allocated with a reference that nothing drops.

    A folio made for a memory file was referenced twice and put once: it is never free.
    """

    def alloc_pages(self, pages: Sequence[int], orders: Sequence[int]) -> None:
        super().alloc_pages(pages, orders)
        for head in self._heads(pages):
            self.memory.page_ref_add(head, 1)
