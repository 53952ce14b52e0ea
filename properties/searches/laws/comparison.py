# SPDX-License-Identifier: MIT

"""Variants of a program that must end in the same state, and their comparison."""

from collections.abc import Callable, Iterator

from attrs import evolve, frozen

from model.candidate import Candidate, Snapshot
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.page import HeadState
from model.program import Program
from model.step import Step
from properties.judging.finding import MAX_ROWS, Finding, Row, differing, first_rows, state_rows
from properties.judging.guard import Guarded, NoSnapshot
from properties.judging.ledger import Ledger

#: In a finding's summary, maximum number of characters for the steps of the shorter variant.
MAX_TEXT = 240


@frozen
class Variant:
    """One sequence of steps that follows the prefix.

    :param name: The title of its column in a report.
    :param steps: The steps after the prefix.
    :param pins: Number of pins that *steps* acquire, minus the number that they release.
    """

    name: str
    steps: tuple[Step, ...] = ()
    pins: int = 0


@frozen
class Comparison:
    """A prefix and the variants that must end equal after it.

    :param says: What the law says: a sentence without its full stop.
    :param prefix: The program that each variant starts with.
    :param may_differ: Heads whose states are not compared.
    :param same_statistics: Whether acquired and released pins must each be equal;
        otherwise only acquired minus released must match the variants' *pins*.
    """

    law: str
    says: str
    prefix: Program
    variants: tuple[Variant, ...]
    may_differ: frozenset[int] = frozenset()
    same_statistics: bool = True

    def program(self, variant: Variant) -> Program:
        """The prefix followed by *variant*."""
        return evolve(self.prefix, steps=(*self.prefix.steps, *variant.steps))


def difference(
    comparison: Comparison, candidate: Callable[[], Candidate]
) -> tuple[Program, Finding] | None:
    """The first difference from the first variant, as (program, finding); None if all end equal.

    Runs the candidate alone, without oracles. A variant in which a step gives no snapshot
    counts as a difference.
    """
    first = _end(comparison.program(comparison.variants[0]), candidate())
    if isinstance(first, Finding):
        return comparison.program(comparison.variants[0]), first
    for other in comparison.variants[1:]:
        made = candidate()
        second = _end(comparison.program(other), made)
        if isinstance(second, Finding):
            return comparison.program(other), second
        rows = [*_rows(comparison, other, first, second)]
        rows = [row for row in rows if row.what in made.abilities.fields]
        if rows:
            return _finding(comparison, other, rows)
    return None


def _end(program: Program, candidate: Candidate) -> Snapshot | Finding:
    """The last snapshot, plus heads that only earlier ones show; a finding if a step gives none."""
    heads: dict[int, HeadState] = {}
    end = Snapshot(returned=None, heads=heads, acquired=0, released=0)
    for index, shown in enumerate(Guarded(candidate, program).run()):
        if isinstance(shown, NoSnapshot):
            # The same finding as `judge` would give, so that the reducer can work on it.
            return Finding(
                oracle="invariants",
                what=shown.what,
                index=index,
                step=program.steps[index],
                summary=shown.summary,
                notes=shown.notes,
            )
        heads.update(shown.heads)
        end = evolve(shown, heads=heads)
    return end


def _rows(
    comparison: Comparison, other: Variant, first: Snapshot, second: Snapshot
) -> Iterator[Row]:
    """Rows of values that differ between *first* and *second*, the ends of two variants."""
    prefix = comparison.prefix
    if first.heads != second.heads:
        fresh = Ledger(prefix.semantics, prefix.mappings)
        now = Ledger.after(prefix, prefix.steps)
        for page in sorted((first.heads.keys() | second.heads.keys()) - comparison.may_differ):
            here, there = (e.heads.get(page) or fresh.first_state(page) for e in (first, second))
            yield from state_rows(now, page, here, there)
    acquired = first.acquired if comparison.same_statistics else second.acquired
    released = acquired - first.acquired + first.released - other.pins
    yield from differing(
        (
            (NR_FOLL_PIN_ACQUIRED, acquired, second.acquired),
            (NR_FOLL_PIN_RELEASED, released, second.released),
        )
    )


def _finding(comparison: Comparison, other: Variant, rows: list[Row]) -> tuple[Program, Finding]:
    """Of the first variant and *other*: the longer one's program, and a finding about both ends."""
    first = comparison.variants[0]
    kept, left = (first, other) if len(first.steps) > len(other.steps) else (other, first)
    program = comparison.program(kept)
    instead = "; ".join(step.text() for step in left.steps) or "nothing"
    if len(instead) > MAX_TEXT:
        instead = f"{instead[:MAX_TEXT]}..."
    since = len(comparison.prefix.steps) + 1
    shown, more = first_rows(rows)
    finding = Finding(
        oracle="laws",
        what=f"law_{comparison.law}",
        index=len(program.steps) - 1,
        step=program.steps[-1],
        summary=(
            f"{comparison.says}; but {rows[0].what} differs with {instead} from step {since} on"
        ),
        rows=shown,
        sides=(first.name, other.name),
        notes=(
            *more,
            f"{kept.name}: steps {since} to {len(program.steps)}",
            f"{left.name}: the same up to step {since - 1}, then{'' if left.steps else ' nothing'}",
            *(f"  {step.text()}" for step in left.steps[:MAX_ROWS]),
        ),
    )
    return program, finding
