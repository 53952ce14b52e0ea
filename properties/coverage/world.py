# SPDX-License-Identifier: MIT

"""The situations of world steps. Each function is named after its call."""

from itertools import islice
from typing import Any

from properties.coverage.points import MAX_EXAMINED
from properties.judging.oracles.record import Record


def unmap(record: Record, found: set[str]) -> None:
    """Add the situation of a pinned page that lost its last mapping."""
    ledger = record.ledger
    for head in islice(record.reference.heads, MAX_EXAMINED):
        held = ledger.held(head)
        if held.pins and not held.maps:
            found.add("unmap-pinned")
            break


def clean(record: Record, _found: set[str]) -> None:
    """Add nothing; note the heads for situations of later steps."""
    ledger = record.ledger
    for head in islice(record.reference.heads, MAX_EXAMINED):
        if record.state_before(head).dirty and ledger.held(head).pins:
            record.history.cleaned.add(head)


def put_page(record: Record, found: set[str]) -> None:
    """Add the situation of a put of the last reference."""
    for state in islice(record.reference.heads.values(), MAX_EXAMINED):
        if not state.allocated:
            found.add("put-frees")
            break


def split_huge_page(record: Record, found: set[str]) -> None:
    """Add the situations of a split."""
    if record.returned:
        found.add("split-refused")
        return
    found.add("split-done")
    if not record.history.unpinned.isdisjoint(record.reference.heads):
        found.add("split-unpinned")


def alloc_pages(record: Record, found: set[str]) -> None:
    """Add the situation of frames that are allocated again with another order."""
    step: Any = record.step
    heads = record.reference.heads
    if len(step.orders) > 1 or record.ledger.order(min(heads)):
        found.add("other-order")
    history = record.history
    history.again.update(heads)
    # The compound pages that had these frames no longer exist.
    history.unpinned.difference_update(heads)
    history.cleaned.difference_update(heads)
