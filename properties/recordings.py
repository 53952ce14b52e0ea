# SPDX-License-Identifier: MIT

"""Random programs to record on a booted kernel: on each kind of page alone, and on all kinds.

Programs in which mappings have attributes are a group of their own.
"""

from collections.abc import Iterator
from itertools import count, islice
from types import MappingProxyType

from attrs import evolve

from model.abilities import Abilities
from model.attributes import PLAIN
from model.program import Program
from properties.search import Search
from properties.searches.predrawn import DrawnPrograms, model_within
from properties.searches.soak import soak
from properties.strategies.attributes import ATTRIBUTES_ONE_IN, dice_apart
from properties.strategies.dice import Dice, one_in

#: Minimum and maximum number of steps of a program.
MIN_STEPS, MAX_STEPS = 100, 200

#: Maximum number of draws until a program has MIN_STEPS steps.
MAX_TRIES = 50

#: Further draws of a program start from the program's number plus a multiple of this.
TRY_STRIDE = 1_000_000_007

#: Order of a page of 1 GiB.
GIGANTIC_ORDER = 18

#: The group of programs in which mappings have attributes.
ATTRIBUTES = "attributes"


def groups(abilities: Abilities) -> Iterator[tuple[str, Abilities]]:
    """(name, abilities) of each group of recordings: each kind of page alone, all, attributes.

    A guest with pages of 1 GiB has one group, on these pages alone.
    """
    given, abilities = abilities, evolve(abilities, attributes=frozenset())
    if GIGANTIC_ORDER in abilities.makes("hugetlb"):
        orders = {**abilities.orders_of, "hugetlb": frozenset({GIGANTIC_ORDER})}
        kinds = frozenset({"hugetlb"})
        yield "gigantic", evolve(abilities, kinds=kinds, orders_of=MappingProxyType(orders))
        return
    for kind in sorted(abilities.kinds):
        # There is only one zero page: programs with no other page would differ too little.
        kinds = frozenset({kind, "base"} if kind == "zero" else {kind})
        yield kind, evolve(abilities, kinds=kinds)
    yield "all", abilities
    if given.attributes:
        yield ATTRIBUTES, given


def draw(search: Search, abilities: Abilities, number: int) -> Program:
    """A program of MIN_STEPS to MAX_STEPS steps within *abilities*, drawn from *number*.

    If mappings can have attributes, some of its mappings do.

    :raises LookupError: if MAX_TRIES draws give none.
    """
    length = MIN_STEPS + Dice(number).randrange(MAX_STEPS - MIN_STEPS + 1)
    for start in islice(_starts(number, abilities), MAX_TRIES):
        drawn = DrawnPrograms(search.watcher)
        within = evolve(search, candidate=model_within(abilities), watcher=drawn)
        soak(within, start, length)
        for program in drawn.programs:
            if len(program.steps) >= MIN_STEPS and _fits(program, abilities):
                return program
    raise LookupError(f"no program of {length} steps for {abilities.name}")


def _starts(number: int, abilities: Abilities) -> Iterator[int]:
    """The numbers to draw from: of programs that get attributes, if *abilities* has some."""
    for start in count(number, TRY_STRIDE):
        if not abilities.attributes or one_in(dice_apart(start), ATTRIBUTES_ONE_IN):
            yield start


def _fits(program: Program, abilities: Abilities) -> bool:
    """Whether *program* has mappings with attributes, if it can have some."""
    return not abilities.attributes or any(m.attributes != PLAIN for m in program.mappings)
