# SPDX-License-Identifier: MIT

"""The ledger as an oracle: the reference itself must show the only legal counts.

Two models by one hand can share a mistake. This is the third opinion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from properties.finding import Row


if TYPE_CHECKING:
    from properties.finding import Finding
    from properties.oracles.record import Record


def legal(record: Record) -> Finding | None:
    """The finding that the reference shows a count the ledger does not allow."""
    ledger, reference = record.ledger, record.reference
    rows = []
    for page, state in reference.heads.items():
        if ledger.head(page) != page:
            continue
        expected = ledger.legal(page)
        shown = (state.refcount, state.pincount, state.allocated)
        pinned = ledger.maybe_dma_pinned(page)
        if pinned != (page in reference.maybe_pinned):
            what = "maybe_dma_pinned"
            rows.append(Row(ledger.name(page), ledger.order(page), what, pinned, not pinned))
        if expected == shown:
            continue
        for what, a, b in zip(expected._fields, expected, shown, strict=True):
            if a != b:
                rows.append(Row(ledger.name(page), ledger.order(page), what, a, b))
    others: tuple[tuple[str, object, object], ...] = (
        ("nr_foll_pin_acquired", ledger.acquired, reference.acquired),
        ("nr_foll_pin_released", ledger.released, reference.released),
        ("returned", record.returned, reference.returned),
    )
    for what, expected_value, shown_value in others:
        if expected_value != shown_value and expected_value is not None:
            rows.append(Row("", None, what, expected_value, shown_value))
    if not rows:
        return None
    summary = f"{rows[0].what} after {record.step.call}: the reference breaks the ledger"
    what = f"ledger_{rows[0].what}"
    return record.finding("ledger", what, summary, rows, ("ledger", "reference"))
