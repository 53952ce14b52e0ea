# SPDX-License-Identifier: MIT

"""Enumeration of the steps that can follow a program, within a scope.

Lists name pages by mapping, never by handle: a candidate sees frames only, so handles
would give the same steps again.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, product
from typing import Any

from attrs import NOTHING

from model.mapping import Mapping
from model.memfd import FILE_KINDS
from model.pagelist import PageList, from_entries, span
from model.semantics import PAGE_SIZE
from model.step import SgEntry, Step, shown
from model.steps import STEPS
from properties.enumeration.scope import Scope
from properties.judging.ledger import Ledger

YES_NO = (True, False)


class NextSteps:
    """Enumerates the steps that can follow one program.

    :param ledger: The state after the program.
    :param nth: The number of the next step, from 1, for the name of its handle or region.
    :param left: Number of pages that the program may still name.
    """

    def __init__(self, scope: Scope, mapping: Mapping, ledger: Ledger, nth: int, left: int) -> None:
        self._scope = scope
        self._ledger = ledger
        self._pages = list(mapping.pages)
        self._name = mapping.name
        self._kind = mapping.kind
        self._orders = scope.semantics.orders[mapping.kind]
        self._nth = nth
        self._most = min(scope.listed, left)
        self._left = left

    def steps(self, call: str) -> Iterator[Step]:
        """Every step of *call* in the scope; a few may break the contract.

        The steps come from the method named after the call, which gets the class of the step.
        """
        steps = getattr(self, f"_{call}")(STEPS[call])
        yield from filter(_is_plain, steps) if call in self._scope.plain else steps

    # Lists of pages.

    def _named(self, positions: Sequence[int]) -> PageList:
        """The list of the mapping's pages at *positions*; an empty list if there are none."""
        entries = [(self._name, i) for i in positions]
        return from_entries(entries) if entries else span(self._name, 0, 0)

    def _lists(self) -> Iterator[PageList]:
        """Every list of one or more pages."""
        for length in range(1, self._most + 1):
            for positions in product(range(len(self._pages)), repeat=length):
                yield self._named(positions)

    def _lists_or_none(self) -> Iterator[PageList]:
        """The empty list, and every list of one or more pages."""
        yield self._named(())
        yield from self._lists()

    def _unpinned(self, npages: int | None, *, folios: bool = False) -> Iterator[PageList]:
        """The empty list, and every list that the contract lets a step unpin.

        If *npages* is an error value, the call unpins nothing, so every list is included.

        :param folios: Whether the lists are of folios.
        """
        if npages is None:
            yield self._named(())
            yield from map(self._named, self._pinned(folios=folios))
        else:
            yield from self._lists_or_none()

    def _pinned(self, *, folios: bool = False) -> Iterator[tuple[int, ...]]:
        """Every list that the contract lets a step unpin, as positions in the mapping.

        :param folios: Whether they are of folios: these are named by their heads alone, which are
            what candidates get, whichever page names a folio.
        """
        heads = [self._ledger.head(page) for page in self._pages]
        pins = {head: self._ledger.held(head).pins for head in heads}
        named = [(i, head) for i, head in enumerate(heads) if head == self._pages[i] or not folios]

        def extend(positions: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
            if positions:
                yield positions
            if len(positions) < self._most:
                for i, head in named:
                    if pins[head]:
                        pins[head] -= 1
                        yield from extend((*positions, i))
                        pins[head] += 1

        return extend(())

    def _folios(self) -> Iterator[tuple[PageList, int]]:
        """Each pinned folio, named by its head, and the number of its pins."""
        for i, page in enumerate(self._pages if self._most else ()):
            if self._ledger.head(page) == page and self._ledger.held(page).pins:
                yield self._named((i,)), self._ledger.held(page).pins

    def _stretches(self) -> Iterator[range]:
        """The longest range that begins with each page, as positions in the mapping."""
        pages = self._pages
        for start in range(len(pages)):
            stop = start
            end = min(start + self._most, len(pages))
            while stop < end and pages[stop] == pages[start] + stop - start:
                stop += 1
            yield range(start, stop)

    def _ranges(self) -> Iterator[PageList]:
        """Every range that the contract lets a step unpin."""
        for longest in self._stretches():
            frames = self._pages[longest.start : longest.stop]
            for npages in range(self._ledger.releasable(frames)):
                yield self._named(longest[: npages + 1])

    def _heads(self, what: str = "alive", least: int = 1) -> Iterator[PageList]:
        """Every set of allocated heads, each with *least* or more in field *what* of `Held`."""
        heads = []
        for i, page in enumerate(self._pages):
            if self._ledger.head(page) == page:
                held = self._ledger.held(page)
                if held.alive and getattr(held, what) >= least:
                    heads.append(i)
        for length in range(1, self._most + 1):
            yield from map(self._named, combinations(heads, length))

    # Calls.

    def _pin_user_pages(self, make: Any) -> Iterator[Step]:
        for pages in self._lists_or_none():
            yield make(handle=f"h{self._nth}", pages=pages)

    _get_user_pages = _pin_user_pages

    def _pin_user_pages_fast_only(self, make: Any) -> Iterator[Step]:
        for pages in self._lists():
            yield make(handle=f"h{self._nth}", pages=pages)
            for changed, race in product(range(len(pages)), self._scope.values["race"]):
                yield make(handle=f"h{self._nth}", pages=pages, changed=changed, race=race)

    _pin_user_pages_fast = _pin_user_pages_fast_only
    _get_user_pages_fast_only = _pin_user_pages_fast_only
    _get_user_pages_fast = _pin_user_pages_fast_only

    def _unpin_user_page(self, make: Any) -> Iterator[Step]:
        for positions in self._pinned():
            if len(positions) == 1:
                yield make(page=self._named(positions))

    def _unpin_user_pages(self, make: Any) -> Iterator[Step]:
        for npages in self._scope.values["npages"]:
            for pages in self._unpinned(npages):
                yield make(pages=pages, npages=npages)

    def _unpin_user_pages_dirty_lock(self, make: Any) -> Iterator[Step]:
        for pages in self._unpinned(None):
            yield make(pages=pages, make_dirty=True)
        yield from self._unpin_user_pages(partial(make, make_dirty=False))

    def _unpin_user_page_range_dirty_lock(self, make: Any) -> Iterator[Step]:
        for pages in (self._named(()), *self._ranges()):
            for make_dirty in YES_NO:
                yield make(pages=pages, make_dirty=make_dirty)

    def _unpin_folio(self, make: Any) -> Iterator[Step]:
        return (make(page=page) for page, _ in self._folios())

    _folio_add_pin = _unpin_folio

    def _unpin_folios(self, make: Any) -> Iterator[Step]:
        for npages in self._scope.values["npages"]:
            for pages in self._unpinned(npages, folios=True):
                yield make(pages=pages, npages=npages)

    def _unpin_user_folio(self, make: Any) -> Iterator[Step]:
        for page, pins in self._folios():
            for n in self._scope.values["n"]:
                if n <= pins:
                    yield make(page=page, n=n)

    def _folio_add_pins(self, make: Any) -> Iterator[Step]:
        for page, _ in self._folios():
            for n in self._scope.values["n"]:
                yield make(page=page, n=n)

    def _memfd_pin_folios(self, make: Any) -> Iterator[Step]:
        ranges = self._stretches() if self._kind in FILE_KINDS else ()
        for longest, most in product(ranges, self._scope.values["max_folios"]):
            for stop in range(1, len(longest) + 1):
                pages = self._named(longest[:stop])
                yield make(handle=f"h{self._nth}", pages=pages, max_folios=most)

    def _ib_umem_get(self, make: Any) -> Iterator[Step]:
        names = ("writable", "max_segment", "nmap", "append_fails")
        values = {"writable": YES_NO, **self._scope.values}
        for pages in self._lists_or_none():
            for row in product(*(values[name] for name in names)):
                arguments = dict(zip(names, row, strict=True))
                yield make(umem=f"m{self._nth}", pages=pages, **arguments)

    def _ib_umem(self, make: Any) -> Iterator[Step]:
        entries = [
            SgEntry(pages, len(pages) * PAGE_SIZE - short)
            for pages in self._ranges()
            for short in (0, PAGE_SIZE // 2)
        ]
        tables = [(e,) for e in entries] + list(product(entries, repeat=2))
        for sgl, writable in product(tables, YES_NO):
            if sum(len(e.pages) for e in sgl) <= self._left:
                for nmap in self._scope.values["nmap"]:
                    if nmap is None or nmap <= len(sgl):
                        yield make(umem=f"m{self._nth}", sgl=sgl, writable=writable, nmap=nmap)

    def _ib_umem_release(self, make: Any) -> Iterator[Step]:
        for umem, region in self._ledger.umems.items():
            pages = region.pages()
            if self._ledger.releasable(pages) == len(pages):
                for dirty in YES_NO:
                    yield make(umem=umem, dirty=dirty)

    def _map(self, make: Any) -> Iterator[Step]:
        return (make(pages=pages) for pages in self._heads())

    _set_page_dirty = _map
    _clean = _map

    def _unmap(self, make: Any) -> Iterator[Step]:
        return (make(pages=pages) for pages in self._heads("maps"))

    def _get_page(self, make: Any) -> Iterator[Step]:
        for pages in self._heads():
            for n in self._scope.values["n"]:
                yield make(pages=pages, n=n)

    def _put_page(self, make: Any) -> Iterator[Step]:
        for n in self._scope.values["n"]:
            for pages in self._heads("gets", n):
                yield make(pages=pages, n=n)

    def _split_huge_page(self, make: Any) -> Iterator[Step]:
        if self._kind in make.kinds:
            for pages in self._heads():
                (_, i), *more = pages.entries()
                if not more and self._ledger.order(self._pages[i]):
                    yield make(pages=pages)

    def _alloc_pages(self, make: Any) -> Iterator[Step]:
        ledger = self._ledger
        for head in ledger.freed:
            order = ledger.order(head)
            first = self._pages.index(head)
            if 1 << order <= self._left:
                pages = self._named(range(first, first + (1 << order)))
                for orders in _fillings(order):
                    if self._orders.issuperset(orders):
                        yield make(pages=pages, orders=orders)


def _is_plain(step: Step) -> bool:
    """Whether each argument of *step* that has a default value has this value."""
    return all(a.default in (NOTHING, getattr(step, a.name)) for a in shown(step))


def _fillings(order: int) -> Iterator[tuple[int, ...]]:
    """Every sequence of orders whose aligned compound pages fill a compound page of *order*."""
    yield (order,)
    if order:
        for left, right in product(_fillings(order - 1), repeat=2):
            yield (*left, *right)
