# SPDX-License-Identifier: MIT

"""The situations of steps that pin pages or make an RDMA memory region."""

from itertools import islice
from typing import Any

from model.pagelist import PageList, Slice
from model.semantics import PAGE_SIZE
from properties.coverage.points import MAX_EXAMINED
from properties.judging.holdings import Held
from properties.judging.oracles.record import Record
from properties.judging.pins import COUNT_LIMIT, EFAULT, ENOMEM
from properties.judging.regions import BATCH


def pin(record: Record, found: set[str]) -> None:
    """Add the situations of a call that pins pages or takes plain references."""
    returned = record.returned or 0
    step, ledger, reference = record.step, record.ledger, record.reference
    pages: PageList = step.pages  # type: ignore[attr-defined]
    if reference.warnings:
        found.add("grab-refused")
    if returned <= 0:
        found.add("no-pin")
        held = _first(record)
        if held.alive and not held.maps:
            found.add("pin-unmapped")
    elif returned < len(pages):
        found.add("partial-pin")
    if len(pages.terms) > 1 or not isinstance(pages.terms[0], Slice):
        first, *others = pages.slices()
        if any(piece.name != first.name for piece in others):
            found.add("several-mappings")
    if step.changes_page_table() and returned <= getattr(step, step.position):
        found.add("grab-undone")
    counts(record, found)
    history = record.history
    if history.again and returned > 0 and step.pins:
        for head in islice(reference.heads, MAX_EXAMINED):
            if head in history.again and ledger.held(head).pins:
                found.add("pinned-again")
                break


def _first(record: Record) -> Held:
    """The references and pins held on the head of the first page that the step names."""
    piece = next(record.step.pages.slices())  # type: ignore[attr-defined]
    ledger = record.ledger
    return ledger.held(ledger.head(ledger.table[piece.name][piece.indices[0]]))


def counts(record: Record, found: set[str]) -> None:
    """Add the situations of refcounts close to 2^31 or past it."""
    heads = record.reference.heads
    for state in (
        heads.values() if len(heads) <= MAX_EXAMINED else islice(heads.values(), MAX_EXAMINED)
    ):
        count = state.refcount
        if count < 0:
            found.add("count-wrapped")
        elif count == COUNT_LIMIT - 1:
            found.add("count-at-limit")


# RDMA memory regions.


def umem_get(record: Record, found: set[str]) -> None:
    """Add the situations of ``ib_umem_get()``."""
    step: Any = record.step
    returned = record.returned or 0
    if returned == ENOMEM:
        if step.append_fails is not None:
            found.add("umem-append-fails")
        elif step.nmap == 0:
            found.add("umem-map-fails")
    elif returned == EFAULT:
        held = _first(record)
        if held.mapped:
            found.add("umem-pin-fails")
    elif returned > 0:
        if len(step.pages) > BATCH:
            found.add("umem-batches")
        most = step.max_segment // PAGE_SIZE
        entries = record.ledger.umems[step.umem].entries
        if any(len(entry) == most for entry in entries[: min(len(entries) - 1, MAX_EXAMINED)]):
            found.add("umem-segments")


def umem(record: Record, found: set[str]) -> None:
    """Add the situations of a region over pages that are pinned already."""
    step: Any = record.step
    if any(entry.length % PAGE_SIZE for entry in step.sgl):
        found.add("umem-partial-page")
