# SPDX-License-Identifier: MIT

"""Ways that must come to the same end, and how they are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.page import HeadState
from properties.judging.finding import Finding, Row
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.ledger import Ledger


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from model.candidate import Candidate
    from model.program import Program
    from model.step import Step

#: A finding shows no more rows, and this much of what the other way did.
MOST_ROWS = 12
MOST_TEXT = 240


@frozen
class Way:
    """One way to the end.

    :param name: What its column is called.
    :param steps: What it does after the steps that all ways begin with.
    :param pins: How many pins are held more after it than before.
    """

    name: str
    steps: tuple[Step, ...] = ()
    pins: int = 0


@frozen
class Ways:
    """Ways that must come to the same end.

    :param says: What the law says, in a sentence without its full stop.
    :param start: The program that each of them begins with.
    :param apart: Heads that may differ.
    :param each: Whether as many pins are acquired and released on each way;
        otherwise only as many more of the one as of the other.
    """

    law: str
    says: str
    start: Program
    ways: tuple[Way, ...]
    apart: frozenset[int] = frozenset()
    each: bool = True

    def program(self, way: Way) -> Program:
        """All of *way*, from the beginning."""
        return evolve(self.start, steps=(*self.start.steps, *way.steps))


@frozen
class End:
    """What a candidate shows after a whole program.

    :param heads: The last state of every frame that it showed at all.
    """

    heads: Mapping[int, HeadState]
    acquired: int
    released: int


def unequal(ways: Ways, candidate: Callable[[], Candidate]) -> tuple[Program, Finding] | None:
    """Carry *ways* out on the candidate alone; the program and the finding if two differ."""
    first = _end(ways.program(ways.ways[0]), candidate())
    if isinstance(first, Finding):
        return ways.program(ways.ways[0]), first
    for other in ways.ways[1:]:
        made = candidate()
        second = _end(ways.program(other), made)
        if isinstance(second, Finding):
            return ways.program(other), second
        rows = [
            row
            for row in (
                *_states(ways, first, second),
                *_statistics(ways, other, first, second),
            )
            if row.what in made.abilities.fields
        ]
        if rows:
            return _told(ways, other, rows)
    return None


def _end(program: Program, candidate: Candidate) -> End | Finding:
    """How *program* ends on *candidate*; a finding if it does not."""
    guarded = Guarded(candidate, program)
    heads: dict[int, HeadState] = {}
    acquired = released = 0
    for index, step in enumerate(program.steps):
        shown = guarded.step(step, step.npages_named)
        if isinstance(shown, NoSnapshot):
            return Finding("laws", shown.what, index, step, shown.summary, notes=shown.notes)
        heads.update(shown.heads)
        acquired, released = shown.acquired, shown.released
    return End(heads, acquired, released)


def _states(ways: Ways, first: End, second: End) -> list[Row]:
    if first.heads == second.heads:
        return []
    fresh = Ledger(ways.start.semantics, ways.start.mappings)
    now = Ledger.after(ways.start, ways.start.steps)
    rows = []
    for page in sorted(first.heads.keys() | second.heads.keys()):
        states = []
        for end in (first, second):
            state = end.heads.get(page)
            if state is None:
                # No step touched it, so that it is as its mapping made it.
                refs = fresh.first_refs(page) if fresh.head(page) == page else 0
                state = HeadState(refs, 0, dirty=False, allocated=True)
            states.append(state)
        if page not in ways.apart:
            rows += [
                Row(now.name(page), now.order(page), what, a, b)
                for what, a, b in zip(HeadState._fields, *states, strict=True)
                if a != b
            ]
    return rows


def _statistics(ways: Ways, other: Way, first: End, second: End) -> list[Row]:
    acquired = first.acquired if ways.each else second.acquired
    released = acquired - first.acquired + first.released - other.pins
    rows = []
    if acquired != second.acquired:
        rows.append(Row("", None, NR_FOLL_PIN_ACQUIRED, acquired, second.acquired))
    if released != second.released:
        rows.append(Row("", None, NR_FOLL_PIN_RELEASED, released, second.released))
    return rows


def _told(ways: Ways, other: Way, rows: list[Row]) -> tuple[Program, Finding]:
    """The longer of two programs, and what sets the other's end apart."""
    first = ways.ways[0]
    kept, left = (first, other) if len(first.steps) > len(other.steps) else (other, first)
    program = ways.program(kept)
    instead = "; ".join(step.text() for step in left.steps) or "nothing"
    if len(instead) > MOST_TEXT:
        instead = f"{instead[:MOST_TEXT]}..."
    since = len(ways.start.steps) + 1
    more = [f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
    finding = Finding(
        "laws",
        f"law_{ways.law}",
        len(program.steps) - 1,
        program.steps[-1],
        f"{ways.says}; but {rows[0].what} differs from {instead} in place of step {since} on",
        tuple(rows[:MOST_ROWS]),
        (first.name, other.name),
        notes=(
            *more,
            f"{kept.name}: steps {since} to {len(program.steps)}",
            f"{left.name}: the same up to step {since - 1}, then{'' if left.steps else ' nothing'}",
            *(f"  {step.text()}" for step in left.steps[:MOST_ROWS]),
        ),
    )
    return program, finding
