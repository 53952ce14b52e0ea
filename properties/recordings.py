# SPDX-License-Identifier: MIT

"""Programs to record on a real kernel: some on each kind of page alone, some on all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import evolve

from model.recording import Recording
from properties.searches.predrawn import Drawn, able
from properties.searches.soak import soak
from properties.strategies.dice import Dice


if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.abilities import Abilities
    from model.program import Program
    from properties.search import Search

#: Steps of a program.
SHORTEST, LONGEST = 100, 200

#: Numbers are drawn until a program is as long as it should be, so often.
TRIES = 50
FAR = 1_000_000_007

GIGANTIC = 18


def groups(abilities: Abilities) -> Iterator[tuple[str, Abilities]]:
    """What programs are recorded on, by name: each kind of page alone, and all of them.

    A machine that has pages of 1 GiB is for them alone.
    """
    if GIGANTIC in abilities.makes("hugetlb"):
        orders = {**abilities.orders_of, "hugetlb": frozenset({GIGANTIC})}
        kinds = frozenset({"hugetlb"})
        yield "gigantic", evolve(abilities, kinds=kinds, orders_of=MappingProxyType(orders))
        return
    for kind in sorted(abilities.kinds):
        # There is one zero page, and little to be done with it alone.
        kinds = frozenset({kind, "base"} if kind == "zero" else {kind})
        yield kind, evolve(abilities, kinds=kinds)
    yield "all", abilities


def draw(search: Search, abilities: Abilities, number: int) -> Program:
    """A program of 100 to 200 steps within *abilities*, drawn from *number*.

    :raises LookupError: if none is found.
    """
    length = SHORTEST + Dice(number).randrange(LONGEST - SHORTEST + 1)
    for again in range(TRIES):
        drawn = Drawn(search.watcher)
        soak(evolve(search, candidate=able(abilities), watcher=drawn), number + again * FAR, length)
        found = next((p for p in drawn.programs if len(p.steps) >= SHORTEST), None)
        if found:
            return found
    msg = f"no program of {length} steps for {abilities.name}"
    raise LookupError(msg)


def record(search: Search, kernel: str, program: Program) -> Recording:
    """What the candidate of *search* shows of *program*."""
    return Recording(kernel, program, tuple(search.candidate().execute(program)))
