# SPDX-License-Identifier: MIT

"""Faults of the two ways to count a pin: 1024 references, or one and a count of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence


class _Sides(Optimised):
    """Grab and put that each ask on their own whether a head counts exactly."""

    def exact_grab(self, head: int) -> bool:
        """How the grab counts."""
        return self.memory.hpage_pincount_available(head)

    def exact_put(self, head: int) -> bool:
        """How the put counts."""
        return self.memory.hpage_pincount_available(head)

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin, counting as `exact_grab` says."""
        memory = self.memory
        each = 1 if self.exact_grab(head) else BIAS
        refs = self._room(head, refs, each)
        if refs:
            memory.page_ref_add(head, refs * each)
            if each == 1:
                memory.pincount_add(head, refs)
            memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs)
        return refs

    def put_compound_head(self, head: int, refs: int) -> None:
        """Unpin, counting as `exact_put` says."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if self.exact_put(head):
            memory.pincount_add(head, -refs)
        else:
            refs *= BIAS
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)


@fault("bias against exact", "5232c63f46fd taken back on one side", versions=("5.11", "5.13"))
class OrderOneExactPut(_Sides):
    """The put counts pages of order 1 exactly, the grab does not.

    The counter sat in the third struct page before 5.18, so that a compound
    page of two has none. Half of that change backported leaves 1023 references
    of each pin behind.
    """

    def exact_put(self, head: int) -> bool:
        """Every compound page."""
        return self.memory.compound_order(head) > 0


@fault("bias against exact", "5232c63f46fd taken back on one side", versions=("5.11", "5.13"))
class OrderOneExactGrab(_Sides):
    """The grab counts pages of order 1 exactly, the put does not.

    The other half: each unpin drops 1024 references where the pin took one, so
    the page is freed, or its count negative, while others hold it.
    """

    def exact_grab(self, head: int) -> bool:
        """Every compound page."""
        return self.memory.compound_order(head) > 0


@fault("bias against exact", "5232c63f46fd, 5.18, in an older kernel", versions=("5.11", "5.13"))
class OrderOneExact(_Sides):
    """Pages of order 1 are counted exactly on both sides, as from 5.18 on.

    Consistent, and nothing leaks. But before 5.18 there is no third struct page
    to hold the count: it would be written into the page that lies behind.
    """

    exact_put = OrderOneExactPut.exact_put
    exact_grab = OrderOneExactGrab.exact_grab


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class OrderTwoBiasedPut(_Sides):
    """The put takes pages of order 2 for those without a count of their own.

    The boundary off by one the other way. The exact count never goes down, and
    1024 references go for each one.
    """

    def exact_put(self, head: int) -> bool:
        """Compound pages of eight pages or more."""
        return self.memory.compound_order(head) > self.memory.semantics.exact_order


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class OrderTwoBiased(_Sides):
    """Both sides take pages of order 2 for those without a count of their own.

    After grab and put everything is as it was; what is wrong is in between: the
    page looks unpinned to who reads the exact count, and a few million pins
    overflow it.
    """

    def exact_grab(self, head: int) -> bool:
        """Compound pages of eight pages or more."""
        return self.memory.compound_order(head) > self.memory.semantics.exact_order

    exact_put = OrderTwoBiasedPut.exact_put


@fault("bias against exact", "B10, before 47e29d32afba", versions=("5.11", "5.13"))
class BiasOnExact(_Sides):
    """Every pin takes 1024 references, also where there is an exact count.

    As it was before compound pages got a count of their own: all tails share
    one head, and pinning each page of a gigantic one eight times goes past 2^31.
    """

    def exact_grab(self, head: int) -> bool:
        """None."""
        return False

    exact_put = exact_grab


@fault("bias against exact", "B03, RFC 9/, devmap branch")
class ExactDropsOne(Optimised):
    """One branch of the put was not taught to drop a whole run.

    The first batching patch handed the number of references to the usual
    branch; the special one in front of it still dropped one pin and returned.
    Here the special one is that of the exact count.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop one pin where they are counted exactly."""
        if self.memory.hpage_pincount_available(head):
            refs = min(refs, 1)
        super().put_compound_head(head, refs)


@fault("bias against exact", "mutation")
class BiasOncePerRun(Optimised):
    """A run drops the bias once, and one reference for each further entry.

    The bias was taken out of the loop together with the put. Each run of more
    than one entry leaves 1023 references for each.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop 1024 and the rest of *refs*."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs += BIAS - 1
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)


@fault("bias against exact", "mutation", versions=("5.11", "5.13"))
class PincountStays(Optimised):
    """A put drops references and leaves the exact count alone.

    The page is freed in time, and looks pinned until then: it cannot be moved
    or split, and fork copies it.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop references only."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if not memory.hpage_pincount_available(head):
            refs *= BIAS
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)


@fault("bias against exact", "mutation")
class PincountOncePerRun(Optimised):
    """A put drops all references of a run, but lowers the exact count by one.

    A decrement that should have become a subtraction when runs came.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Count the run as one pin."""
        super().put_compound_head(head, refs)
        if refs and self.memory.hpage_pincount_available(head):
            self.memory.pincount_add(head, refs - 1)


@fault("bias against exact", "B05, c24d37322548, 5.14")
class AskedOfFirstHead(_Sides):
    """The first head of a range decides how all of them are counted.

    The fast path asked for the kind of count before its reference made sure of
    the page, and so for the wrong page. A range over compound pages of several
    orders is off by 1023 a pin, up or down.
    """

    _asked: int | None = None

    def exact_put(self, head: int) -> bool:
        """What the range's first head counts by, or else the head itself."""
        return super().exact_put(head if self._asked is None else self._asked)

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Ask the first head before the walk."""
        self._asked = self.memory.compound_head(page) if npages else None
        super().unpin_user_page_range_dirty_lock(page, npages, make_dirty)
        self._asked = None


@fault("bias against exact", "A07, review of v3; A08", versions=("5.11", "5.13"))
class PutPageUnpins(Optimised):
    """Plain references are dropped by the call that drops pins.

    The documentation of the range call allowed pages from get_user_pages(), and
    block I/O wished to use it so. An unpin always drops what a pin takes: 1023
    references too many for each page.
    """

    def put_page(self, pages: Sequence[int], n: int) -> None:
        """Drop *n* pins of each of *pages*."""
        for page in pages:
            self.put_compound_head(self.memory.compound_head(page), n)


@fault("bias against exact", "mutation of A07", versions=("5.11", "5.13"))
class GetIsPin(Optimised):
    """get_user_pages() takes what a pin takes.

    FOLL_GET and FOLL_PIN confused in one grab. Nobody will drop the other 1023
    references, and the page looks pinned for ever.
    """

    def get_user_pages(self, pages: Sequence[int]) -> int:
        """Pin."""
        return self.pin_user_pages(pages)
