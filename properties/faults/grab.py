# SPDX-License-Identifier: MIT

"""Faults of the grab: which pins of a run it takes, and how many it says it took."""

from collections.abc import Callable, Sequence

from model.optimised import COUNT_LIMIT, EFAULT, ENOMEM, Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


@fault("grab and undo", "B15, 24a95998e9ba, fixed by 9d2bdef811c4, 6.12", versions=("5.11", "5.13"))
class PartialPinIsError(Optimised):
    """A pin that stops half-way returns an error, and its pages stay pinned.

    A long-term pin that could not migrate a page did this: the caller unpinned nothing.
    Measured then: 7.5 million pins acquired, two thousand released.
    """

    def pin_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        pinned = super().pin_user_pages(pages, gup_flags)
        return pinned if pinned < 0 or pinned == len(pages) else EFAULT


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class PartialPinIsAll(Optimised):
    """A pin that stops half-way returns the number of pages asked for, not the number pinned.

    The caller later unpins the pages behind those pinned, which it never held.
    """

    def pin_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        pinned = super().pin_user_pages(pages, gup_flags)
        return len(pages) if pinned > 0 else pinned


@fault("grab and undo", "mutation, B20's kind", versions=("5.11", "5.13"))
class PartialRunKept(Optimised):
    """A grab that gets only some pins of its run keeps them, and reports none.

    It must drop or report the pins it got; here they have no owner.
    """

    def _grab_runs(self, pages: Sequence[int], grab: Callable[[int, int], int]) -> int:
        def all_or_none(head: int, refs: int) -> int:
            return refs if grab(head, refs) == refs else 0

        return super()._grab_runs(pages, all_or_none)


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class AllOfRunOrNone(Optimised):
    """If the pins of a run do not all fit below the limit of the refcount, none is taken.

    One page at a time would get some of them. Only refcounts close to 2^31 show it.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        each = 1 if self.grabs_exactly(head) else BIAS
        if self._room(head, refs, each) < refs:
            return 0
        return super().try_grab_compound_head(head, refs)


@fault("grab and undo", "B11, all versions", versions=("5.11", "5.13"))
class GrabPastLimit(Optimised):
    """If the refcount is positive, a grab takes all pins of its run, even far past 2^31.

    The refcount is checked before the addition only: one grab of 2^21 pins of a single page
    leaves a negative refcount that refuses every later grab.
    """

    def room(self, count: int, each: int) -> int:
        return COUNT_LIMIT**2 if count > 0 else 0


@fault("grab and undo", "B09, 6b3a70773630, 2019", versions=("5.11", "5.13"))
class GetUnchecked(Optimised):
    """Plain references are taken whatever the refcount is.

    A user could take references until the refcount wrapped to zero and the page was freed.
    """

    def try_get_compound_head(self, head: int, refs: int) -> int:
        self.memory.page_ref_add(head, refs)
        return refs


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class RoomRoundedDown(Optimised):
    """The last pin, which carries the refcount past 2^31, is refused.

    A positive refcount allows one more pin, which a division that rounds down loses.
    """

    def room(self, count: int, each: int) -> int:
        return (COUNT_LIMIT - count) // each if count > 0 else 0


@fault("grab and undo", "mutation of B09", versions=("5.11", "5.13"))
class RefusesSilently(Optimised):
    """A grab that is refused because the refcount is not positive does not warn.

    Nobody learns of a refcount that overflowed, or of a page that was freed too early.
    """

    def _room(self, head: int, refs: int, each: int) -> int:
        warnings = len(self.memory.warnings)
        refs = super()._room(head, refs, each)
        del self.memory.warnings[warnings:]
        return refs


@fault("grab and undo", "mutation, B20's kind", versions=("5.11", "5.13"))
class RefusedIsFault(Optimised):
    """If a grab is refused, pinning returns -EFAULT, as for unmapped pages, and not -ENOMEM.

    After -EFAULT callers give up, because another attempt is useless.
    """

    def pin_user_pages(self, pages: Sequence[int], gup_flags: int | None = None) -> int:
        pinned = super().pin_user_pages(pages, gup_flags)
        return EFAULT if pinned == ENOMEM else pinned


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class OnlyFirstIsMapped(Optimised):
    """Pinning checks that a page table maps the pages only for the first run of a call.

    Later pages are pinned even if no page table maps them: they may be somebody else's.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        head, ntails = super()._mapped(i, pages)
        return (head, ntails) if ntails or i == 0 else self.compound_next(i, len(pages), pages)


@fault("grab and undo", "C06, 7aef4172c795", versions=("5.11", "5.13"))
class GrabsTail(Optimised):
    """The grab works on the refcount of the page that was named, even if that is a tail.

    The refcount of a tail is zero, so a grab that needs a positive one always fails there.
    """

    def _mapped(self, i: int, pages: Sequence[int]) -> tuple[int, int]:
        _, ntails = super()._mapped(i, pages)
        return pages[i], ntails


@fault("grab and undo", "B12, 5.14-rc5; right in 5.11.5 and 6.1", long=True)
class ProductIsInt(Optimised):
    """The number of pins of a run is multiplied by 1024 in an int.

    2^21 entries of one page give INT_MIN. The put subtracts all references but the last if the
    product is above 1, and then the last: here it drops the last one only.
    """

    def drop_pincount(self, head: int, refs: int) -> int:
        product = super().drop_pincount(head, refs)
        return max((product + COUNT_LIMIT) % (2 * COUNT_LIMIT) - COUNT_LIMIT, 1)


@fault("grab and undo", "B12, at 16 bits instead of 31")
class ProductIsShort(Optimised):
    """The number of pins of a run is multiplied by 1024 in sixteen bits.

    64 entries of one page give 2^16, which becomes 0: nothing is dropped, and all pins leak.
    """

    def drop_pincount(self, head: int, refs: int) -> int:
        product = super().drop_pincount(head, refs)
        return product if self.puts_exactly(head) else product % (1 << 16)
