# SPDX-License-Identifier: MIT

"""Faults of the two statistics in /proc/vmstat: pins acquired, pins released."""

from collections.abc import Sequence

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.semantics import BIAS
from properties.faults.fault import fault


@fault("statistics", "B01, fixed by 4509b42c3896, 5.11", versions=("5.11", "5.13"))
class CountsAfterPut(Optimised):
    """The statistic is counted after the put, when the last reference may be gone.

    The struct page says for which node to count, but the page's memory may have been unplugged
    by then. No count is wrong afterwards: only the order of events shows it.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        self.put_page_refs(head, self.drop_pincount(head, refs))
        self.count_released(head, refs)


@fault("statistics", "mutation")
class CountsRuns(Optimised):
    """A put counts as one released pin, however many it drops.

    Each iteration of the loop counts one pin, as when the loop went over pages and not runs.
    """

    def count_released(self, head: int, refs: int) -> None:
        super().count_released(head, min(refs, 1))


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsReferences(Optimised):
    """A put counts references and not pins: 1024 for each pin of a page without a pincount.

    The number of pins is multiplied by the bias before the statistic is updated.
    """

    def count_released(self, head: int, refs: int) -> None:
        super().count_released(head, refs if self.puts_exactly(head) else refs * BIAS)


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class LastPutUncounted(Optimised):
    """A put that frees its page is not counted.

    The counting was moved after the put, and is skipped if the page is free by then.
    """

    def count_released(self, head: int, refs: int) -> None:
        each = 1 if self.puts_exactly(head) else BIAS
        last = self.memory.page_ref_count(head) == refs * each
        super().count_released(head, 0 if last else refs)


@fault("statistics", "B02, removed by 4509b42c3896, 5.11", versions=("5.11", "5.13"))
class TwoCopiesDrift(Optimised):
    """Unpinning a single page uses a copy of the put that does not count.

    The put was written twice, for one page and for a head, and the copies drifted apart.
    """

    def unpin_user_page(self, page: int) -> None:
        head = self.memory.compound_head(page)
        self.put_page_refs(head, self.drop_pincount(head, 1))


@fault("statistics", "B28, folio_add_pin()", versions=("5.11", "5.13"))
class AnotherPinUncounted(Optimised):
    """A pin of a page that looks pinned already is not counted as acquired.

    Its unpin is counted like any other: more pins seem to be released than were acquired.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        again = self.memory.page_maybe_dma_pinned(head)
        refs = super().try_grab_compound_head(head, refs)
        if again:
            self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, -refs)
        return refs


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsAskedPins(Optimised):
    """A grab counts the pins it was asked for, not the pins it took.

    Only a refcount close to 2^31 makes a grab take fewer pins than it was asked for.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        grabbed = super().try_grab_compound_head(head, refs)
        self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs - grabbed)
        return grabbed


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class CountsGets(Optimised):
    """Plain references are counted as acquired pins, and never as released.

    One grab serves FOLL_GET and FOLL_PIN, and the statistic is in the part they share.
    """

    def try_get_compound_head(self, head: int, refs: int) -> int:
        refs = super().try_get_compound_head(head, refs)
        self.memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, refs)
        return refs


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class UndoUncounted(Optimised):
    """Pins that the fast path takes and gives back are counted as acquired, but not as released.

    The undo is not counted because no caller asked for it, but the grab before it was counted.
    """

    def undo_grab(self, head: int, refs: int) -> None:
        self.put_page_refs(head, self.drop_pincount(head, refs))


@fault("statistics", "mutation", versions=("5.11", "5.13"))
class DirtyPathCountsTwice(Optimised):
    """Unpinning a list with make_dirty counts each page twice.

    The statistic was moved into the put, and one of its callers still counts.
    """

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, npages)
        super().unpin_dirty_runs(pages, npages)
