# SPDX-License-Identifier: MIT

"""Faults of the two ways to count a pin: 1024 references, or 1 and a pincount."""

from collections.abc import Sequence

from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


@fault("bias against exact", "5232c63f46fd taken back on one side", versions=("5.11", "5.13"))
class OrderOneExactPut(Optimised):
    """The put counts pins of order-1 pages exactly, the grab does not.

    Only half of the change of 5.18 is backported: 1023 references of each pin stay.
    """

    def puts_exactly(self, head: int) -> bool:
        return self.memory.compound_order(head) > 0


@fault("bias against exact", "5232c63f46fd taken back on one side", versions=("5.11", "5.13"))
class OrderOneExactGrab(Optimised):
    """The grab counts pins of order-1 pages exactly, the put does not.

    Each unpin drops 1024 references where the pin took one: the refcount becomes negative.
    """

    def grabs_exactly(self, head: int) -> bool:
        return self.memory.compound_order(head) > 0


@fault("bias against exact", "5232c63f46fd, 5.18, in an older kernel", versions=("5.11", "5.13"))
class OrderOneExact(Optimised):
    """Grab and put count pins of order-1 pages exactly, as from 5.18 on.

    They agree and nothing leaks, but before 5.18 the pincount lies in the third struct page,
    which order 1 does not have: the count is written into the page that follows.
    """

    puts_exactly = OrderOneExactPut.puts_exactly
    grabs_exactly = OrderOneExactGrab.grabs_exactly


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class OrderTwoBiasedPut(Optimised):
    """The put treats pages of order 2 as pages without a pincount.

    The pincount never goes down, and each unpin drops 1024 references where the pin took one.
    """

    def puts_exactly(self, head: int) -> bool:
        return self.memory.compound_order(head) > self.memory.semantics.exact_order


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class OrderTwoBiased(Optimised):
    """Grab and put treat pages of order 2 as pages without a pincount.

    They agree and nothing leaks, but the page looks unpinned to readers of the pincount.
    """

    puts_exactly = OrderTwoBiasedPut.puts_exactly
    grabs_exactly = puts_exactly


@fault("bias against exact", "B10, before 47e29d32afba", versions=("5.11", "5.13"))
class BiasOnExact(Optimised):
    """Every pin takes 1024 references, even of pages with a pincount.

    All tails share the head's refcount: eight pins of each 4 KiB page of 1 GiB bring it to 2^31.
    """

    def puts_exactly(self, head: int) -> bool:
        return False

    grabs_exactly = puts_exactly


@fault("bias against exact", "B03, RFC 9/, devmap branch")
class ExactDropsOne(Optimised):
    """The put of a page with a pincount drops one pin and not a whole run.

    The first batching patch changed the common branch; a branch before it, for devmap pages,
    still dropped one pin and returned.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, min(refs, 1) if self.puts_exactly(head) else refs)


@fault("bias against exact", "mutation")
class BiasOncePerRun(Optimised):
    """The put of a run drops 1024 references for its first entry, and one for each further entry.

    The bias was moved out of the loop over entries together with the put.
    """

    def drop_pincount(self, head: int, refs: int) -> int:
        held = super().drop_pincount(head, refs)
        return held if self.puts_exactly(head) else refs + BIAS - 1


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class PincountStays(Optimised):
    """A put drops references and leaves the pincount unchanged.

    Pages are still freed when they should be. Until then they look pinned: fork copies them,
    reclaim keeps them.
    """

    def drop_pincount(self, head: int, refs: int) -> int:
        return refs if self.puts_exactly(head) else refs * BIAS


@fault("bias against exact", "mutation")
class PincountOncePerRun(Optimised):
    """A put drops all references of a run, but lowers the pincount by one.

    The decrement of the pincount was right until a put dropped whole runs.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        super().put_compound_head(head, refs)
        if refs and self.puts_exactly(head):
            self.memory.pincount_add(head, refs - 1)


@fault("bias against exact", "B05, c24d37322548, 5.14")
class AskedOfFirstHead(Optimised):
    """The first head of a range decides how the pins of all its heads are counted.

    For each pin of a head that is counted the other way, 1023 references too many or too few
    are dropped. Before 5.14 the fast path read how the pins of a head are counted, and only then
    took its reference: a split in between could give the page another head.
    """

    _asked: int | None = None

    def puts_exactly(self, head: int) -> bool:
        return super().puts_exactly(head if self._asked is None else self._asked)

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        self._asked = self.memory.compound_head(page) if npages else None
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)
        self._asked = None


@fault("bias against exact", "A07, review of v3; A08", versions=("5.11", "5.13"))
class PutPageUnpins(Optimised):
    """Plain references are dropped by the call that drops pins.

    The documentation of the range call allowed pages from get_user_pages(), as block I/O has
    them. Each such page without a pincount loses 1023 references too many.
    """

    def put_page(self, pages: Sequence[int], n: int) -> None:
        for page in pages:
            self.put_compound_head(self.memory.compound_head(page), n)


@fault("bias against exact", "mutation of A07", versions=("5.11", "5.13"))
class GetIsPin(Optimised):
    """get_user_pages() pins its pages.

    The grab confuses FOLL_GET with FOLL_PIN: put_page() leaves 1023 references or a pincount.
    """

    def get_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        return self.pin_user_pages(pages, gup_flags)
