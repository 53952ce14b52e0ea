# SPDX-License-Identifier: MIT

"""Few steps on very many pages: where a width or a batch goes wrong.

Lengths lie around powers of two, up to where 1024 times a run no longer fits
into 32 bits. One page at a time would take minutes there, so the ledger judges
alone (see `properties.judging.judge.Run`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.mapping import FIRST_PFN, Extent, Mapping, align_up, placed
from model.pagelist import PageList, Slice, span
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT
from model.steps import (
    IbUmemGet,
    IbUmemRelease,
    PinUserPages,
    SetPageDirty,
    Unmap,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from properties.judging.judge import Run, beyond
from properties.judging.ledger import BATCH
from properties.search import attempt
from properties.strategies.dice import Dice


if TYPE_CHECKING:
    from model.step import Step
    from properties.search import Search

#: Programs of one round.
PROGRAMS = 4

#: Lengths are near two to the power of these; the last ones, once in `HUGE_ONE_IN`.
POWERS = (4, 6, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14)
HUGE = (15, 16, 18, 20, 21, 21, 21, 21)
HUGE_ONE_IN = 8

#: What the compound pages of a mapping are: kind, order.
PAGES = (("base", 0), ("driver", 1), ("driver", 2), ("driver", 10), ("thp", 9), ("hugetlb", 18))

#: A mapping has no more compound pages than this.
MOST_COMPOUND = 1 << 12

#: Longer calls are few and plain: each page costs the candidate its time.
LONG = 1 << 14

#: Frames to which a mapping of many pages is kept in all.
MOST_FRAMES = 1 << 22


def wide(search: Search, number: int) -> None:
    """Run a few wide programs drawn from *number*; the watcher hears of what fails."""
    dice = Dice(number)
    for _ in range(PROGRAMS):
        if search.watcher.enough() or not _program(search, dice):
            return


def _program(search: Search, dice: Dice) -> bool:
    """Run one program; whether nothing was found."""
    candidate = search.candidate()
    abilities = candidate.abilities
    length = _length(dice)
    mapping = _mapping(dice, length, abilities.kinds)
    if abilities.lacks((mapping,)):
        return True
    run = Run(candidate, (mapping,), search.semantics, alone=True)
    for step in _steps(dice, mapping, length):
        if search.semantics.lacks(step.call) or beyond(step, abilities):
            continue
        taken = attempt(search, run, step)
        if taken is None:
            continue
        finding = taken[0] or (run.dearer if search.strict else None)
        if finding:
            search.watcher.found(run.so_far, finding)
            return False
    search.watcher.ended(run)
    return True


def _length(dice: Dice) -> int:
    powers = HUGE if dice.randrange(HUGE_ONE_IN) == 0 else POWERS
    return max(1, (1 << powers[dice.randrange(len(powers))]) - 2 + dice.randrange(5))


def _mapping(dice: Dice, length: int, kinds: frozenset[str]) -> Mapping:
    """A mapping of *length* pages and a few more, one in three with frames that fall."""
    # What is counted by bias is as wide as 1024 times the list.
    pages = PAGES[:2] if length > LONG and dice.randrange(2) else PAGES
    kind, order = pages[dice.randrange(len(pages))]
    if kind not in kinds:
        kind, order = "base", 0
    count = 2 + (min(length, MOST_FRAMES) >> order)
    if count > MOST_COMPOUND:
        # One page over and over is as wide, and many heads take long.
        count = 2
    if dice.randrange(3):
        small = [(0, 1 + dice.randrange(3))] if kind == "driver" and dice.randrange(2) else []
        return Mapping("a", kind, placed([(order, count), *small], align_up(FIRST_PFN, order)))
    first = align_up(FIRST_PFN, order)
    extents = [Extent(first + ((count - 1 - i) << order), order, 1) for i in range(count)]
    return Mapping("a", kind, tuple(extents))


def _steps(dice: Dice, mapping: Mapping, length: int) -> list[Step]:
    """A few steps: pins, what may happen to pages meanwhile, and unpins of all."""
    if length <= LONG and dice.randrange(3) == 0:
        return _region(dice, mapping, length)
    pages = _list(dice, mapping, length)
    held = len(pages)
    steps: list[Step] = [PinUserPages(handle="h1", pages=pages)]
    if dice.randrange(2):
        steps.append(SetPageDirty(pages=span("a", 0, 1)))
    if dice.randrange(4) == 0:
        steps.append(Unmap(pages=span("a", 0, 1)))
    # From a tail, and in one piece or two, so that a piece ends within a page.
    cut = dice.randrange(min(held, 4)) if dice.randrange(2) else 0
    for start, stop in ((0, cut), (cut, held)):
        if start < stop:
            steps.append(_unpin(dice, span("h1", start, stop), length))
    return steps


def _unpin(dice: Dice, pages: PageList, length: int) -> Step:
    form = dice.randrange(3 if length > LONG else 4)
    if form == 0:
        return UnpinUserPages(pages=pages)
    if form == 1:
        return UnpinUserPagesDirtyLock(pages=pages, make_dirty=dice.randrange(2) == 0)
    if form == 3:
        (term,) = pages.slices()
        backwards = Slice(term.name, term.indices[::-1])
        return UnpinUserPages(pages=PageList((backwards,)))
    return UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=dice.randrange(2) == 0)


def _list(dice: Dice, mapping: Mapping, length: int) -> PageList:
    """Neighbours from a tail on, or one page over and over."""
    start = dice.randrange(4)
    if mapping.npages < length or dice.randrange(3) == 0:
        return PageList((Slice("a", range(start, start + 1), length),))
    first = 1 << mapping.extents[0].order
    if dice.randrange(2) and first < mapping.npages:
        # The last tails of the first compound page, and on into the next.
        start = max(0, first - 1 - start)
    return span("a", start, min(start + length, mapping.npages))


def _region(dice: Dice, mapping: Mapping, length: int) -> list[Step]:
    """A registration of many batches, which fails somewhere now and then."""
    most = min(length, mapping.npages)
    start = dice.randrange(min(mapping.npages - most, 3) + 1)
    fails = None
    if dice.randrange(2):
        fails = dice.randrange((most - 1) // BATCH + 1)
    segments = (MAX_SEGMENT, MAX_SEGMENT, PAGE_SIZE * (1 + dice.randrange(4)), BATCH * PAGE_SIZE)
    get = IbUmemGet(
        umem="m1",
        pages=span("a", start, start + most),
        writable=dice.randrange(3) > 0,
        max_segment=segments[dice.randrange(len(segments))],
        nmap=(None, None, 1, 0)[dice.randrange(4)],
        append_fails=fails,
    )
    return [get, IbUmemRelease(umem="m1", dirty=dice.randrange(3) > 0)]
