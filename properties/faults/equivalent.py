# SPDX-License-Identifier: MIT

"""Changes of the optimised model that plant no bug. A finding on one is a false alarm."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.umem import Scatterlist, Umem
from properties.faults.fault import fault
from properties.judging.oracles.cost import MAX_ENTRIES_OF_PUT


class _OneWalk(Optimised):
    """An optimised model whose three unpin calls share one walk over runs."""

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        """Unpin *pages*."""
        for head, ntails in self.runs(pages):
            if make_dirty:
                self.dirty_head(head)
            self.put_compound_head(head, ntails)

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        """(head, entries) of each put."""
        i = 0
        while i < len(pages):
            head, ntails = self.compound_next(i, len(pages), pages)
            yield head, ntails
            i += ntails

    def unpin_runs(self, pages: Sequence[int], npages: int) -> None:
        self.walk(pages[:npages], make_dirty=False)

    def unpin_dirty_runs(self, pages: Sequence[int], npages: int) -> None:
        self.walk(pages[:npages], make_dirty=True)

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        self.walk(range(page, page + npages), make_dirty)


@fault("equivalent", "one helper for both iterators, as v1 3/4 had", versions=("5.11", "5.13"))
class OneWalker(_OneWalk):
    """One generator of runs serves lists and ranges.

    A range is a list whose frames rise by one; the list's scan finds the same runs, more slowly.
    """


@fault("equivalent", "cheaper than the series", versions=("5.11", "5.13"))
class Regroups(_OneWalk):
    """One put for each head, wherever its entries are: a list A-B-A takes two puts, not three.

    The order of puts within one call is not specified, and nothing compares counts between puts.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        yield from Counter(map(self.memory.compound_head, pages)).items()


@fault("equivalent", "order of runs is not specified", versions=("5.11", "5.13"))
class Backwards(_OneWalk):
    """The walk goes from the last entry to the first.

    The runs are the same, and their order makes no difference to any head.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        return super().runs(pages[::-1])


@fault("equivalent", "order of runs is not specified", versions=("5.11", "5.13"))
class DirtiesFirst(_OneWalk):
    """All heads are dirtied before the first put.

    So each head is dirtied before its own put, as required, and while it is still held.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        if make_dirty:
            for head, _ in self.runs(pages):
                self.dirty_head(head)
        super().walk(pages, make_dirty=False)


@fault("equivalent", "a cache that lives as long as the call", versions=("5.11", "5.13"))
class CachesHeads(_OneWalk):
    """The head of each page is looked up once in a call.

    Pins keep a page from being split during the call. `StaleHead` keeps heads for too long.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        heads = {page: self.memory.compound_head(page) for page in pages}
        for head, run in groupby(pages, key=heads.__getitem__):
            yield head, sum(1 for _ in run)


@fault("equivalent", "another shape of loop", versions=("5.11", "5.13"))
class Halves(_OneWalk):
    """The list is halved until each part is one entry; then the runs of the parts are joined.

    A run of one head that the middle of a list cuts in two is one run again in the end.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        yield from self._halved(pages)

    def _halved(self, pages: Sequence[int]) -> list[tuple[int, int]]:
        if len(pages) < 2:
            return [(self.memory.compound_head(page), 1) for page in pages]
        middle = len(pages) // 2
        left, right = self._halved(pages[:middle]), self._halved(pages[middle:])
        if left[-1][0] == right[0][0]:
            head, ntails = left.pop()
            right[0] = (head, ntails + right[0][1])
        return left + right


@fault("equivalent", "refs * 1024 is an int in put_compound_head(), 5.13")
class PutsInParts(_OneWalk):
    """A run of more than 2^20 entries is put in parts, whose references fit into an ``int``.

    Each part has up to 2^20 entries, and the cost oracle allows a put for each such part.
    """

    def runs(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        for head, ntails in super().runs(pages):
            for start in range(0, ntails, MAX_ENTRIES_OF_PUT):
                yield head, min(MAX_ENTRIES_OF_PUT, ntails - start)


@fault("equivalent", "5.11's callers did so", versions=("5.13",))
class RangeThroughList(Optimised):
    """The range call makes a list of its pages and calls the list call.

    Apart from the memory for the list it is as cheap, because the list call is batched too.
    """

    def unpin_user_page_range_dirty_lock(self, page: int, npages: int, make_dirty: bool) -> None:
        pages = [page + i for i in range(npages)]
        self.unpin_user_pages_dirty_lock(pages, npages, make_dirty)


@fault("equivalent", "lists of neighbours are common")
class ListThroughRange(_OneWalk):
    """A run whose frames rise by one goes through the range call.

    Each run takes one put either way. Runs with gaps, repeats or falling frames are put directly.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        i = 0
        for head, ntails in self.runs(pages):
            if list(pages[i : i + ntails]) == list(range(pages[i], pages[i] + ntails)):
                Optimised.unpin_user_page_range_dirty_lock(self, pages[i], ntails, make_dirty)
            else:
                self.unpin_range_run(pages[i], head, ntails, make_dirty)
            i += ntails


@fault("equivalent", "another way to the end of a run")
class Bisects(Optimised):
    """A binary search finds the end of a run in a range.

    Along a range, heads never fall: all pages after the compound page have higher heads.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        head = self.memory.compound_head(page + i)
        frames = range(page + i, page + npages)
        return head, bisect_right(frames, head, key=self.memory.compound_head)


@fault("equivalent", "4509b42c3896 allows it", versions=("5.11", "5.13"))
class CountsBeforehand(_OneWalk):
    """The statistic is counted for a whole call before its first put.

    All pages are still held then, as counting requires. The sum is the same.
    """

    def walk(self, pages: Sequence[int], make_dirty: bool) -> None:
        self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, len(pages))
        for head, ntails in self.runs(pages):
            if make_dirty:
                self.dirty_head(head)
            self.put_page_refs(head, self.drop_pincount(head, ntails))


@fault("equivalent", "put_compound_head() of 5.11 to 5.17", versions=("5.11", "5.13"))
class AllButOneFirst(Optimised):
    """All references of a run but one are subtracted, and the last one is put.

    5.11 to 5.17 do this: an atomic subtraction that cannot reach zero, then the usual put.
    """

    def put_page_refs(self, head: int, refs: int) -> None:
        if refs > 1:
            self.memory.page_ref_add(head, 1 - refs)
        super().put_page_refs(head, 1)


@fault("equivalent", "5.11's slow path pins so", versions=("5.11", "5.13"))
class GrabsOneByOne(Optimised):
    """Pins are taken one at a time, each by its own grab.

    Only puts and dirty locks count as cost. Near 2^31 as many pins are taken as by one grab.
    """

    def try_grab_compound_head(self, head: int, refs: int) -> int:
        for grabbed in range(refs):
            if not super().try_grab_compound_head(head, 1):
                return grabbed
        return refs


@fault("equivalent", "order of entries is not specified", versions=("5.11", "5.13"))
class LastEntryFirst(Optimised):
    """A region's entries are released from the last to the first.

    Each scatterlist entry is unpinned by a call of its own, so the runs are the same.
    """

    def released_entries(self, umem: Umem) -> list[Scatterlist]:
        return umem.sgl[::-1]
