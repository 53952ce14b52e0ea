# SPDX-License-Identifier: MIT

"""The pass that replaces consecutive steps by fewer steps with the same effect.

If a page is mapped, pinned, unpinned and unmapped, the result is as before. But if only one
of these steps is dropped, later steps release what is not held, or too much stays held.
"""

from attrs import evolve

from model.attributes import PLAIN
from model.program import Program
from properties.judging.ledger import Ledger
from properties.reduce.proposals import Proposals
from properties.reduce.standing import Standing, bridge, new_handles

#: For each head, how its compound page is held before a step.
Standings = dict[int, Standing]

#: Maximum number of standings in a result of `_standings`: compound pages times steps in *at*.
MAX_STANDINGS = 100_000


def shortcut(program: Program) -> Proposals:
    """Replace consecutive steps by fewer steps with the same net effect; long sequences first.

    Not where mappings have attributes: the fewer steps may be refused, or not move what has moved.
    """
    if any(mapping.attributes != PLAIN for mapping in program.mappings):
        return
    size = len(program.steps) - 1
    while size > 1:
        stop = len(program.steps) - 1
        standings = _standings(program, {*range(stop, 0, -size), 0})
        while stop > 1 and standings:
            start = max(0, stop - size)
            smaller = _shorter(program, start, stop, standings)
            answer = (yield smaller) if smaller else None
            # Steps before *start* did not change, so the standings before these are still right.
            program = answer or program
            stop = start
        size //= 2


def _standings(program: Program, at: set[int]) -> dict[int, Standings]:
    """For each step whose index is in *at*, the standings before it; empty if they are too many."""
    ledger = Ledger(program.semantics, program.mappings)
    found = {}
    for i, step in enumerate(program.steps):
        if i in at:
            known = ledger.known()
            if len(known) * len(at) > MAX_STANDINGS:
                return {}
            found[i] = {head: Standing.of(head, ledger) for head, _ in known}
        ledger.take(step)
    return found


def _shorter(
    program: Program, start: int, stop: int, standings: dict[int, Standings]
) -> Program | None:
    """*program* with fewer steps instead of *start* to *stop* (exclusive); None if impossible."""
    steps = program.steps
    made = {step.makes for step in steps[start:stop] if step.makes}
    if any(made & step.uses() for step in steps[stop:]):
        return None
    before, after = standings[start], standings[stop]
    fresh = Ledger(program.semantics, program.mappings)
    changes = []
    for head, now in after.items():
        then = before.get(head)
        if then is None:
            if fresh.head(head) != head:
                # The page *head* became a head by a split or an allocation.
                return None
            then = Standing.of(head, fresh)
        if now.alive > then.alive or now.order != then.order:
            return None
        changes.append((then, now))
    fewer = [*bridge(changes, next(new_handles(step.makes for step in steps)))]
    if len(fewer) >= stop - start:
        return None
    return evolve(program, steps=(*steps[:start], *fewer, *steps[stop:]), lines=())
