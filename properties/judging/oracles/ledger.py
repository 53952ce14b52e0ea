# SPDX-License-Identifier: MIT

"""The ledger as an oracle: the reference, too, must show the only legal counts.

Candidate and reference can share a mistake; the ledger is a third opinion.
"""

from properties.judging.finding import Finding, Row, state_rows
from properties.judging.oracles.record import Record


def legal(record: Record) -> Finding | None:
    """A finding if the reference shows a state that the ledger does not allow."""
    ledger, reference = record.ledger, record.reference
    if (
        _heads(record)
        and ledger.acquired == reference.acquired
        and ledger.released == reference.released
        and ledger.warned == bool(reference.warnings)
        and record.returned in (None, reference.returned)
    ):
        return None
    rows = _rows(record)
    summary = f"{rows[0].what} after {record.step.call}: the reference breaks the ledger"
    what = f"ledger_{rows[0].what}"
    return record.finding("ledger", what, summary, rows, ("ledger", "reference"))


def _heads(record: Record) -> bool:
    """Whether every head that the reference shows is in the state that the ledger requires."""
    looks, pinned = record.ledger.looks, record.reference.maybe_pinned
    for page, state in record.reference.heads.items():
        if looks(page) != (state, page in pinned):
            return False
    return True


def _rows(record: Record) -> list[Row]:
    ledger, reference = record.ledger, record.reference
    rows: list[Row] = []
    for page, state in reference.heads.items():
        must, pinned = ledger.looks(page)
        rows += state_rows(ledger, page, must, state)
        if pinned != (page in reference.maybe_pinned):
            name, order = ledger.name(page), ledger.order(page)
            rows.append(Row(name, order, "maybe_dma_pinned", pinned, not pinned))
    others: tuple[tuple[str, object, object], ...] = (
        ("nr_foll_pin_acquired", ledger.acquired, reference.acquired),
        ("nr_foll_pin_released", ledger.released, reference.released),
        ("returned", record.returned, reference.returned),
        ("warnings", ledger.warned, bool(reference.warnings)),
    )
    for what, expected, shown in others:
        if expected != shown and expected is not None:
            rows.append(Row("", None, what, expected, shown))
    return rows
