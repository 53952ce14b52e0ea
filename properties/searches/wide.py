# SPDX-License-Identifier: MIT

"""The search wide: few steps on very many pages, to find narrow integers and wrong batches.

Lengths lie around powers of two, up to 2^21 pages, where 1024 (the pin bias) times the
length of a run no longer fits into an ``int``. The reference would take minutes for so
many pages, so the ledger judges alone (see `properties.judging.judge.Run`).
"""

from enum import Enum
from typing import Any

from attrs import frozen

from model.candidate import Candidate
from model.mapping import FIRST_PFN, Extent, Mapping, align_up, placed
from model.pagelist import PageList, Slice, span
from model.regions import Register, Release
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, Step
from model.steps import UNPINS, Pin, Unpin, existing
from model.world import SetPageDirty, Unmap
from properties.judging.judge import Run
from properties.judging.regions import BATCH
from properties.search import Search, attempts
from properties.strategies.dice import Dice

#: Number of programs in one round.
PROGRAMS = 4

#: Lengths, in pages, are within 2 of a power of two: its exponent is one of HUGE_POWERS
#: in one program of HUGE_ONE_IN, else one of POWERS.
POWERS = (4, 6, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14)
HUGE_POWERS = (15, 16, 18, 20, 21, 21, 21, 21)
HUGE_ONE_IN = 8

#: Kind and order of the compound pages of a mapping; one pair is drawn for each program.
KINDS_AND_ORDERS = (
    ("base", 0),
    ("driver", 1),
    ("driver", 2),
    ("driver", 10),
    ("thp", 9),
    ("hugetlb", 18),
)

#: Maximum number of compound pages of the drawn order in a mapping.
MAX_COMPOUND = 1 << 12

#: Maximum length, in pages, of regions and reversed lists, which take long.
MAX_COSTLY_LENGTH = 1 << 14

#: Maximum number of frames of a mapping, not counting its two additional compound pages.
MAX_FRAMES = 1 << 22


def wide(search: Search, number: int) -> None:
    """Draw PROGRAMS programs from *number* and judge them; stop at the first finding."""
    dice = Dice(number)
    kept: _Shape | None = None
    for _ in range(PROGRAMS):
        if search.watcher.enough():
            return
        candidate = search.candidate()
        shape = kept or _shape(dice, candidate.abilities.kinds)
        end = _program(search, dice, candidate, shape)
        if end is _End.FOUND:
            return
        # Other steps on the same pages, if these led to rare code.
        kept = shape if end is _End.RARE and kept is None else None


class _End(Enum):
    """How a program ended: with a finding, after it has led to rare code, or neither."""

    FOUND, RARE, USUAL = range(3)


@frozen
class _Shape:
    """A mapping, and the length in pages of a program's lists."""

    mapping: Mapping
    length: int


def _shape(dice: Dice, kinds: frozenset[str]) -> _Shape:
    length = _length(dice)
    return _Shape(_mapping(dice, length, kinds), length)


def _program(search: Search, dice: Dice, candidate: Candidate, shape: _Shape) -> _End:
    """Draw and judge one program."""
    abilities = candidate.abilities
    end = _End.USUAL
    if abilities.lacks((shape.mapping,)):
        return end
    run = Run(candidate, (shape.mapping,), search.semantics, alone=True)
    unpins = existing(UNPINS, search.semantics)
    steps = _steps(dice, shape.mapping, shape.length, unpins)
    for taken in attempts(search, run, steps, abilities):
        finding = taken.finding or (run.dearer if search.strict else None)
        if finding:
            search.watcher.found(run.so_far, finding)
            return _End.FOUND
        if taken.rare:
            end = _End.RARE
    search.watcher.ended(run)
    return end


def _length(dice: Dice) -> int:
    """The length of the program's lists, in pages."""
    powers = HUGE_POWERS if dice.randrange(HUGE_ONE_IN) == 0 else POWERS
    return max(1, (1 << powers[dice.randrange(len(powers))]) - 2 + dice.randrange(5))


def _mapping(dice: Dice, length: int, kinds: frozenset[str]) -> Mapping:
    """A mapping of at least *length* pages, or of two compound pages.

    In one of three mappings each compound page has a lower frame than the one before.
    """
    # Half of the long lists have pages counted by bias, to test the product of length and 1024.
    biased = length > MAX_COSTLY_LENGTH and dice.randrange(2)
    choices = KINDS_AND_ORDERS[:2] if biased else KINDS_AND_ORDERS
    kind, order = choices[dice.randrange(len(choices))]
    if kind not in kinds:
        kind, order = "base", 0
    count = 2 + (min(length, MAX_FRAMES) >> order)
    if count > MAX_COMPOUND:
        # More heads would take too long. With two, `_list` repeats one page *length* times instead.
        count = 2
    if dice.randrange(3):
        small = [(0, 1 + dice.randrange(3))] if kind == "driver" and dice.randrange(2) else []
        return Mapping("a", kind, placed([(order, count), *small], align_up(FIRST_PFN, order)))
    first = align_up(FIRST_PFN, order)
    extents = [Extent(first + ((count - 1 - i) << order), order, 1) for i in range(count)]
    return Mapping("a", kind, tuple(extents))


def _steps(dice: Dice, mapping: Mapping, length: int, unpins: list[Any]) -> list[Step]:
    """Steps that pin about *length* pages, perhaps dirty or unmap the first, and unpin all.

    :param unpins: The calls that may unpin them.
    """
    if length <= MAX_COSTLY_LENGTH and dice.randrange(3) == 0:
        return _region(dice, mapping, length)
    pages = _list(dice, mapping, length)
    held = len(pages)
    steps: list[Step] = [Pin(handle="h1", pages=pages)]
    if dice.randrange(2):
        steps.append(SetPageDirty(pages=span("a", 0, 1)))
    if dice.randrange(4) == 0:
        steps.append(Unmap(pages=span("a", 0, 1)))
    # Unpin in one piece or two, so that a piece may begin or end in a tail.
    cut = dice.randrange(min(held, 4)) if dice.randrange(2) else 0
    for start, stop in ((0, cut), (cut, held)):
        if start < stop:
            steps.append(_unpin(dice, span("h1", start, stop), length, unpins))
    return steps


def _unpin(dice: Dice, pages: PageList, length: int, unpins: list[Any]) -> Step:
    """A step of *unpins* on *pages*; if *length* is small, sometimes in reverse order."""
    form = dice.randrange(len(unpins) + (length <= MAX_COSTLY_LENGTH))
    if form == len(unpins):
        (term,) = pages.slices()
        backwards = Slice(term.name, term.indices[::-1])
        return Unpin(pages=PageList((backwards,)))
    make = unpins[form]
    asked = {"make_dirty": dice.randrange(2) == 0} if make.asks_dirty else {}
    step: Step = make(pages=pages, **asked)
    return step


def _list(dice: Dice, mapping: Mapping, length: int) -> PageList:
    """*length* neighbouring pages, often from a tail on, or one page *length* times."""
    start = dice.randrange(4)
    if mapping.npages < length or dice.randrange(3) == 0:
        return PageList((Slice("a", range(start, start + 1), length),))
    first = 1 << mapping.extents[0].order
    if dice.randrange(2) and first < mapping.npages:
        # Start at one of the last tails of the first compound page and continue in the next.
        start = max(0, first - 1 - start)
    return span("a", start, min(start + length, mapping.npages))


def _region(dice: Dice, mapping: Mapping, length: int) -> list[Step]:
    """Steps that register and release a region; half of the registrations fail in some batch."""
    npages = min(length, mapping.npages)
    start = dice.randrange(min(mapping.npages - npages, 3) + 1)
    fails = None
    if dice.randrange(2):
        fails = dice.randrange((npages - 1) // BATCH + 1)
    segments = (MAX_SEGMENT, MAX_SEGMENT, PAGE_SIZE * (1 + dice.randrange(4)), BATCH * PAGE_SIZE)
    get = Register(
        umem="m1",
        pages=span("a", start, start + npages),
        writable=dice.randrange(3) > 0,
        max_segment=segments[dice.randrange(len(segments))],
        nmap=(None, None, 1, 0)[dice.randrange(4)],
        append_fails=fails,
    )
    return [get, Release(umem="m1", dirty=dice.randrange(3) > 0)]
