# SPDX-License-Identifier: MIT

"""Faults of the calls that begin with GUP-fast and go on by the slow path."""

from collections.abc import Sequence

from model.optimised import Optimised
from properties.faults.fault import fault


@fault("grab and undo", "mutation", versions=("5.11", "5.13"))
class RestBeginsAnew(Optimised):
    """After the fast path, the slow path pins from the first page on again, and as many pages.

    The address was not advanced by what the fast path has pinned.
    """

    def pin_user_pages_fast(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        pinned = self.pin_user_pages_fast_only(pages, changed, gup_flags, race)
        if pinned == len(pages):
            return pinned
        more = self.pin_user_pages(pages[: len(pages) - pinned], gup_flags)
        return pinned + more if more > 0 else pinned or more


@fault("grab and undo", "C03's kind, mutation", versions=("5.11", "5.13"))
class GetsUndoneAsPins(Optimised):
    """If a page table entry changed, the plain references that it gave are dropped as pins.

    Of pages whose pins are counted by bias each undo drops 1024 references.
    """

    def undo_get(self, head: int, refs: int) -> None:
        self.undo_grab(head, refs)


@fault("entries", "B04's kind, c24d37322548, 5.14", versions=("5.13",))
class HeadLookedAtOnce(Optimised):
    """A page whose compound page is split between look-up and grab is pinned by its former head.

    The pin is of another page than the caller gets, which may be freed while a device writes to it.
    """

    def end_at_split(self, pages: Sequence[int], position: int, gup_flags: int) -> int:
        return self._walk_fast(pages, None, gup_flags)[0]
