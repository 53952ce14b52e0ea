# SPDX-License-Identifier: MIT

"""Variants that are right though different. A report of one is a false alarm."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.optimised import MIN_ERR_VALUE, Optimised
from model.semantics import BIAS
from properties.faults.fault import fault
from properties.judging.oracles.cost import MAX_ENTRIES_OF_PUT


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.umem import Umem


class _Walks(Optimised):
    """All three unpin calls through one walk."""

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        """Unpin *pages*."""
        for head, ntails in self.runs(pages):
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """(head, entries) of what is put in one go."""
        i = 0
        while i < len(pages):
            head, ntails = self.compound_next(i, len(pages), pages)
            yield head, ntails
            i += ntails

    def unpin_user_pages(self, pages: Sequence[int], npages: int) -> None:
        """Walk, unless *npages* is -errno."""
        if npages >= MIN_ERR_VALUE:
            self.memory.warn("npages is an error value")
        else:
            self.walk(pages[:npages], make_dirty=False)

    def unpin_user_pages_dirty_lock(
        self, pages: Sequence[int], npages: int, make_dirty: bool
    ) -> None:
        """Walk likewise."""
        if make_dirty:
            self.walk(pages[:npages], make_dirty)
        else:
            self.unpin_user_pages(pages, npages)

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Walk the frames of the range."""
        self.walk(range(page, page + npages), make_dirty)


@fault("equivalent", "one helper for both iterators, as v1 3/4 had", versions=("5.11", "5.13"))
class OneWalker(_Walks):
    """A generator of runs serves lists and ranges alike.

    A range is a list whose frames rise by one. The list's own scan over it
    finds the same runs, more slowly; no put is dearer.
    """


@fault("equivalent", "cheaper than the series", versions=("5.11", "5.13"))
class Regroups(_Walks):
    """One put for each head, wherever its entries stand.

    A-B-A takes two puts and not three. Nothing promises an order of puts within
    one call, and no count in between is seen by anyone.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Each head once."""
        yield from Counter(map(self.memory.compound_head, pages)).items()


@fault("equivalent", "order of runs is nobody's business", versions=("5.11", "5.13"))
class Backwards(_Walks):
    """The walk goes from the last entry to the first.

    The runs are the same ones, and their order makes no difference to any head.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The runs of the reversed list."""
        return super().runs(pages[::-1])


@fault("equivalent", "order of runs is nobody's business", versions=("5.11", "5.13"))
class DirtiesFirst(_Walks):
    """All heads are dirtied before the first put.

    Each is dirty before its own put, which is all that the law wants, and each
    is still held when it is dirtied.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        """Dirty all, then put all."""
        if make_dirty:
            for head, _ in self.runs(pages):
                self.dirty_head(head)
        super().walk(pages, make_dirty=False)


@fault("equivalent", "a cache that lives as long as the call", versions=("5.11", "5.13"))
class CachesHeads(_Walks):
    """Heads are looked up once for each page of a call.

    Pins keep a page from being split, so that within one call heads stay what
    they are. The faulty twin, `StaleHead`, keeps them longer.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The runs, by heads looked up beforehand."""
        heads = {page: self.memory.compound_head(page) for page in pages}
        i = 0
        for j in range(1, len(pages) + 1):
            if j == len(pages) or heads[pages[j]] != heads[pages[i]]:
                yield heads[pages[i]], j - i
                i = j


@fault("equivalent", "another shape of loop", versions=("5.11", "5.13"))
class Halves(_Walks):
    """The list is halved until a run is one entry, and halves are joined again.

    Recursion as deep as the logarithm of the list. A run that lies across the
    middle is joined where its halves meet.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The runs of both halves, joined."""
        yield from self._halved(pages, 0, len(pages))

    def _halved(self, pages: Sequence[int], start: int, stop: int) -> list[tuple[int, int]]:
        if stop - start < 2:
            return [(self.memory.compound_head(page), 1) for page in pages[start:stop]]
        middle = (start + stop) // 2
        left = self._halved(pages, start, middle)
        right = self._halved(pages, middle, stop)
        if left[-1][0] == right[0][0]:
            head, ntails = left.pop()
            right[0] = (head, ntails + right[0][1])
        return left + right


@fault("equivalent", "refs * 1024 is an int in put_compound_head(), 5.13")
class PutsInParts(_Walks):
    """A run is put in several goes where its references do not fit into an ``int``.

    From 2^21 entries of a page whose pins are counted in its references the
    product passes 2^31. A put more for each such part is what it takes.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The runs, none longer than fits."""
        for head, ntails in super().runs(pages):
            for start in range(0, ntails, MAX_ENTRIES_OF_PUT):
                yield head, min(MAX_ENTRIES_OF_PUT, ntails - start)


@fault("equivalent", "5.11's callers did so", versions=("5.13",))
class RangeThroughList(Optimised):
    """The range call writes its pages out and takes the list call.

    What a caller had to do before the series. Memory for the list aside it is
    as cheap: the list call is batched too.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        """Unpin the list of the range's frames."""
        pages = [page + i for i in range(npages)]
        self.unpin_user_pages_dirty_lock(pages, npages, make_dirty)


@fault("equivalent", "lists of neighbours are common")
class ListThroughRange(_Walks):
    """A run whose frames rise by one goes through the range call.

    One put for each run on either way. A run with gaps or repeats is put as it
    is.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        """Take the range call where a run is a range."""
        i = 0
        for head, ntails in self.runs(pages):
            if list(pages[i : i + ntails]) == list(range(pages[i], pages[i] + ntails)):
                Optimised.unpin_user_page_range_dirty_lock(self, pages[i], ntails, make_dirty)
            else:
                if make_dirty:
                    self.dirty_head(head)
                self.put_compound_head(head, ntails)
            i += ntails


@fault("equivalent", "another way to the end of a run")
class Bisects(Optimised):
    """The end of a run in a range is searched for by halves.

    Frames of one compound page have one head, and those before and behind have
    lesser and greater ones: a binary search finds where it changes.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """The run by looking up a few heads."""
        head = self.memory.compound_head(page + i)
        frames = range(page + i, page + npages)
        return head, bisect_right(frames, head, key=self.memory.compound_head)


@fault("equivalent", "4509b42c3896 allows it", versions=("5.11", "5.13"))
class CountsBeforehand(_Walks):
    """The statistic of a whole call is counted before its first put.

    All pages are still held then, which is what the order is for. The sum is
    the same.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        """Count all of *pages*, then put run by run."""
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, len(pages))
        for head, ntails in self.runs(pages):
            if make_dirty:
                self.dirty_head(head)
            exact = self.memory.hpage_pincount_available(head)
            if exact:
                self.memory.pincount_add(head, -ntails)
            if self.memory.page_ref_sub_and_test(head, ntails if exact else ntails * BIAS):
                self.memory.free(head)


@fault("equivalent", "put_compound_head() of 5.11 to 5.17", versions=("5.11", "5.13"))
class AllButOneFirst(Optimised):
    """All but one of a run's references are subtracted, and the last one is put.

    So the kernel really does it: one atomic that cannot reach zero, and the
    usual put of one. Only the second can free the page.
    """

    def put_compound_head(self, head: int, refs: int) -> None:
        """Subtract, then put one."""
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)
        if memory.hpage_pincount_available(head):
            memory.pincount_add(head, -refs)
        else:
            refs *= BIAS
        if refs > 1:
            memory.page_ref_add(head, 1 - refs)
        if memory.page_ref_sub_and_test(head, 1):
            memory.free(head)


@fault("equivalent", "5.11's slow path pins so", versions=("5.11", "5.13"))
class GrabsOneByOne(Optimised):
    """Pins are taken one at a time, each by its own grab.

    As dear as the reference on the side that takes; the cost that counts is
    that of giving back. A refusal half-way leaves the same pins.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        """Grab until it is refused."""
        memory = self.memory
        exact = memory.hpage_pincount_available(head)
        for grabbed in range(refs):
            if memory.page_ref_count(head) <= 0:
                memory.warn("a grab found a refcount that is not positive")
                return grabbed
            memory.page_ref_add(head, 1 if exact else BIAS)
            if exact:
                memory.pincount_add(head, 1)
            memory.mod_node_page_state(NR_FOLL_PIN_ACQUIRED, 1)
        return refs


@fault("equivalent", "order of entries is nobody's business", versions=("5.11", "5.13"))
class LastEntryFirst(Optimised):
    """A region's entries are released from the last to the first.

    Each is a call of its own, so that not even the runs are different.
    """

    def release_umem(self, umem: Umem, dirty: bool) -> None:
        umem.sgl.reverse()
        super().release_umem(umem, dirty)
