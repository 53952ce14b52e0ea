# SPDX-License-Identifier: MIT

"""Random attributes of mappings, and kinds of races, in a minority of programs.

Most bugs need neither, and a pin that is refused finds none of them.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from attrs import evolve

from model.abilities import Abilities
from model.attributes import PLAIN
from model.mapping import Mapping
from model.semantics import Semantics
from model.steps import STEPS, PinFast
from properties.strategies.dice import Dice, among, one_in

#: One program in so many has mappings with attributes, and one in so many has other races, or
#: other calls that begin with GUP-fast.
ATTRIBUTES_ONE_IN = 6
RACES_ONE_IN = 4
FAST_ONE_IN = 4

#: Lists name their pages up to about 2^REPEATED times.
REPEATED = 4

#: What the dice for attributes and races add to a program's number: no other program has it.
SEPARATE = 1 << 80

#: What a mapping gets together. What only few kinds of pages can have is here more often.
SETS: tuple[dict[str, Any], ...] = (
    *({"movable": True},) * 4,
    *({"movable": True, "isolates": "later"},) * 2,
    *({"movable": True, "migrates": False},) * 2,
    *({"shared": True},) * 4,
    {"mapped": "pte"},
    {"mapped": "pmd"},
    {"mapped": "pud"},
    {"writable": False},
    {"present": False},
    {"present": False, "fault": "retry"},
    {"present": False, "fault": "bus"},
    {"present": False, "fault": "oom"},
    {"protnone": True},
    {"gone": True},
)


def dice_apart(number: int, which: int = 1) -> Dice:
    """Dice for attributes and races, so that other programs do not depend on what there is.

    :param which: 2: dice for the calls that begin with GUP-fast.
    """
    return Dice(number + which * SEPARATE)


def with_attributes(
    random: Random, mappings: Sequence[Mapping], semantics: Semantics, abilities: Abilities
) -> tuple[Mapping, ...]:
    """*mappings*, two of three with attributes that *semantics* and *abilities* allow them."""
    return tuple(
        m if one_in(random, 3) else given(random, m, semantics, abilities) for m in mappings
    )


def given(random: Random, mapping: Mapping, semantics: Semantics, abilities: Abilities) -> Mapping:
    """*mapping* with one or two sets of attributes, if it can have any."""
    highest = max(extent.order for extent in mapping.extents)
    attributes = PLAIN
    if mapping.npages > abilities.walked >> REPEATED:
        return mapping
    for _ in range(1 + one_in(random, 3)):
        usable = [
            more
            for more in (evolve(attributes, **one) for one in SETS)
            if abilities.honours(mapping.kind, more.given())
            and not more.complaint(mapping.kind, highest, semantics)
        ]
        attributes = among(random, usable) if usable else attributes
    return evolve(mapping, attributes=attributes)


def draw_races(random: Random, semantics: Semantics, abilities: Abilities) -> tuple[str, ...]:
    """The kinds of races of a program, the plainest first: only entries change in most."""
    return races_of(semantics, abilities) if one_in(random, RACES_ONE_IN) else ("entry",)


def races_of(semantics: Semantics, abilities: Abilities) -> tuple[str, ...]:
    """All kinds of races that *semantics* and *abilities* allow, the plainest first."""
    return ("entry", *sorted(abilities.races - semantics.lacks))


def draw_fast(random: Random, semantics: Semantics, abilities: Abilities) -> tuple[Any, ...]:
    """The calls of a program that begin with GUP-fast: most programs have the plainest alone."""
    return fast_of(semantics, abilities) if one_in(random, FAST_ONE_IN) else (PinFast,)


def fast_of(semantics: Semantics, abilities: Abilities) -> tuple[Any, ...]:
    """All calls that begin with GUP-fast, the plainest first."""
    others = [
        cls
        for call, cls in STEPS.items()
        if cls.drawn_for and call in abilities.calls and not cls.lacked_by(semantics)
    ]
    return (PinFast, *others)
