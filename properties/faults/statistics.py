# SPDX-License-Identifier: MIT

"""Faults of the two statistics in /proc/vmstat: pins acquired, pins released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


if TYPE_CHECKING:
    from collections.abc import Sequence


class _Released(Optimised):
    """A put that counts what `released` says."""

    def released(self, head: int, refs: int) -> int:
        """How many pins to count for a put of *refs*."""
        return refs

    def drop(self, head: int, refs: int) -> None:
        """Put *refs* pins without counting them."""
        memory = self.memory
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs *= BIAS
        if memory.page_ref_sub_and_test(head, refs):
            memory.free(head)

    def put_compound_head(self, head: int, refs: int) -> None:
        """Count, then put."""
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, self.released(head, refs))
        self.drop(head, refs)


@fault("statistics", "B01, fixed by 4509b42c3896, 5.11", versions=("5.11", "5.13"))
class CountsAfterPut(_Released):
    """The statistic is counted when the last reference may be gone.

    Which node and zone it is counted for is read from the page. After the last
    put the page may have been unplugged together with its struct page. No count
    is wrong afterwards: only the order of what happened shows it.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Put, then count."""
        self.drop(head, refs)
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)


@fault("statistics", "mutation")
class CountsRuns(_Released):
    """A put counts as one released pin, however many it drops.

    The statistic was in the loop over pages, and the loop now goes over runs.
    """

    def released(self, head: int, refs: int) -> int:
        """One a put."""
        return min(refs, 1)


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsReferences(_Released):
    """A put counts references and not pins.

    The number was multiplied by the bias before it was counted: 1024 a pin on
    small pages, and one on those with a count of their own.
    """

    def released(self, head: int, refs: int) -> int:
        """As many as the refcount goes down."""
        return refs if self.memory.hpage_pincount_available(head) else refs * BIAS


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class LastPutUncounted(_Released):
    """A put that frees its page is not counted.

    Somebody moved the counting behind the put, and then took care not to touch
    a page that is gone. The pins of all freed pages seem to be still held.
    """

    def released(self, head: int, refs: int) -> int:
        """Nothing, if nothing will be left of *head*."""
        each = 1 if self.memory.hpage_pincount_available(head) else BIAS
        return 0 if self.memory.page_ref_count(head) == refs * each else refs


@fault("statistics", "B02, removed by 4509b42c3896, 5.11", versions=("5.11", "5.13"))
class TwoCopiesDrift(_Released):
    """Unpinning a single page has a copy of the put, which does not count.

    The put was written twice once, for one page and for a head, and the two
    drifted apart. The same pin then counts or not, by which call drops it.
    """

    def unpin_user_page(self, page: int) -> None:
        """Drop the one pin, uncounted."""
        self.drop(self.memory.compound_head(page), 1)


@fault("statistics", "B28, folio_add_pin()", versions=("5.11", "5.13"))
class AnotherPinUncounted(Optimised):
    """A pin of a page that looks pinned already is not counted as acquired.

    The call that adds a pin to a pinned page counts nothing, and its unpin
    counts as any other: more seems to be released than was ever taken.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin, and take the count back if it was not the first."""
        again = self.memory.page_maybe_dma_pinned(head)
        refs = super().try_grab_compound_head(head, refs)
        if again:
            self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, -refs)
        return refs


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsAskedPins(Optimised):
    """A grab counts the pins that were asked for, not those that it got.

    The statistic is counted before the refcount says no. Only a count close to
    2^31 refuses a part of a run.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Pin, and count what was refused as well."""
        grabbed = super().try_grab_compound_head(head, refs)
        self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs - grabbed)
        return grabbed


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsGets(Optimised):
    """Plain references are counted as acquired pins.

    One grab serves FOLL_GET and FOLL_PIN, and the statistic stands in what they
    share. Plain references are never counted as released.
    """

    def try_get_compound_head(self, head: int, refs: int) -> int:
        """Take references, and count them."""
        refs = super().try_get_compound_head(head, refs)
        self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs)
        return refs


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class UndoUncounted(_Released):
    """Pins that the fast path takes and gives back are counted as acquired only.

    A race is nothing a user asked for, so somebody did not count its undo, but
    its grab had been counted. The two numbers drift apart with every race.
    """

    _fast = False

    def released(self, head: int, refs: int) -> int:
        """Nothing while the fast path is at work."""
        return 0 if self._fast else refs

    def pin_user_pages_fast_only(self, pages: Sequence[int], changed: int | None) -> int:
        """Pin; an undo on the way is not counted."""
        self._fast = True
        pinned = super().pin_user_pages_fast_only(pages, changed)
        self._fast = False
        return pinned


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class DirtyPathCountsTwice(_Released):
    """Unpinning a dirtied list counts each page, and each put once more.

    The statistic moved into the put, and one of its callers went on counting.
    """

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Count the list, then put it."""
        if make_dirty:
            self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, npages)
        super().unpin_user_pages_dirty_lock(pages, npages, make_dirty)
