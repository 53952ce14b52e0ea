# SPDX-License-Identifier: MIT

"""Faults of the grab: what of a run it takes, and what it says it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import COUNT_LIMIT, EFAULT, ENOMEM, Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARNING = "a grab found a refcount that is not positive"


@fault("grab and undo", "B15, 24a95998e9ba, fixed by 9d2bdef811c4, 6.12", versions=("5.11", "5.13"))
class PartialPinIsError(Optimised):
    """An error on the way is returned, and the pages that were pinned stay pinned.

    A long-term pin that could not migrate a page returned its error with
    everything still pinned; the caller, told that it has nothing, gives nothing
    back. Measured then: 7.5 million acquired, two thousand released.
    """

    def pin_user_pages(self, pages: Sequence[int]) -> int:
        """Give an error where not all of *pages* could be pinned."""
        pinned = super().pin_user_pages(pages)
        return pinned if pinned < 0 or pinned == len(pages) else EFAULT


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class PartialPinIsAll(Optimised):
    """A pin that stopped half-way says that it pinned everything.

    The number asked for is returned, and not the number reached. The caller
    later unpins pages that it never held.
    """

    def pin_user_pages(self, pages: Sequence[int]) -> int:
        """Give all of *pages* if there was any."""
        pinned = super().pin_user_pages(pages)
        return len(pages) if pinned > 0 else pinned


@fault("grab and undo", "mutation, B20's kind", versions=("5.11", "5.13"))
class PartialRunKept(Optimised):
    """A grab that got a part of its run keeps it, and does not count it.

    Where the grab of a run fails half-way, what it took has to be given back or
    reported. Here it is neither, so those pins have no owner.
    """

    def _grab_runs(self, pages: Sequence[int], grab: Callable[[int, int], int]) -> int:
        i = 0
        while i < len(pages):
            head, ntails = self._mapped(i, pages)
            if not ntails:
                return i or EFAULT
            if grab(head, ntails) < ntails:
                return i or ENOMEM
            i += ntails
        return i


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class AllOfRunOrNone(Optimised):
    """A run for which there is no room in full is not taken at all.

    One at a time some of it would have been got, and a caller that asks for less
    after a refusal would have gone on. Only counts close to 2^31 tell.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin *refs* times or not at all."""
        each = 1 if self.memory.hpage_pincount_available(head) else BIAS
        if self._room(head, refs, each) < refs:
            return 0
        return super().try_grab_compound_head(head, refs)


@fault("grab and undo", "B11, all versions", versions=("5.11", "5.13"))
class GrabPastLimit(Optimised):
    """A positive count is enough to take all of a run, even far past 2^31.

    The test looks at the count before the addition and not after. One grab of
    2^21 pins of a single page succeeds, and leaves a negative count that every
    later grab refuses.
    """

    def _room(self, head: int, refs: int, each: int) -> int:
        if self.memory.page_ref_count(head) > 0:
            return refs
        self.memory.warn(WARNING)
        return 0


@fault("grab and undo", "B09, 6b3a70773630, 2019", versions=("5.11", "5.13"))
class GetUnchecked(Optimised):
    """Plain references are taken whatever the count is.

    Before the overflow checks of 2019 a user could take references until the
    count wrapped to zero and the page was freed under everybody.
    """

    def try_get_compound_head(self, head: int, refs: int) -> int:
        """Take all of *refs*."""
        self.memory.page_ref_add(head, refs)
        return refs


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class RoomRoundedDown(Optimised):
    """The last pin that would carry the count past 2^31 is refused.

    A positive count allows one more grab, even one of 1024 references. Dividing
    what is left by 1024 loses it.
    """

    def _room(self, head: int, refs: int, each: int) -> int:
        count = self.memory.page_ref_count(head)
        room = (COUNT_LIMIT - count) // each if count > 0 else 0
        if refs > room:
            self.memory.warn(WARNING)
        return min(refs, room)


@fault("grab and undo", "mutation of B09", versions=("5.11", "5.13"))
class RefusesSilently(Optimised):
    """A grab that finds a count that is not positive gives no warning.

    The warning is how one learns of a count that overflowed, or of a page that
    was freed too early.
    """

    def _room(self, head: int, refs: int, each: int) -> int:
        warnings = len(self.memory.warnings)
        refs = super()._room(head, refs, each)
        del self.memory.warnings[warnings:]
        return refs


@fault("grab and undo", "mutation, B20's kind", versions=("5.11", "5.13"))
class RefusedIsFault(Optimised):
    """A grab that was refused is reported as a page that is not mapped.

    -EFAULT means that asking again makes no sense, and a program dies of it;
    -ENOMEM is what a refused reference gives.
    """

    def pin_user_pages(self, pages: Sequence[int]) -> int:
        """Give -EFAULT for every error."""
        pinned = super().pin_user_pages(pages)
        return EFAULT if pinned == ENOMEM else pinned


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class OnlyFirstIsMapped(Optimised):
    """Whether a page is mapped is asked for the first run only.

    Pages behind a hole are pinned though no page table leads to them: they
    belong to someone else, or to nobody.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super()._mapped(i, pages)
        return (head, ntails) if ntails or i == 0 else self.compound_next(i, len(pages), pages)


@fault("grab and undo", "C06, 7aef4172c795", versions=("5.11", "5.13"))
class GrabsTail(Optimised):
    """The grab goes to the page that was asked for, though it is a tail.

    A tail's count is zero, and a grab that wants a positive one always fails
    there. That is why everything is counted on heads.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        _, ntails = super()._mapped(i, pages)
        return pages[i], ntails


@fault("grab and undo", "B12, 5.14-rc5; right in 5.11.5 and 6.1", long=True)
class ProductIsInt(Optimised):
    """References of a run are multiplied by 1024 in an int.

    2^21 entries of one page make 2^31, which is negative there. The put then
    takes that for nothing to subtract, and drops one reference. Two million
    pins leak, which the code before the series did not do.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop *refs* as a signed 32-bit product says."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs = (refs * BIAS + COUNT_LIMIT) % (2 * COUNT_LIMIT) - COUNT_LIMIT
        if memory.page_ref_sub_and_test(head, max(refs, 1)):
            memory.free(head)


@fault("grab and undo", "B12, at 16 bits instead of 31")
class ProductIsShort(Optimised):
    """References of a run are multiplied by 1024 in sixteen bits.

    The same overflow in a width that 64 entries of one page reach: a product of
    2^16 drops nothing at all, and all of the run's pins leak.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Drop *refs* as a 16-bit product says."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs = refs * BIAS % (1 << 16)
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)
