# SPDX-License-Identifier: MIT

"""The ledger: who holds what, from the steps' contracts alone.

It carries nothing out. For each head it keeps how often it is mapped, got and
pinned, and from that follows the only refcount, pin count and statistics that
are legal. A step that would release more than is held breaks the contract:
one page at a time and batched may then lawfully differ, so it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from model.frames import Block
from model.mapping import side_by_side
from model.semantics import PAGE_SIZE
from model.step import contiguous
from properties.judging.holdings import ContractBroken, Held, Region
from properties.judging.pins import ENOMEM, LIMIT, Pins


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.pagelist import PageList
    from model.program import Program
    from model.step import Step

EBUSY = -16
BATCH = 512


class Ledger(Pins):
    """The books of one program, step by step."""

    @classmethod
    def after(cls, program: Program, steps: Sequence[Step]) -> Self:
        """The books of *program* when *steps*, its first, have been taken.

        :raises BadInput: if one of them cannot be.
        """
        ledger = cls(program.semantics, program.mappings)
        for step in steps:
            ledger.take(step)
        return ledger

    def take(self, step: Step) -> int | None:
        """Enter *step*; the number its call must return, where only one will do.

        :raises ContractBroken: if the step breaks the contract. Nothing was
            entered then.
        """
        self.touched = set()
        self.warned = False
        self.unpinned = []
        self.dirties = False
        entry: Callable[[Any], int | None] = getattr(self, f"_{step.call}")
        return entry(step)

    # RDMA memory regions.

    def _ib_umem_get(self, step: Any) -> int:
        pages = step.pages.resolve(self.table)
        before = {head: self.held(head).pins for head, _ in self.runs(pages)}
        acquired = self.acquired
        # The walk ends with the batch that finds no memory.
        fails = step.append_fails
        done, error = self._pin(pages if fails is None else pages[: (fails + 1) * BATCH])
        if fails is not None and fails * BATCH < done:
            self._unwind(before, acquired)
            return ENOMEM
        if error or step.nmap == 0:
            self._unwind(before, acquired)
            return error or ENOMEM
        entries = self._entries(pages, step.max_segment // PAGE_SIZE)
        self.umems[step.umem] = Region(entries, step.writable, step.nmap)
        return len(entries)

    def _entries(self, pages: Sequence[int], most: int) -> list[Sequence[int]]:
        """*pages* in as few pieces as scatterlist entries of *most* pages allow."""
        entries: list[Sequence[int]] = []
        at = 0
        while at < len(pages):
            if isinstance(pages, range) and pages.step == 1:
                stop = min(at + most, len(pages))
            else:
                stop = at + 1
                while stop < min(at + most, len(pages)) and pages[stop] == pages[stop - 1] + 1:
                    stop += 1
            entries.append(pages[at:stop])
            at = stop
        return entries

    def _unwind(self, before: dict[int, int], acquired: int) -> None:
        for head, pins in before.items():
            self.held(head).pins = pins
            if not pins:
                self.pinned.pop(head, None)
        self.released += self.acquired - acquired

    def _ib_umem(self, step: Any) -> int:
        entries = [contiguous(e.pages.resolve(self.table), e.pages) for e in step.sgl]
        self.umems[step.umem] = Region(entries, step.writable, step.nmap)
        return len(entries)

    def _ib_umem_release(self, step: Any) -> None:
        if step.umem not in self.umems:
            msg = f"{step.umem} is no memory region, or was released before"
            raise ContractBroken(msg)
        region = self.umems[step.umem]
        self._release(region.pages(), step.umem, dirty=region.writable and step.dirty)
        self.unpinned = region.entries
        self.released_umem = self.umems.pop(step.umem)

    # What the world does.

    def _alive(self, pages: PageList, call: str) -> list[int]:
        heads = list(dict.fromkeys(h for h, _ in self.runs(pages.resolve(self.table))))
        for head in heads:
            if call != "get_page" and self.kind(head) == "zero":
                msg = f"{call} of {self.name(head)}, the zero page, which stays as it is"
                raise ContractBroken(msg)
            if not self.held(head).alive:
                msg = f"{call} of {self.name(head)}, which is free"
                raise ContractBroken(msg)
        return heads

    def _map(self, step: Any) -> None:
        heads = self._alive(step.pages, step.call)
        self._fits((head, 1) for head in heads)
        for head in heads:
            self.held(head).maps += 1

    def _unmap(self, step: Any) -> None:
        heads = self._alive(step.pages, step.call)
        for head in heads:
            if not self.held(head).maps:
                msg = f"unmap of {self.name(head)}, which is not mapped"
                raise ContractBroken(msg)
        for head in heads:
            held = self.held(head)
            held.maps -= 1
            self._free_if_last(head, held)

    def _set_page_dirty(self, step: Any) -> None:
        for head in self._alive(step.pages, step.call):
            self.held(head).dirty = True

    def _clean(self, step: Any) -> None:
        for head in self._alive(step.pages, step.call):
            self.held(head).dirty = False

    def _split_huge_page(self, step: Any) -> int:
        (head,) = self._alive(step.pages, step.call)
        order = self.order(head)
        if order < 1 or self.kind(head) not in {"thp", "page-cache"}:
            msg = f"split_huge_page of {self.name(head)}, which is no transparent huge page"
            raise ContractBroken(msg)
        held = self.held(head)
        if held.total != held.maps:
            return EBUSY
        self._rebuild(head, [0] * (1 << order), held.maps, dirty=held.dirty)
        return 0

    def _alloc_pages(self, step: Any) -> None:
        pages = step.pages.resolve(self.table)
        for head, entries in self.runs(pages):
            if self.held(head).alive:
                msg = f"alloc_pages where {self.name(head)} is not free"
                raise ContractBroken(msg)
            if entries != 1 << self.order(head):
                msg = f"alloc_pages of a part of {self.name(head)}"
                raise ContractBroken(msg)
        allowed = self.semantics.orders[self.kind(pages[0])]
        for order in step.orders:
            if order not in allowed:
                msg = f"alloc_pages of order {order}, which {self.kind(pages[0])} pages do not have"
                raise ContractBroken(msg)
        self._rebuild(pages[0], step.orders, 1, dirty=False)

    def _rebuild(self, pfn: int, orders: Sequence[int], maps: int, *, dirty: bool) -> None:
        extents = side_by_side(orders, pfn)
        for page in range(pfn, extents[-1].stop):
            self._held.pop(page, None)
            self.freed.pop(page, None)
            # What was a head may be a tail now, and has no counts of its own.
            self.touched.discard(page)
        self._frames.replace(extents)
        self._last = Block(0, 0, 0, 0, "")
        for extent in extents:
            each = self._each(extent.order, self.kind(extent.pfn))
            for head in extent.heads():
                self._held[head] = Held(each, maps, dirty=dirty)
                self.touched.add(head)

    def _get_page(self, step: Any) -> None:
        self._alive(step.pages, step.call)
        counts = self.counts(step.pages.resolve(self.table))
        self._fits((head, entries * step.n) for head, entries in counts.items())
        for head, entries in counts.items():
            self.held(head).gets += entries * step.n
            self.got[head] = None

    def _put_page(self, step: Any) -> None:
        counts = self.counts(step.pages.resolve(self.table))
        for head, entries in counts.items():
            held = self.held(head)
            if held.gets < entries * step.n:
                msg = f"puts {entries * step.n} of {self.name(head)}, where {held.gets} are held"
                raise ContractBroken(msg)
        for head, entries in counts.items():
            held = self.held(head)
            held.gets -= entries * step.n
            if not held.gets:
                self.got.pop(head, None)
            self._free_if_last(head, held)

    def _fits(self, counts: Iterator[tuple[int, int]]) -> None:
        """See that plain references, which nothing checks, do not overflow the count."""
        for head, more in counts:
            if self.held(head).total + more >= LIMIT:
                msg = f"{self.name(head)} would get more than 2^31-1 references"
                raise ContractBroken(msg)
