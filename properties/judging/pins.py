# SPDX-License-Identifier: MIT

"""What pinning and unpinning enter in the books: by head, as the contract has it."""

from __future__ import annotations

from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from model.page import wrapped
from model.pagelist import NULL, NULL_NAME
from model.semantics import PMD_ORDER
from model.step import contiguous
from properties.judging.holdings import ContractBroken, Held, Holdings


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.pagelist import PageList

LIMIT = 1 << 31
EFAULT = -14
ENOMEM = -12


class Pins(Holdings):
    """Pins taken and given back: a method for each call, which `Ledger.take` asks."""

    # Pinning.

    def _grab(self, head: int, held: Held, entries: int) -> int:
        """Enter up to *entries* pins of *head*; how many a positive count allows."""
        count = wrapped(held.total)
        # Pins of the zero page add nothing, so any number has room.
        room = -(-(LIMIT - count) // held.each) if held.each else entries
        taken = min(entries, room) if count > 0 else 0
        if taken:
            held.pins += taken
            self.acquired += taken if held.each else 0
            self.pinned[head] = None
        if taken < entries:
            self.warned = True
        return taken

    def _put_back(self, head: int, held: Held, entries: int, *, dirty: bool = False) -> None:
        held.pins -= entries
        held.dirty = held.dirty or dirty
        self.released += entries if held.each else 0
        if not held.pins:
            self.pinned.pop(head, None)
        self._free_if_last(head, held)

    def _free_if_last(self, head: int, held: Held) -> None:
        if not held.total:
            held.alive = False
            held.dirty = False
            self.freed[head] = None

    def _pin(self, pages: Sequence[int]) -> tuple[int, int]:
        """Pin a prefix of *pages*: how many, and the error that stopped it or 0."""
        done = 0
        for head, entries in self.runs(pages):
            held = self.held(head)
            if not held.mapped:
                return done, EFAULT
            taken = self._grab(head, held, entries)
            done += taken
            if taken < entries:
                return done, ENOMEM
        return done, 0

    def _bind(self, name: str, pages: Sequence[int], done: int) -> None:
        if done:
            self.table[name] = pages[:done]

    def _pin_user_pages(self, step: Any) -> int:
        pages = step.pages.resolve(self.table)
        done, error = self._pin(pages)
        self._bind(step.handle, pages, done)
        return done or error

    def _get_user_pages(self, step: Any) -> int:
        pages = step.pages.resolve(self.table)
        done = error = 0
        for head, entries in self.runs(pages):
            held = self.held(head)
            if not held.mapped:
                error = EFAULT
                break
            count = wrapped(held.total)
            taken = min(entries, LIMIT - count) if count > 0 else 0
            if taken:
                held.gets += taken
                self.got[head] = None
            done += taken
            if taken < entries:
                self.warned = True
                error = ENOMEM
                break
        self._bind(step.handle, pages, done)
        return done or error

    def _pin_user_pages_fast_only(self, step: Any) -> int:
        pages = step.pages.resolve(self.table)
        done = self._fast(pages, step.changed)
        self._bind(step.handle, pages, done)
        return done

    def _fast(self, pages: Sequence[int], changed: int | None) -> int:
        done = 0
        for head, entries in self.runs(pages):
            held = self.held(head)
            # The zero page's entry is special, which the fast path does not take.
            if not held.mapped or self.kind(head) == "zero":
                return done
            if changed is not None and changed < done + entries:
                huge = self.order(head) >= PMD_ORDER
                kept = 0 if huge else changed - done
                taken = self._grab(head, held, kept) if kept else 0
                if taken == kept:
                    undone = self._grab(head, held, entries if huge else 1)
                    self._put_back(head, held, undone)
                return done + taken
            taken = self._grab(head, held, entries)
            done += taken
            if taken < entries:
                return done
        return done

    # Unpinning.

    def _release(self, pages: Sequence[int], named: PageList | str, *, dirty: bool = False) -> None:
        runs = []
        for head, entries in self.counts(pages).items():
            held = self.held(head)
            if held.pins < entries:
                msg = f"unpins {entries} of {self.name(head)}, where {held.pins} are held ({named})"
                raise ContractBroken(msg)
            runs.append((head, held, entries))
        for head, held, entries in runs:
            self._put_back(head, held, entries, dirty=dirty)
        self.unpinned = [pages]
        self.dirties = dirty

    def _unpin_user_page(self, step: Any) -> None:
        self._release(step.page.resolve(self.table), step.page)

    def _unpin_user_pages(self, step: Any) -> None:
        if step.npages is not None:
            self.warned = True  # an error value, which the call notices
            return
        dirty = getattr(step, "make_dirty", False)
        pages = step.pages.resolve(self.table)
        pieces = [pages]
        if NULL_NAME in step.pages.names() and self.semantics.null_skipped and not dirty:
            pieces = [[*piece] for null, piece in groupby(pages, NULL.__eq__) if not null]
            pages = [*chain.from_iterable(pieces)]
        self._release(pages, step.pages, dirty=dirty)
        self.unpinned = pieces

    def _unpin_user_pages_dirty_lock(self, step: Any) -> None:
        if step.npages is not None and step.make_dirty:
            msg = f"{step.call} does not notice npages={step.npages} when it dirties"
            raise ContractBroken(msg)
        self._unpin_user_pages(step)

    def _unpin_user_page_range_dirty_lock(self, step: Any) -> None:
        if step.npages is not None:
            msg = f"{step.call} does not notice npages={step.npages}"
            raise ContractBroken(msg)
        pages = contiguous(step.pages.resolve(self.table), step.pages)
        self._release(pages, step.pages, dirty=step.make_dirty)
