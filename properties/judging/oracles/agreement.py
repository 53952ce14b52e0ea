# SPDX-License-Identifier: MIT

"""Agreement: every field that is shown equals the reference's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.abilities import FIELDS
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.page import HeadState
from properties.judging.finding import Row


if TYPE_CHECKING:
    from collections.abc import Iterator

    from properties.judging.finding import Finding
    from properties.judging.oracles.record import Record

#: More rows than this help nobody, nor do more warnings.
MOST_ROWS = 12
MOST_WARNINGS = 3


def agreement(record: Record) -> Finding | None:
    """The finding that candidate and reference differ, if they do."""
    ours, theirs = record.reference, record.candidate
    if (
        ours.heads == theirs.heads
        and ours.maybe_pinned == theirs.maybe_pinned
        and ours.returned == theirs.returned
        and ours.acquired == theirs.acquired
        and ours.released == theirs.released
        and bool(ours.warnings) == bool(theirs.warnings)
    ):
        return None
    rows = sorted(_rows(record), key=lambda row: FIELDS.index(row.what))
    if not rows:
        return None
    what = rows[0].what
    shown = tuple(rows[:MOST_ROWS])
    more = [f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
    if any(row.what == "warnings" for row in rows):
        # In the table there is no room for them.
        more += [f"warns: {warning}" for warning in theirs.warnings[:MOST_WARNINGS]]
    return record.finding("agreement", what, f"{what} after {record.step.call}", shown, notes=more)


def _rows(record: Record) -> Iterator[Row]:
    ours, theirs = record.reference, record.candidate
    # Each has words of its own for a warning: only whether there is one counts.
    both_warn = ours.warnings and theirs.warnings
    for what, expected, shown in (
        ("returned", ours.returned, theirs.returned),
        (NR_FOLL_PIN_ACQUIRED, ours.acquired, theirs.acquired),
        (NR_FOLL_PIN_RELEASED, ours.released, theirs.released),
        ("warnings", _some(ours.warnings), _some((ours if both_warn else theirs).warnings)),
    ):
        if expected != shown and what in record.fields:
            yield Row("", None, what, expected, shown)
    for page in sorted(ours.heads.keys() | theirs.heads.keys()):
        expected_state = ours.heads.get(page) or record.state_before(page)
        shown_state = theirs.heads.get(page) or record.state_before(page)
        if expected_state != shown_state:
            yield from _differences(record, page, expected_state, shown_state)
        elif page in ours.heads and page in theirs.heads and "maybe_dma_pinned" in record.fields:
            expected_pinned, shown_pinned = page in ours.maybe_pinned, page in theirs.maybe_pinned
            if expected_pinned != shown_pinned:
                name, order = record.ledger.name(page), record.ledger.order(page)
                yield Row(name, order, "maybe_dma_pinned", expected_pinned, shown_pinned)


def _differences(record: Record, page: int, expected: HeadState, shown: HeadState) -> Iterator[Row]:
    for what, a, b in zip(HeadState._fields, expected, shown, strict=True):
        if a != b and what in record.fields:
            yield Row(record.ledger.name(page), record.ledger.order(page), what, a, b)


def _some(warnings: tuple[str, ...]) -> str:
    """Whether there were any: how often is the implementation's own affair."""
    return warnings[0] if warnings else "none"
