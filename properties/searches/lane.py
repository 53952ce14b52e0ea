# SPDX-License-Identifier: MIT

"""The lane: programs carried out in C, for candidates that are compiled.

Operations go in as an array of random words. The candidate decodes them by what is
held, carries each out as its tree does, on a second memmap one page at a time, enters
it in books, and compares the three. What differs is judged again step by step by the
one runner there is, which says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.errors import BadInput
from model.kernel.source.era import SECTION
from model.kernel.source.lane import MOST_PAGES
from model.mapping import FIRST_PFN, Extent, Mapping, align_up, placed
from model.program import Program
from properties.judging.judge import judge
from properties.strategies.dice import Dice


if TYPE_CHECKING:
    from properties.search import Search

#: Programs of a round, and words of a program: not all of them make sense.
PROGRAMS = 20
WORDS = 4_000

#: Orders of compound pages; a huge one now and then.
ORDERS = (0, 0, 0, 1, 1, 2, 2, 3, 4)
HUGE_ONE_IN = 8


def lane(search: Search, number: int) -> None:
    """Run some programs drawn from *number*; the watcher hears of what fails.

    :raises BadInput: if the candidate has no lane, or it fails where the runner agrees.
    """
    dice = Dice(number)
    candidate: Any = search.candidate()
    if not hasattr(candidate, "lane"):
        msg = "lane needs a candidate that is compiled, as kernel-source:DIR is"
        raise BadInput(msg)
    for _ in range(PROGRAMS):
        if search.watcher.enough():
            return
        mappings = _mappings(dice, zero=search.semantics.zero_skipped)
        ride = candidate.lane(mappings, search.semantics, dice.randbytes(8 * WORDS))
        search.watcher.rode(ride.done)
        if ride.what:
            program = Program(mappings, ride.steps, search.semantics)
            found = judge(program, search.candidate()).worst
            if found is None:
                msg = (
                    f"the lane found {ride.what} after {len(ride.steps)} steps (round {number}), "
                    "and the runner does not: one of them is wrong"
                )
                raise BadInput(msg)
            search.watcher.found(program, found)
            return


def _mappings(dice: Dice, *, zero: bool) -> tuple[Mapping, ...]:
    """Compound pages side by side or with gaps, some across a section's edge, and a zero page."""
    orders = [(ORDERS[dice.randrange(len(ORDERS))], 1) for _ in range(2 + dice.randrange(10))]
    if dice.randrange(HUGE_ONE_IN) == 0:
        orders.insert(dice.randrange(len(orders)), (9, 1))
    if dice.randrange(3) == 0:
        orders.sort(reverse=True)
    first = FIRST_PFN
    if dice.randrange(4) == 0:
        first += SECTION - 1 - dice.randrange(24)
    extents: list[Extent] = []
    room = MOST_PAGES - 1
    for extent in placed(orders, align_up(first, orders[0][0])):
        if (1 << extent.order) <= room:
            extents.append(extent)
            room -= 1 << extent.order
    refs = 1 + (dice.randrange(4) == 0)
    mappings: tuple[Mapping, ...] = (Mapping("a", "driver", tuple(extents), refs),)
    if zero and dice.randrange(2):
        at = Extent(extents[-1].stop + 1, 0, 1)
        mappings += (Mapping("z", "zero", (at,)),)
    return mappings
