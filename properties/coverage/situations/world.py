# SPDX-License-Identifier: MIT

"""The situations of what the world does to pages: a function for each call, of its name."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from properties.coverage.situations.table import LOOKED_AT


if TYPE_CHECKING:
    from properties.judging.oracles.record import Record


def unmap(record: Record, found: set[str]) -> None:
    """Whether what is pinned lost its last mapping."""
    ledger = record.ledger
    for head in islice(record.reference.heads, LOOKED_AT):
        held = ledger.held(head)
        if held.pins and not held.maps:
            found.add("unmap-pinned")
            break


def clean(record: Record, _found: set[str]) -> None:
    """Finds nothing; notes the heads for situations of later steps."""
    ledger = record.ledger
    for head in islice(record.reference.heads, LOOKED_AT):
        if record.state_before(head).dirty and ledger.held(head).pins:
            record.past.cleaned.add(head)


def put_page(record: Record, found: set[str]) -> None:
    """Whether that was the last reference."""
    for state in islice(record.reference.heads.values(), LOOKED_AT):
        if not state.allocated:
            found.add("put-frees")
            break


def split_huge_page(record: Record, found: set[str]) -> None:
    """Whether a split went through."""
    if record.returned:
        found.add("split-refused")
        return
    found.add("split-done")
    if not record.past.unpinned.isdisjoint(record.reference.heads):
        found.add("split-unpinned")


def alloc_pages(record: Record, found: set[str]) -> None:
    """Whether free frames became compound pages of another order."""
    step: Any = record.step
    heads = record.reference.heads
    if len(step.orders) > 1 or record.ledger.order(min(heads)):
        found.add("other-order")
    past = record.past
    past.again.update(heads)
    # What was known of the pages that lay here before is over.
    past.unpinned.difference_update(heads)
    past.cleaned.difference_update(heads)
