# SPDX-License-Identifier: MIT

"""A long program's last steps, behind a few that bring about what the others did.

What a step meets is what is held when it begins. So whatever the first hundred
thousand steps did, a few pins, references and flags make the same of it, and a
failure that depends on nothing else is short at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.pagelist import PageList, Slice, from_entries, joined
from model.steps import (
    GetPage,
    GetUserPages,
    IbUmem,
    IbUmemGet,
    Map,
    PinUserPages,
    PutPage,
    SetPageDirty,
    SplitHugePage,
    Unmap,
    UnpinUserPages,
)
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT


if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from model.mapping import Mapping
    from model.program import Program
    from model.step import Step
    from properties.judging.holdings import Region

#: Regions and lists of more pages than these are not built again.
MOST_LISTED = 4_096

#: Steps that map pages, each all that are still to be mapped.
MOST_MAPS = 64


class CannotCondense(Exception):
    """What is held is too much, or too odd, to be brought about in few steps."""


def condensed(program: Program, window: int) -> Program:
    """The last *window* steps of *program*, behind what brings about the state before them.

    Where a count nears 2^31 it matters in which order references were taken, and a
    page that is mapped very often is made to hold plain references instead. What is
    made of that may hold less, or break the contract: whoever asks judges it.

    :raises CannotCondense: if that cannot be done.
    :raises BadInput: if the program breaks the contract.
    """
    at = len(program.steps) - window
    ledger = Ledger.after(program, program.steps[:at])
    last = tuple(program.steps[at:])
    mappings = tuple(_as_it_stands(m, ledger, last) for m in program.mappings)
    builder = _Builder(ledger, {s.makes: s for s in program.steps[:at] if s.makes}, last)
    return evolve(program, mappings=mappings, steps=(*builder.steps(), *last), lines=())


def _as_it_stands(mapping: Mapping, ledger: Ledger, last: Sequence[Step]) -> Mapping:
    """*mapping* with the compound pages of now; a driver's where none of its kind are like that."""
    extents = ledger.extents(mapping)
    if ledger.semantics.orders[mapping.kind].issuperset(e.order for e in extents):
        return evolve(mapping, extents=extents)
    # Huge pages were split. What a driver has cannot be.
    if any(isinstance(step, SplitHugePage) for step in last):
        raise CannotCondense
    return evolve(mapping, kind="driver", extents=extents)


class _Builder:
    """Makes the steps that bring about what *ledger* holds."""

    def __init__(self, ledger: Ledger, made: dict[str, Step], last: Sequence[Step]) -> None:
        self._ledger = ledger
        self._made = made
        self._used = sorted(
            {name for step in last for name in step.uses() if name in made}, key=list(made).index
        )
        self._heads = dict(ledger.known())
        self._pins = dict.fromkeys(self._heads, 0)
        self._gets = dict.fromkeys(self._heads, 0)

    def steps(self) -> Iterator[Step]:
        """All of them, in an order in which each can be carried out."""
        yield from self._mapped()
        again = [step for name in self._used for step in self._again(name)]
        # A count that passed 2^31 did so by a pin: plain references were there before.
        wrapped = {head for head, held in self._heads.items() if held.total >= COUNT_LIMIT}
        yield from self._got(wrapped)
        yield from again
        yield from self._pinned()
        yield from self._got(self._heads.keys() - wrapped)
        dirty = [head for head, held in self._heads.items() if held.dirty]
        if dirty:
            yield SetPageDirty(pages=self._list(dirty))
        yield from self._unmapped()

    def _mapped(self) -> Iterator[Step]:
        """Mappings, and plain references in the place of those that would take too many steps."""
        more = {h: held.maps - self._ledger.first_refs(h) for h, held in self._heads.items()}
        for level in range(min(max(more.values(), default=0), MOST_MAPS)):
            yield Map(pages=self._list([head for head, n in more.items() if n > level]))
        self._gets.update({head: MOST_MAPS - n for head, n in more.items() if n > MOST_MAPS})

    def _unmapped(self) -> Iterator[Step]:
        fewer = {h: self._ledger.first_refs(h) - held.maps for h, held in self._heads.items()}
        for level in range(max(fewer.values(), default=0)):
            yield Unmap(pages=self._list([head for head, n in fewer.items() if n > level]))

    def _pinned(self) -> Iterator[Step]:
        """Pins that no name that is used later stands for."""
        more = {h: held.pins - self._pins[h] for h, held in self._heads.items()}
        taken = [self._page(head, n) for head, n in more.items() if n > 0]
        if taken:
            yield PinUserPages(handle="h0", pages=joined(taken))
        given = [self._page(head, -n) for head, n in more.items() if n < 0]
        if given:
            yield UnpinUserPages(pages=joined(given))

    def _got(self, heads: Collection[int]) -> Iterator[Step]:
        """Plain references of *heads* that no name that is used later stands for."""
        for head in sorted(heads):
            n = self._heads[head].gets - self._gets[head]
            if n > 0:
                yield GetPage(pages=self._page(head), n=n)
            elif n < 0:
                yield PutPage(pages=self._page(head), n=-n)

    def _again(self, name: str) -> Iterator[Step]:
        """What *name* stands for, made anew."""
        step = self._made[name]
        if isinstance(step, IbUmemGet | IbUmem):
            region = self._ledger.umems.get(name)
            if region is None:
                raise CannotCondense
            yield self._region(step, region)
            return
        frames = self._ledger.table[name]
        if len(frames) > MOST_LISTED:
            raise CannotCondense
        pages = self._list(frames)
        if isinstance(step, GetUserPages):
            self._count(self._gets, frames)
            yield GetUserPages(handle=name, pages=pages)
        else:
            self._count(self._pins, frames)
            yield PinUserPages(handle=name, pages=pages)

    def _region(self, step: IbUmemGet | IbUmem, region: Region) -> Step:
        if sum(map(len, region.entries)) > MOST_LISTED:
            raise CannotCondense
        if isinstance(step, IbUmem):
            # Its pins are those of handles, which are made good for in the end.
            entries = zip(step.sgl, region.entries, strict=True)
            return evolve(step, sgl=tuple(evolve(e, pages=self._list(f)) for e, f in entries))
        frames = region.pages()
        self._count(self._pins, frames)
        return evolve(step, pages=self._list(frames))

    def _count(self, counts: dict[int, int], frames: Sequence[int]) -> None:
        for head, entries in self._ledger.counts(frames).items():
            counts[head] = counts.get(head, 0) + entries
            self._heads.setdefault(head, self._ledger.held(head))

    def _entry(self, frame: int) -> tuple[str, int]:
        where = self._ledger.where(frame)
        if where is None:
            raise CannotCondense
        return where

    def _page(self, frame: int, times: int = 1) -> PageList:
        name, offset = self._entry(frame)
        return PageList((Slice(name, range(offset, offset + 1), times),))

    def _list(self, frames: Sequence[int]) -> PageList:
        return from_entries([self._entry(frame) for frame in frames])
