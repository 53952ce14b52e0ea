# SPDX-License-Identifier: MIT

"""Random programs to record on a booted kernel: on each kind of page alone, and on all kinds."""

from collections.abc import Iterator
from types import MappingProxyType

from attrs import evolve

from model.abilities import Abilities
from model.program import Program
from properties.search import Search
from properties.searches.predrawn import DrawnPrograms, model_within
from properties.searches.soak import soak
from properties.strategies.dice import Dice

#: Minimum and maximum number of steps of a program.
MIN_STEPS, MAX_STEPS = 100, 200

#: Maximum number of draws until a program has MIN_STEPS steps.
MAX_TRIES = 50

#: Further draws of a program start from the program's number plus a multiple of this.
TRY_STRIDE = 1_000_000_007

#: Order of a page of 1 GiB.
GIGANTIC_ORDER = 18


def groups(abilities: Abilities) -> Iterator[tuple[str, Abilities]]:
    """(name, abilities) of each group of recordings: each kind of page alone, then all.

    A guest with pages of 1 GiB has one group, on these pages alone.
    """
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


def draw(search: Search, abilities: Abilities, number: int) -> Program:
    """A program of MIN_STEPS to MAX_STEPS steps within *abilities*, drawn from *number*.

    :raises LookupError: if MAX_TRIES draws give none.
    """
    length = MIN_STEPS + Dice(number).randrange(MAX_STEPS - MIN_STEPS + 1)
    for again in range(MAX_TRIES):
        drawn = DrawnPrograms(search.watcher)
        within = evolve(search, candidate=model_within(abilities), watcher=drawn)
        soak(within, number + again * TRY_STRIDE, length)
        found = next((p for p in drawn.programs if len(p.steps) >= MIN_STEPS), None)
        if found:
            return found
    raise LookupError(f"no program of {length} steps for {abilities.name}")
