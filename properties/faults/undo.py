# SPDX-License-Identifier: MIT

"""Faults of the undo: a page table entry changed while its pages were grabbed without a lock."""

from collections.abc import Sequence

from model.optimised import Optimised
from properties.faults.fault import fault


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class UndoForgotten(Optimised):
    """If a page table entry changed meanwhile, the walk ends and keeps the pins of that entry.

    The pages may be somebody else's by then, and are never freed.
    """

    def undo_grab(self, head: int, refs: int) -> None:
        pass


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class UndoDropsOne(Optimised):
    """The undo of a huge page table entry drops one pin and not all that were taken.

    It is a copy of the undo for a PTE, which maps only one page.
    """

    def undo_grab(self, head: int, refs: int) -> None:
        super().undo_grab(head, min(refs, 1))


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class UndoDropsOneMore(Optimised):
    """The undo drops one pin more than was taken.

    It also counts the page before the changed page table entry, which has the same head.
    """

    def undo_grab(self, head: int, refs: int) -> None:
        super().undo_grab(head, refs + 1)


@fault("grab and undo", "B26, 6.12, turned around", versions=("5.11", "5.13"))
class UndoByGetAmount(Optimised):
    """The undo drops plain references, not pins: 1023 references of each pin by bias stay.

    In 6.12 the fast path holds only plain references while it checks whether the page allows a
    long-term pin: if it does not, dropping plain references is right.
    """

    def undo_grab(self, head: int, refs: int) -> None:
        self.count_released(head, refs)
        self.drop_pincount(head, refs)
        self.put_page_refs(head, refs)


@fault("grab and undo", "B21, mutation", versions=("5.11", "5.13"))
class UndoTakesEverything(Optimised):
    """If a page table entry changed, the walk unpins all pages that the call has pinned.

    Only the pages of that entry may be wrong; the slow path should continue after the others.
    """

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        pinned = super().pin_user_pages_fast_only(pages, changed, gup_flags, race)
        if changed is not None and pinned <= changed:
            self.unpin_user_pages(pages[:pinned], pinned)
            pinned = 0
        return pinned


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class HugeEntryHalfUndone(Optimised):
    """If a huge page table entry changed, only the page at which this was seen is unpinned.

    The pages before it come from the same entry and stay pinned, although that entry changed.
    """

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        if changed is None:
            return super().pin_user_pages_fast_only(pages, None, gup_flags)
        pinned = super().pin_user_pages_fast_only(pages[:changed], None, gup_flags)
        head = self.memory.compound_head(pages[changed])
        if pinned == changed and self.memory.page_mapped(head):
            grabbed = self.try_grab_compound_head(head, 1)
            if grabbed:
                self.undo_grab(head, grabbed)
        return pinned


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class EveryRunIsOneEntry(Optimised):
    """All pins of the run are undone, as if runs of any order were mapped by one page table entry.

    Below PMD order each page has an entry of its own, so the pages before the changed entry
    should stay pinned.
    """

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        if changed is not None:
            head = self.memory.compound_head(pages[changed])
            while changed > 0 and self.memory.compound_head(pages[changed - 1]) == head:
                changed -= 1
        return super().pin_user_pages_fast_only(pages, changed, gup_flags, race)


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class GoesOnAfterUndo(Optimised):
    """The walk continues after the page table entry that changed.

    The returned number then counts pages that do not follow each other in the caller's list.
    """

    def pin_user_pages_fast_only(
        self,
        pages: Sequence[int],
        changed: int | None,
        gup_flags: int | None = None,
        race: str = "entry",
    ) -> int:
        pinned = super().pin_user_pages_fast_only(pages, changed, gup_flags, race)
        if changed is not None and pinned == changed:
            pinned += super().pin_user_pages_fast_only(pages[changed + 1 :], None, gup_flags)
        return pinned
