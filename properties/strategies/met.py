# SPDX-License-Identifier: MIT

"""Programs of few steps whose pins meet pages with attributes, and others before and after them."""

from collections.abc import Sequence
from typing import Any

from model.abilities import Abilities
from model.mapping import FIRST_PFN, Mapping, align_up, placed
from model.pagelist import PageList, joined, span
from model.regions import Register, Release
from model.semantics import PMD_ORDER, PUD_ORDER, Semantics
from model.step import Step
from model.steps import Pin, Unpin
from properties.strategies.attributes import fast_of, given, races_of
from properties.strategies.dice import Dice, among, one_in
from properties.strategies.steps import FLAGS

#: Where the mapping without attributes lies: behind any that has some.
BEHIND = 1 << 24


def draw_met(
    dice: Dice, rows: Sequence[tuple[str, int]], semantics: Semantics, abilities: Abilities
) -> tuple[tuple[Mapping, ...], list[Step]]:
    """Mappings, and steps that pin the same list of their pages up to three times, and unpin it.

    :param rows: Kinds and orders, of which the candidate has all.
    """
    huge = [row for row in rows if row[1] >= PMD_ORDER]
    kind, order = among(dice, huge if huge and one_in(dice, 3) else rows)
    at = align_up(FIRST_PFN, order)
    if one_in(dice, 3):
        # Around the end of what a PUD maps, if the list begins with them.
        at = (1 << PUD_ORDER) - (1 << order) if order < PUD_ORDER else 0
    extents = placed([(order, 1 + dice.randrange(2) + (at > FIRST_PFN))], at)
    mapping = given(dice, Mapping("a", kind, extents), semantics, abilities)
    kind, order = among(dice, [row for row in rows if row[1] <= 1])
    plain = Mapping("b", kind, placed([(order, 2)], BEHIND))
    pages = _pages(dice, mapping)
    steps: list[Step] = []
    for number in range(1, 2 + dice.randrange(3)):
        handle = f"h{number}"
        if one_in(dice, 5):
            steps.append(Register(umem=f"m{number}", pages=pages, writable=not one_in(dice, 2)))
            steps.append(Release(umem=f"m{number}", dirty=False))
            continue
        steps.append(_pin(dice, handle, pages, abilities, semantics))
        if not one_in(dice, 4):
            steps.append(Unpin(pages=span(handle, 0, len(pages))))
    return (mapping, plain), steps


def _pages(dice: Dice, mapping: Mapping) -> PageList:
    """Some pages of *mapping*, from the start of a compound page or near its end on."""
    size = 1 << mapping.extents[0].order
    near_end = max(0, size - 1 - dice.randrange(3))
    start = near_end if dice.randrange(2) else 0
    several = span("a", start, min(start + 1 + dice.randrange(4), mapping.npages))
    if one_in(dice, 4):
        several = joined((several, several))
    before = [] if dice.randrange(2) else [span("b", 0, 1)]
    after = [] if dice.randrange(2) else [span("b", 1, 2)]
    return joined([*before, several, *after])


def _pin(
    dice: Dice, handle: str, pages: PageList, abilities: Abilities, semantics: Semantics
) -> Step:
    """A step that pins *pages*, on the slow path or on the fast one, there perhaps in a race."""
    flags = among(dice, FLAGS)
    if not one_in(dice, 2):
        return Pin(handle=handle, pages=pages, flags=flags)
    race: dict[str, Any] = {}
    if one_in(dice, 3):
        kinds = races_of(semantics, abilities)
        race = {"changed": dice.randrange(len(pages)), "race": among(dice, kinds)}
    call = among(dice, [fast for fast in fast_of(semantics, abilities) if fast.pins])
    made: Step = call(handle=handle, pages=pages, flags=flags, **race)
    return made
