# SPDX-License-Identifier: MIT

"""Corners that a run really visited: one table of named situations.

Each is read off one step after it was carried out. What a run did not reach
it cannot have tested, so `verify` prints it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from model.steps import (
    AllocPages,
    IbUmem,
    IbUmemGet,
    IbUmemRelease,
    SplitHugePage,
    UnpinUserPageRangeDirtyLock,
)
from properties.oracles.record import UNPINS


if TYPE_CHECKING:
    from collections.abc import Iterator

    from properties.oracles.record import Record

SITUATIONS: dict[str, str] = {
    "range-from-tail": "a range that starts in a tail",
    "range-across": "a range that starts in a tail and crosses a head",
    "range-stops-short": "a range that ends inside a compound page",
    "a-b-a": "a run of one head that another head interrupts",
    "repeated-page": "a page that stands twice in a run",
    "backwards": "a list that goes backwards",
    "several-handles": "a list of pages of several handles",
    "order-0": "an unpin of a single page",
    "order-1": "an unpin of a compound page of order 1",
    "order-2": "an unpin of a compound page of order 2 or more",
    "bias-and-exact": "pins counted by bias and exactly in one call",
    "one-call-many": "an unpin of more than 64 pages",
    "one-call-batches": "an unpin of more than 512 pages",
    "partly-unpinned": "a head that keeps some of its pins",
    "last-pin": "the last pin of a head",
    "unpin-frees": "the last pin of a page that nothing else holds",
    "dirty-clean": "a clean head dirtied by an unpin",
    "dirty-dirty": "a dirty head asked to be dirtied",
    "error-npages": "npages that is an error value",
    "partial-pin": "a pin that got only some of the pages",
    "no-pin": "a pin that got none",
    "grab-refused": "a grab that found a count that is not positive",
    "count-wrapped": "a count that went past 2^31",
    "grab-undone": "a grab put back because its entry changed",
    "umem-batches": "a region of more than one batch of 512",
    "umem-segments": "a region whose segments are cut by their largest size",
    "umem-map-fails": "a region whose DMA mapping fails",
    "umem-append-fails": "a region whose scatterlist finds no memory",
    "umem-merged": "the release of a region whose entries the IOMMU merged",
    "umem-partial-page": "a region with a partial last page",
    "split-refused": "a split refused because the page is held",
    "split-done": "a split that went through",
    "other-order": "free frames allocated again as another order",
}


def situations(record: Record) -> Iterator[str]:
    """The names of the situations that the step of *record* is in."""
    step = record.step
    if step.call in UNPINS:
        yield from _unpin(record)
    elif isinstance(step, IbUmemGet | IbUmem):
        yield from _umem(record)
    elif isinstance(step, SplitHugePage):
        yield "split-refused" if record.returned else "split-done"
    elif isinstance(step, AllocPages):
        if len(step.orders) > 1 or record.ledger.order(min(record.reference.heads)):
            yield "other-order"
    elif record.returned is not None:
        yield from _pin(record)


def _unpin(record: Record) -> Iterator[str]:
    step, ledger, runs = record.step, record.ledger, record.runs()
    if not runs:
        if getattr(step, "npages", None) is not None:
            yield "error-npages"
        return
    npages = sum(entries for _, entries in runs)
    if npages > 64:
        yield "one-call-many"
    if npages > 512:
        yield "one-call-batches"
    heads = dict.fromkeys(head for head, _ in runs)
    if len(heads) < len(runs) and len(record.lists) == 1:
        yield "a-b-a"
    yield from _heads(record, heads)
    if isinstance(step, UnpinUserPageRangeDirtyLock):
        yield from _range(record)
    elif len(record.lists) == 1 and npages <= 4096:
        pages = record.lists[0]
        if len(set(pages)) < npages:
            yield "repeated-page"
        if any(b == a - 1 for a, b in itertools.pairwise(pages)):
            yield "backwards"
        if len(step.uses()) > 1:
            yield "several-handles"
    region = ledger.released_umem if isinstance(step, IbUmemRelease) else None
    if region and region.nmap is not None and 0 < region.nmap < len(region.entries):
        yield "umem-merged"


def _heads(record: Record, heads: dict[int, None]) -> Iterator[str]:
    ledger = record.ledger
    exact = set()
    for head in heads if len(heads) <= 64 else list(heads)[:64]:
        held = ledger.held(head)
        order = ledger.order(head)
        yield f"order-{min(order, 2)}"
        exact.add(held.each == 1)
        yield "partly-unpinned" if held.pins else "last-pin"
        if not held.alive:
            yield "unpin-frees"
        if record.dirties:
            yield "dirty-dirty" if record.state_before(head).dirty else "dirty-clean"
    if len(exact) > 1:
        yield "bias-and-exact"


def _range(record: Record) -> Iterator[str]:
    (pages,) = record.lists
    ledger = record.ledger
    last = pages[-1]
    if pages[0] != ledger.head(pages[0]):
        yield "range-from-tail"
        if ledger.head(last) != ledger.head(pages[0]):
            yield "range-across"
    if last + 1 != ledger.head(last) + (1 << ledger.order(last)):
        yield "range-stops-short"


def _pin(record: Record) -> Iterator[str]:
    returned = record.returned or 0
    wanted = record.step.npages_named
    if record.reference.warnings:
        yield "grab-refused"
    if returned <= 0:
        yield "no-pin"
    elif returned < wanted:
        yield "partial-pin"
    changed = getattr(record.step, "changed", None)
    if changed is not None and returned <= changed:
        yield "grab-undone"
    if any(state.refcount < 0 for state in record.reference.heads.values()):
        yield "count-wrapped"


def _umem(record: Record) -> Iterator[str]:
    step = record.step
    if isinstance(step, IbUmem):
        if any(entry.length % 4096 for entry in step.sgl):
            yield "umem-partial-page"
        return
    assert isinstance(step, IbUmemGet)
    if record.returned == -12:
        if step.append_fails is not None:
            yield "umem-append-fails"
        elif step.nmap == 0:
            yield "umem-map-fails"
    elif (record.returned or 0) > 0:
        if len(step.pages) > 512:
            yield "umem-batches"
        entries = record.ledger.umems[step.umem].entries
        if any(len(e) == step.max_segment // 4096 for e in entries[:-1]):
            yield "umem-segments"
