# SPDX-License-Identifier: MIT

"""A program that is pinned and mapped somehow, and what a law may draw from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.pagelist import from_entries
from model.steps import UnpinUserPages, UnpinUserPagesDirtyLock
from properties.judging.pins import LIMIT
from properties.strategies import among, one_in
from properties.strategies.lists import (
    by_mapping,
    draw_pieces,
    draw_range,
    draw_stretch,
    releasable,
)


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.pagelist import Entry, PageList
    from model.step import Step
    from properties.judging.judge import Run
    from properties.strategies.dice import Dice
    from properties.strategies.steps import Steps

#: Entries of a list, or pages of a range; one in `ONE_LONG_IN` may have more.
MOST = 24
LONG = 600
ONE_LONG_IN = 24

#: Of so many heads that were pinned last a list is gathered.
GATHERED = 6


def longest(dice: Dice) -> int:
    """How many entries, or pages, to draw at most."""
    return LONG if one_in(dice, ONE_LONG_IN) else MOST


class Case:
    """A program that ways begin with, and what laws draw from it."""

    def __init__(self, dice: Dice, run: Run, steps: Steps) -> None:
        self.dice = dice
        self.ledger = run.ledger
        self.steps = steps
        self.start = run.so_far

    def held(self, least: int = 1) -> list[Entry] | None:
        """Entries whose pins are all held, at least so many."""
        entries = self._gathered() if one_in(self.dice, 2) else self._pieces()
        if entries is None or len(entries) < least:
            entries = self._gathered()
        return entries if len(entries) >= least else None

    def _pieces(self) -> list[Entry] | None:
        if not self.steps.handles:
            return None
        pages = draw_pieces(self.dice, self.ledger, self.steps.handles).prefix(longest(self.dice))
        some = releasable(self.ledger, pages)
        return entries_of(some) if some else None

    def _gathered(self) -> list[Entry]:
        """Pins of some heads, by any of their pages and in any order."""
        entries = []
        for head in list(self.ledger.pinned)[-GATHERED:]:
            npages = 1 << self.ledger.order(head)
            for _ in range(min(self.ledger.held(head).pins, 1 + self.dice.randrange(4))):
                page = head + self.dice.randrange(npages)
                entries += entries_of(by_mapping(self.ledger, page))
        return self.shuffled(entries) if one_in(self.dice, 2) else entries

    def range(self) -> PageList | None:
        """Contiguous frames whose pins are all held."""
        pages = draw_range(self.dice, self.ledger, self.steps.handles)
        return pages.prefix(longest(self.dice)) if pages else None

    def stretch(self) -> PageList:
        """Pages to pin, neighbours or not."""
        mapping = among(self.dice, self.ledger.mappings)
        pages = draw_stretch(self.dice, mapping, longest=longest(self.dice))
        if one_in(self.dice, 3):
            return from_entries(self.shuffled(entries_of(pages)[:MOST]))
        return pages

    def unmapped(self, pages: PageList) -> bool:
        """Whether some of *pages* cannot be pinned because it is not mapped."""
        return any(not self.ledger.held(head).maps for head in self.heads(pages))

    def fits(self, pages: PageList) -> bool:
        """Whether pins of *pages* stay far from the largest count there can be."""
        counts = self.ledger.counts(pages.resolve(self.ledger.table))
        held = self.ledger.held
        return all(held(h).total + n * held(h).each < LIMIT for h, n in counts.items())

    def counted(self, pages: PageList) -> int:
        """How many pins of *pages* are counted: those of the zero page may not be."""
        counts = self.ledger.counts(pages.resolve(self.ledger.table))
        return sum(n for head, n in counts.items() if self.ledger.held(head).each)

    def shuffled(self, entries: Sequence[Entry]) -> list[Entry]:
        """*entries* in any order."""
        left = list(entries)
        return [left.pop(self.dice.randrange(len(left))) for _ in entries]

    def unpin(self) -> Callable[[Sequence[Entry]], Step]:
        """Makes a step that unpins a list; on every way in the same manner."""
        manner = self.dice.randrange(3)

        def step(entries: Sequence[Entry]) -> Step:
            pages = from_entries(entries)
            if manner == 0:
                return UnpinUserPages(pages=pages)
            return UnpinUserPagesDirtyLock(pages=pages, make_dirty=manner == 1)

        return step

    def heads(self, pages: PageList) -> frozenset[int]:
        """The heads of *pages*."""
        return frozenset(head for head, _ in self.ledger.runs(pages.resolve(self.ledger.table)))


def entries_of(pages: PageList) -> list[Entry]:
    """Each (name, position) of *pages*, in their order."""
    return [entry for term in pages.terms for entry in term.entries()]
