# SPDX-License-Identifier: MIT

"""Faults of long-term pins, and of what page table entries allow: they need attributes to show."""

from collections.abc import Callable, Sequence

from model import longterm
from model.attributes import ATTRIBUTES
from model.optimised import ENOMEM, Optimised
from model.step import FOLL_LONGTERM, FOLL_WRITE
from properties.faults.fault import fault


@fault("entries", "mutation of d1e153fea2a8", versions=("5.13", "6.1"))
class MovesWhatItPins(Optimised):
    """The pages that have to move are not unpinned first, so that the call's own pins keep them.

    The call fails, and the caller, who got nothing, unpins nothing.
    """

    attributes = ATTRIBUTES

    def check_and_migrate_movable_pages(self, pages: Sequence[int]) -> int:
        collected, isolated = longterm.collect(self.memory, pages)
        if not collected:
            return 0
        return 1 if longterm.migrate(self.memory, isolated) else ENOMEM


@fault("entries", "B17, f68749ec342b of 2022, in 5.2 to 5.16", versions=("5.13", "6.1"))
class StepsOverOthers(Optimised):
    """After a page, as many entries are passed over as its compound page has left.

    That is right where the list goes on through the compound page. If it does not, pages of others
    are never looked at, and stay where they must not be pinned for long.
    """

    attributes = ATTRIBUTES

    def check_and_migrate_movable_pages(self, pages: Sequence[int]) -> int:
        looked_at = []
        i = 0
        while i < len(pages):
            head = self.memory.compound_head(pages[i])
            looked_at.append(head)
            i += head + self.memory.compound_nr(head) - pages[i]
        if all(map(self.memory.is_longterm_pinnable, looked_at)):
            return 0
        return super().check_and_migrate_movable_pages(pages)


@fault("entries", "N22, 1aaf8c122918, taken back by 517f496e1e61", versions=("5.13", "6.1"))
class IsolatedIsAll(Optimised):
    """If no page could be isolated, the call takes this for the sign that none has to move.

    A page that somebody else had isolated for a moment stays pinned where it must not be.
    """

    attributes = ATTRIBUTES

    def check_and_migrate_movable_pages(self, pages: Sequence[int]) -> int:
        _, isolated = longterm.collect(self.memory, pages)
        if not isolated:
            return 0
        self.unpin_user_pages(pages, len(pages))
        return 1 if longterm.migrate(self.memory, isolated) else ENOMEM


@fault("entries", "mutation, the retry of d1e153fea2a8", versions=("5.13", "6.1"))
class MovedIsPinned(Optimised):
    """After pages were moved, the call returns as if the pins that it gave back were still there.

    The caller later drops pins that it does not have, and the pages are freed while they are used.
    """

    attributes = ATTRIBUTES

    def check_and_migrate_movable_pages(self, pages: Sequence[int]) -> int:
        return min(super().check_and_migrate_movable_pages(pages), 0)


@fault("entries", "B26's kind", versions=("5.13", "6.1"))
class FastKeepsMovable(Optimised):
    """The fast path leaves no page to the slow path that a long-term pin would have to move.

    Memory that should be free for unplugging, or for CMA, is blocked as long as the pin lasts.
    """

    attributes = ATTRIBUTES

    def _walk_fast(
        self, pages: Sequence[int], changed: int | None, gup_flags: int
    ) -> tuple[int, int]:
        return super()._walk_fast(pages, changed, gup_flags & ~FOLL_LONGTERM)


@fault("entries", "mutation", versions=("5.11", "5.13"))
class WritesReadOnly(Optimised):
    """The slow path pins pages for write whose mapping may not be written to.

    A device then writes to what the process can only read, such as a file of somebody else's.
    """

    attributes = ATTRIBUTES

    def _grab_faulted(
        self, pages: Sequence[int], grab: Callable[[int, int], int], gup_flags: int
    ) -> int:
        return super()._grab_faulted(pages, grab, gup_flags & ~FOLL_WRITE)


@fault("entries", "mutation, 57efa1fe5957", versions=("5.11", "5.13"))
class ForkUnseen(Optimised):
    """If the process forks while the fast path walks, the pins that it took are kept.

    The child may write to its copy, or the parent to another page than the one that is pinned.
    """

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        seen = changed if race != "fork" else None
        return super().pin_user_pages_fast_only(pages, seen, gup_flags, "entry")


@fault("entries", "C04's kind, 70cbc3cc78a9", versions=("6.1",))
class CollapseKeepsOne(Optimised):
    """If the PMD changed, one page fewer is unpinned than the entry gave.

    The page at which the change was seen is taken for one that was not pinned yet.
    """

    attributes = ATTRIBUTES
    _collapses = False

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        self._collapses = race == "collapse"
        return super().pin_user_pages_fast_only(pages, changed, gup_flags, race)

    def undo_grab(self, head: int, refs: int) -> None:
        refs -= self._collapses
        if refs:
            super().undo_grab(head, refs)


@fault("entries", "mutation", versions=("5.11", "5.13"))
class PmdHasTheWholePage(Optimised):
    """If a PMD changed, all that was pinned of the compound page is undone.

    A page of order 10 has two PMDs, of which only one changed: what the other gave stays pinned.
    """

    attributes = ATTRIBUTES

    def page_table_entry(self, pages: Sequence[int], position: int) -> tuple[int, int]:
        start, stop = super().page_table_entry(pages, position)
        if stop - start > 1:
            head = self.memory.compound_head(pages[position])
            while start and self.memory.compound_head(pages[start - 1]) == head:
                start -= 1
        return start, stop
