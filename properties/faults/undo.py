# SPDX-License-Identifier: MIT

"""Faults of the undo: an entry changed while its pages were grabbed without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence


class _Undo(Optimised):
    """The fast path with its undo as a method of its own."""

    _fast = False

    def undo(self, head: int, refs: int) -> None:
        """Give back the *refs* pins that were just taken of *head*."""
        super().put_compound_head(head, refs)

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Pin; every put on the way is an undo."""
        self._fast = True
        pinned = super().pin_user_pages_fast_only(pages, changed)
        self._fast = False
        return pinned

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, or undo."""
        if self._fast:
            self.undo(head, refs)
        else:
            super().put_compound_head(head, refs)


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class UndoForgotten(_Undo):
    """An entry that changed meanwhile ends the walk, and its grab stays.

    Between reading the entry and grabbing the page it may have been freed and
    be someone else's by now. Its reference must go back, or it is never free.
    """

    def undo(self, head: int, refs: int) -> None:
        """Give nothing back."""


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class UndoDropsOne(_Undo):
    """A huge entry that changed gives back one pin of all that it gave.

    The undo of a small entry, copied. It shows only on entries that map a huge
    page, where several of its pages were grabbed in one go.
    """

    def undo(self, head: int, refs: int) -> None:
        """Give one pin back."""
        super().undo(head, min(refs, 1))


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class UndoDropsOneMore(_Undo):
    """The undo gives back one pin more than was taken.

    The page before the changed one, of the same head, was counted in. If nobody
    else pinned the page its count goes below what its mappings hold.
    """

    def undo(self, head: int, refs: int) -> None:
        """Give back one pin too many."""
        super().undo(head, refs + 1)


@fault("grab and undo", "B26, 6.12, turned around", versions=("5.11", "5.13"))
class UndoByGetAmount(_Undo):
    """The undo gives back plain references where pins were taken.

    From 6.12 on the check for long-term pins stands where only a reference has
    been taken, and its undo must drop just that. The same undo after a full pin
    leaves 1023 references.
    """

    def undo(self, head: int, refs: int) -> None:
        """Drop one reference for each pin."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)


@fault("grab and undo", "B21, mutation", versions=("5.11", "5.13"))
class UndoTakesEverything(Optimised):
    """An entry that changed makes the walk give back all pages of the call.

    Only the pages of that entry are in doubt. Those before it are good, and the
    slow path goes on behind them; here it would begin again.
    """

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Give nothing where an entry changed."""
        pinned = super().pin_user_pages_fast_only(pages, changed)
        if changed is not None and pinned <= changed:
            self.unpin_user_pages(pages[:pinned], pinned)
            pinned = 0
        return pinned


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class HugeEntryHalfUndone(Optimised):
    """Of a huge entry that changed, only the page in question is given back.

    The pages before it came from the same entry and are as doubtful: the huge
    page may have been moved, and the caller writes into what it left behind.
    """

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Keep all that lies before *changed*."""
        if changed is None:
            return super().pin_user_pages_fast_only(pages, None)
        pinned = super().pin_user_pages_fast_only(pages[:changed], None)
        head = self.memory.compound_head(pages[changed])
        if pinned == changed and self.memory.page_mapped(head):
            grabbed = self.try_grab_compound_head(head, 1)
            if grabbed:
                self.put_compound_head(head, grabbed)
        return pinned


@fault("grab and undo", "C04, mutation", versions=("5.11", "5.13"))
class EveryRunIsOneEntry(Optimised):
    """A compound page of any order is undone as if one entry mapped it.

    Only from the order of a PMD on does one entry map a compound page. Smaller
    ones have an entry for each page, and those before the changed one are good.
    """

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Let the change hit the first page of its run."""
        if changed is not None:
            head = self.memory.compound_head(pages[changed])
            while changed > 0 and self.memory.compound_head(pages[changed - 1]) == head:
                changed -= 1
        return super().pin_user_pages_fast_only(pages, changed)


@fault("grab and undo", "C03, mutation", versions=("5.11", "5.13"))
class GoesOnAfterUndo(Optimised):
    """The walk goes on behind the entry that changed.

    The number it returns then counts pages that do not lie side by side in the
    caller's list, so that its end is taken for pinned, and the hole too.
    """

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Pin what lies before the change and what lies behind it."""
        pinned = super().pin_user_pages_fast_only(pages, changed)
        if changed is not None and pinned == changed:
            pinned += super().pin_user_pages_fast_only(pages[changed + 1 :], None)
        return pinned
