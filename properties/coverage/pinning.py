# SPDX-License-Identifier: MIT

"""The situations of steps that pin pages or make an RDMA memory region."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from model.pagelist import PageList, Slice
from model.semantics import PAGE_SIZE
from properties.coverage.mapped import met
from properties.coverage.points import MAX_EXAMINED
from properties.judging.holdings import Held
from properties.judging.oracles.record import Record
from properties.judging.pins import COUNT_LIMIT, EFAULT, ENOMEM
from properties.judging.regions import BATCH


def pin(record: Record) -> Iterator[str]:
    """The situations of a call that pins pages or takes plain references."""
    returned = record.returned or 0
    step, ledger = record.step, record.ledger
    pages: PageList = step.pages  # type: ignore[attr-defined]
    if not pages:
        return
    if record.reference.warnings:
        yield "grab-refused"
    if returned <= 0:
        yield "no-pin"
        held = _first(record)
        if held.alive and not held.maps:
            yield "pin-unmapped"
    elif returned < len(pages) and not step.holds_folios:
        yield "partial-pin"
    if len(pages.terms) > 1 or not isinstance(pages.terms[0], Slice):
        first, *others = pages.slices()
        if any(piece.name != first.name for piece in others):
            yield "several-mappings"
    yield from met(record)
    if ledger.raced:
        yield "grab-undone"
    yield from counts(record)
    again = record.history.again
    if again and returned > 0 and step.pins:
        heads = islice(record.reference.heads, MAX_EXAMINED)
        if any(head in again and ledger.held(head).pins for head in heads):
            yield "pinned-again"


def _first(record: Record) -> Held:
    """The references and pins held on the head of the first page that the step names."""
    piece = next(record.step.pages.slices())  # type: ignore[attr-defined]
    ledger = record.ledger
    return ledger.held(ledger.head(ledger.table[piece.name][piece.indices[0]]))


def counts(record: Record) -> Iterator[str]:
    """The situations of refcounts close to 2^31 or past it."""
    for state in islice(record.reference.heads.values(), MAX_EXAMINED):
        if state.refcount < 0:
            yield "count-wrapped"
        elif state.refcount == COUNT_LIMIT - 1:
            yield "count-at-limit"


def umem_get(record: Record) -> Iterator[str]:
    """The situations of ``ib_umem_get()``."""
    step: Any = record.step
    returned = record.returned or 0
    if step.pages:
        yield from met(record)
    if returned == ENOMEM:
        if step.append_fails is not None:
            yield "umem-append-fails"
        elif step.nmap == 0:
            yield "umem-map-fails"
    elif returned == EFAULT:
        if _first(record).mapped:
            yield "umem-pin-fails"
    elif returned > 0:
        if len(step.pages) > BATCH:
            yield "umem-batches"
        most = step.max_segment // PAGE_SIZE
        entries = record.ledger.umems[step.umem].entries
        if any(len(entry) == most for entry in entries[: min(len(entries) - 1, MAX_EXAMINED)]):
            yield "umem-segments"


def umem(record: Record) -> Iterator[str]:
    """The situations of a region over pages that are pinned already."""
    step: Any = record.step
    if any(entry.length % PAGE_SIZE for entry in step.sgl):
        yield "umem-partial-page"
