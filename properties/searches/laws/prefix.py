# SPDX-License-Identifier: MIT

"""The program that all variants of a law start with, and random pages and steps for them."""

from collections.abc import Callable, Sequence
from typing import Any

from model.pagelist import Entry, PageList, from_entries
from model.step import Step
from model.steps import STEPS
from properties.judging.judge import Run
from properties.judging.pins import COUNT_LIMIT
from properties.strategies.dice import Dice, among, one_in
from properties.strategies.lists import (
    by_mapping,
    draw_pieces,
    draw_range,
    draw_stretch,
    releasable,
)
from properties.strategies.steps import RandomSteps

#: Maximum number of entries of a list, or pages of a range; one list or range in
#: ONE_LONG_IN may have up to MAX_LONG_ENTRIES.
MAX_ENTRIES = 24
MAX_LONG_ENTRIES = 600
ONE_LONG_IN = 24

#: About half of the lists consist of pins of the LATEST_HEADS heads that were pinned last.
LATEST_HEADS = 6

#: The ways to unpin a list: (call, arguments) of each call that takes an array.
LIST_UNPINS: tuple[tuple[Any, dict[str, bool]], ...] = tuple(
    (cls, {"make_dirty": asked} if cls.asks_dirty else {})
    for cls in STEPS.values()
    if cls.unpins and cls.takes_array
    for asked in ((True, False) if cls.asks_dirty else (False,))
)


def draw_max_entries(dice: Dice) -> int:
    """The maximum number of entries, or pages, of the next list."""
    return MAX_LONG_ENTRIES if one_in(dice, ONE_LONG_IN) else MAX_ENTRIES


class Prefix:
    """The program that all variants of a law start with, and what laws draw from its ledger.

    :ivar program: The program that *run* has carried out.
    """

    def __init__(self, dice: Dice, run: Run, steps: RandomSteps) -> None:
        self.dice = dice
        self.ledger = run.ledger
        self.steps = steps
        self.program = run.so_far

    def held(self, minimum: int = 1) -> list[Entry] | None:
        """At least *minimum* entries with a pin to release for each; None if there are too few."""
        entries = self._of_latest_heads() if one_in(self.dice, 2) else self._of_handles()
        if entries is None or len(entries) < minimum:
            entries = self._of_latest_heads()
        return entries if len(entries) >= minimum else None

    def _of_handles(self) -> list[Entry] | None:
        """Entries of one or two handles, with a pin to release for each; None if none are found."""
        if not self.steps.handles:
            return None
        pages = draw_pieces(self.dice, self.ledger, self.steps.handles)
        pages = pages.prefix(draw_max_entries(self.dice))
        held = releasable(self.ledger, pages)
        return entries_of(held) if held else None

    def _of_latest_heads(self) -> list[Entry]:
        """Pins of the LATEST_HEADS heads pinned last, on random pages; half the time shuffled."""
        entries = []
        for head in list(self.ledger.pinned)[-LATEST_HEADS:]:
            npages = 1 << self.ledger.order(head)
            for _ in range(min(self.ledger.held(head).pins, 1 + self.dice.randrange(4))):
                page = head + self.dice.randrange(npages)
                entries += entries_of(by_mapping(self.ledger, page))
        return self.shuffled(entries) if one_in(self.dice, 2) else entries

    def range(self) -> PageList | None:
        """Contiguous frames with a pin to release for each; None if no pins are held."""
        pages = draw_range(self.dice, self.ledger, self.steps.handles)
        return pages.prefix(draw_max_entries(self.dice)) if pages else None

    def stretch(self) -> PageList:
        """Neighbouring pages to pin; one time in three in random order."""
        mapping = among(self.dice, self.ledger.mappings)
        pages = draw_stretch(self.dice, mapping, longest=draw_max_entries(self.dice))
        if one_in(self.dice, 3):
            return from_entries(self.shuffled(entries_of(pages)[:MAX_ENTRIES]))
        return pages

    def unmapped(self, pages: PageList) -> bool:
        """Whether some of *pages* is not mapped, so that pinning it fails."""
        return any(not self.ledger.held(head).maps for head in self.heads(pages))

    def fits(self, pages: PageList) -> bool:
        """Whether every refcount stays below its limit if *pages* are pinned."""
        counts = self.ledger.counts(pages.resolve(self.ledger.table))
        held = self.ledger.held
        return all(held(h).total + n * held(h).each < COUNT_LIMIT for h, n in counts.items())

    def counted(self, pages: PageList) -> int:
        """Number of *pages* whose pins are counted; some versions do not count the zero page's."""
        counts = self.ledger.counts(pages.resolve(self.ledger.table))
        return sum(n for head, n in counts.items() if self.ledger.held(head).each)

    def shuffled(self, entries: Sequence[Entry]) -> list[Entry]:
        """*entries* in random order."""
        left = list(entries)
        return [left.pop(self.dice.randrange(len(left))) for _ in entries]

    def unpin(self) -> Callable[[Sequence[Entry]], Step]:
        """A function that turns entries into a step that unpins them; its call is drawn now."""
        semantics = self.ledger.semantics
        make, asked = among(
            self.dice, [way for way in LIST_UNPINS if not way[0].lacked_by(semantics)]
        )

        def step(entries: Sequence[Entry]) -> Step:
            unpin: Step = make(pages=from_entries(entries), **asked)
            return unpin

        return step

    def heads(self, pages: PageList) -> frozenset[int]:
        """The heads of *pages*."""
        return frozenset(head for head, _ in self.ledger.runs(pages.resolve(self.ledger.table)))


def entries_of(pages: PageList) -> list[Entry]:
    """Each (name, position) of *pages*, in list order."""
    return [entry for term in pages.terms for entry in term.entries()]
