# SPDX-License-Identifier: MIT

"""Faults of a page's end: freed too early, twice, never, or touched after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class NeverFreed(Optimised):
    """A put that leaves nothing does not free the page.

    The test for zero was lost when subtracting became batched. A page that only
    pins still held, because its owner is gone, is nobody's from then on.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop without looking at what is left."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs *= BIAS
        memory.page_ref_sub_and_test(head, refs)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedTwice(Optimised):
    """A page whose count reached zero is freed by the put and again by its caller.

    Both sides think that they are the last. The allocator hands the page out
    twice.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, and free what has no references."""
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 0:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedAtOne(Optimised):
    """A page with one reference left is freed.

    That reference is the mapping's, or another driver's. The comparison is with
    the value that the count had before the last put, not after.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, and free what has one reference left."""
        super().put_compound_head(head, refs)
        if self.memory.page_ref_count(head) == 1:
            self.memory.free(head)


@fault("lifetime", "mutation", versions=("5.11", "5.13"))
class FreedWhenUnpinned(Optimised):
    """An unmapped page is freed with its last pin, though plain references are left.

    The exact count is read as if it counted all holders. Who took a plain
    reference, to read the page, say, reads someone else's data.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, and free what is neither pinned nor mapped."""
        memory = self.memory
        super().put_compound_head(head, refs)
        held = memory.page_maybe_dma_pinned(head) or memory.page_mapcount(head)
        if not held and memory.page_ref_count(head) > 0:
            memory.free(head)


@fault("lifetime", "mutation of B08", versions=("5.11", "5.13"))
class PincountAfterPut(Optimised):
    """The exact count goes down after the references did.

    The last put frees the page with its pins still counted, and the count is
    then lowered in a page that has a new owner. The reverse on the grab side,
    pins before references, was a real bug that only a second CPU could see.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop references, then pins."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        exact = memory.hpage_pincount_available(head)
        if memory.page_ref_sub_and_test(head, refs if exact else refs * BIAS):
            memory.free(head)
        if exact:
            memory.pincount_add(head, -refs)


@fault("lifetime", "E06, KVM, 2021; mutation", versions=("5.11", "5.13"))
class HeldOnceMore(Optimised):
    """A page is taken and put once more after its last reference is gone.

    To hold it while looking at it. From zero to one and back to zero frees it a
    second time; KVM met this on tails of blocks that were not compound.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, then get and put."""
        super().put_compound_head(head, refs)
        self.memory.page_ref_add(head, 1)
        self.put_page([head], 1)


@fault("lifetime", "E06, mutation", versions=("5.11", "5.13"))
class FreesNamedPage(Optimised):
    """Unpinning one page frees the page that was named, not its head.

    A tail goes to the allocator by itself, while the rest of its compound page
    has no references and is never freed.
    """

    def unpin_user_page(self, page: int) -> None:
        """Put, and free *page* if that was the last reference."""
        memory = self.memory
        head = memory.compound_head(page)
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -1)
        if memory.page_ref_sub_and_test(head, 1 if memory.hpage_pincount_available(head) else BIAS):
            memory.free(page)


@fault("lifetime", "B06, 5.14 with DEBUG_VM", versions=("5.11", "5.13"))
class UnderflowKeepsPins(Optimised):
    """A put that would leave less than nothing warns and does nothing.

    Meant for debugging. A count that overflowed is negative and rightly goes
    down; here its pins stay for ever.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put only if there is that much."""
        each = 1 if self.memory.hpage_pincount_available(head) else BIAS
        if self.memory.page_ref_count(head) < refs * each:
            self.memory.warn("a put would leave a negative refcount")
            return
        super().put_compound_head(head, refs)


@fault("lifetime", "C05", versions=("5.11", "5.13"))
class SplitsPinned(Optimised):
    """A huge page is split though it is pinned.

    Pins that are counted exactly hold references too. Here they are taken off
    the count of what a split expects, so that a pinned page is split, and its
    pins belong to a head that counts for one page only.
    """

    def split_huge_page(self, pages: Sequence[int]) -> int:
        """Split unless there are references that are neither mappings nor pins."""
        memory = self.memory
        head = memory.compound_head(pages[0])
        maps = memory.page_mapcount(head)
        if memory.page_ref_count(head) != maps + memory.page_pincount(head):
            return -16
        orders = [0] * memory.compound_nr(head)
        memory.rebuild(head, orders, refs=maps, dirty=memory.page_dirty(head))
        return 0


@fault("lifetime", "B18, c56b6f3d801d, 6.11", versions=("5.11", "5.13"))
class BornHeldTwice(Optimised):
    """A page is allocated with a reference that nobody will drop.

    Two references were taken where a folio was made for a memory file, and one
    was dropped. All its pins can go, and it is still never free.
    """

    def alloc_pages(self, pages: Sequence[int], orders: Sequence[int]) -> None:
        """Allocate, and hold each page once more."""
        super().alloc_pages(pages, orders)
        for head in self._heads(pages):
            self.memory.page_ref_add(head, 1)
