# SPDX-License-Identifier: MIT

"""The ledger as an oracle: the reference itself must show the only legal counts.

Two models by one hand can share a mistake. This is the third opinion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from properties.judging.finding import Row


if TYPE_CHECKING:
    from properties.judging.finding import Finding
    from properties.judging.oracles.record import Record


def legal(record: Record) -> Finding | None:
    """The finding that the reference shows a state the ledger does not allow."""
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
    """Whether every head that the step touched looks as it must."""
    looks, pinned = record.ledger.looks, record.reference.maybe_pinned
    for page, state in record.reference.heads.items():
        if looks(page) != (state, page in pinned):
            return False
    return True


def _rows(record: Record) -> list[Row]:
    ledger, reference = record.ledger, record.reference
    rows = []
    for page, state in reference.heads.items():
        name, order = ledger.name(page), ledger.order(page)
        must, pinned = ledger.looks(page)
        for what, expected, shown in zip(state._fields, must, state, strict=True):
            if expected != shown:
                rows.append(Row(name, order, what, expected, shown))
        if pinned != (page in reference.maybe_pinned):
            rows.append(Row(name, order, "maybe_dma_pinned", pinned, not pinned))
    others: tuple[tuple[str, object, object], ...] = (
        ("nr_foll_pin_acquired", ledger.acquired, reference.acquired),
        ("nr_foll_pin_released", ledger.released, reference.released),
        ("returned", record.returned, reference.returned),
        ("warnings", ledger.warned, bool(reference.warnings)),
    )
    for what, expected_value, shown_value in others:
        if expected_value != shown_value and expected_value is not None:
            rows.append(Row("", None, what, expected_value, shown_value))
    return rows
