# SPDX-License-Identifier: MIT

"""Agreement: every field that the candidate shows equals the reference's."""

from collections.abc import Iterator

from model.abilities import FIELDS
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from properties.judging.finding import Finding, Row, first_rows, state_rows
from properties.judging.oracles.record import Record


#: Maximum number of warnings in the notes of a finding.
MAX_WARNINGS = 3


def agreement(record: Record) -> Finding | None:
    """A finding if candidate and reference differ."""
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
    shown, notes = first_rows(rows)
    if any(row.what == "warnings" for row in rows):
        # The table has no room for the text of warnings.
        notes += [f"warns: {warning}" for warning in theirs.warnings[:MAX_WARNINGS]]
    return record.finding("agreement", what, f"{what} after {record.step.call}", shown, notes=notes)


def _rows(record: Record) -> Iterator[Row]:
    ours, theirs = record.reference, record.candidate
    # Candidates word warnings differently, so only whether there is a warning is compared.
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
            rows = state_rows(record.ledger, page, expected_state, shown_state)
            yield from (row for row in rows if row.what in record.fields)
        elif page in ours.heads and page in theirs.heads and "maybe_dma_pinned" in record.fields:
            expected_pinned, shown_pinned = page in ours.maybe_pinned, page in theirs.maybe_pinned
            if expected_pinned != shown_pinned:
                name, order = record.ledger.name(page), record.ledger.order(page)
                yield Row(name, order, "maybe_dma_pinned", expected_pinned, shown_pinned)


def _some(warnings: tuple[str, ...]) -> str:
    """The first of *warnings*, or "none"; the number of warnings is not compared."""
    return warnings[0] if warnings else "none"
