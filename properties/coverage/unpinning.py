# SPDX-License-Identifier: MIT

"""The situations of steps that unpin: of ranges, lists, regions, heads and dirty flags."""

from collections.abc import Iterator
from itertools import islice, pairwise

from model.pagelist import NULL_NAME, Slice
from model.semantics import PMD_ORDER
from properties.coverage.points import MAX_EXAMINED, MAX_PAGES_EXAMINED
from properties.judging.holdings import Held
from properties.judging.ledger import Ledger
from properties.judging.oracles.record import Record
from properties.judging.regions import BATCH

_ORDERS = ("order-0", "order-1", *["order-2"] * 7, *["order-9"] * 9, *["order-18"] * 46)


def unpin_list(record: Record) -> Iterator[str]:
    """The situations of a list of pages that is unpinned."""
    runs = record.ledger.unpinned_runs
    if not runs:
        if record.step.npages is not None:  # type: ignore[attr-defined]
            yield "error-npages"
        return
    yield from heads(record)
    if len(record.ledger.unpinned) > 1:
        return  # split by NULL entries
    yield from _handles(record)
    (pages,) = record.ledger.unpinned
    if len(pages) == 1:
        return
    if len(runs) > 1:
        yield from _turns(record, runs[:MAX_EXAMINED])
    if isinstance(pages, range):
        if pages.step == -1:
            yield "backwards"
        return
    pages = pages[:MAX_PAGES_EXAMINED]
    if len(set(pages)) < len(pages):
        yield "repeated-page"
    if any(b == a - 1 for a, b in pairwise(pages)):
        yield "backwards"


def unpin_range(record: Record) -> Iterator[str]:
    """The situations of a range that is unpinned."""
    runs = record.ledger.unpinned_runs
    if not runs:
        return
    yield from heads(record)
    yield from _handles(record)
    (pages,) = record.ledger.unpinned
    first, last = runs[0][0], runs[-1][0]
    order = record.ledger.order(last)
    if len(runs) > 2:
        yield "range-three-heads"
    if len(runs) > 1 and order >= PMD_ORDER <= record.ledger.order(runs[-2][0]):
        yield "range-huge-across"
    whole = pages[-1] + 1 == last + (1 << order)
    if not whole:
        yield "range-stops-short"
    if pages[0] != first:
        yield "range-from-tail"
        if len(runs) > 1:
            yield "range-across"
    elif whole and len(pages) > len(runs):
        yield "range-exact"


def release(record: Record) -> Iterator[str]:
    """The situations of a region that is released."""
    yield from heads(record)
    region = record.ledger.released_umem
    assert region is not None
    if region.nmap is not None and 0 < region.nmap < len(region.entries):
        yield "umem-merged"
    if record.step.dirty and not region.writable:  # type: ignore[attr-defined]
        yield "umem-read-only"
    firsts = [record.ledger.head(pages[0]) for pages in region.entries[:MAX_EXAMINED]]
    if len(set(firsts)) < len(firsts):
        yield "umem-shared-head"


def heads(record: Record) -> Iterator[str]:
    """The situations of the heads that are unpinned."""
    runs = record.ledger.unpinned_runs[:MAX_EXAMINED]
    several = {head: record.ledger.held(head) for head, _ in runs}
    for head, held in several.items():
        yield from _head(record, head, held)
    if len(several) > 1 and len({held.each for held in several.values()}) > 1:
        yield "bias-and-exact"
    freed = [held for held in several.values() if not held.alive]
    if freed:
        yield "unpin-frees"
        if len(freed) < len(several):
            yield "one-of-two-freed"
    npages = sum(map(len, record.ledger.unpinned))
    if npages > BATCH:
        yield "one-call-batches"
    if npages > MAX_PAGES_EXAMINED and any(n > MAX_PAGES_EXAMINED for _, n in runs):
        yield "long-run"


def _head(record: Record, head: int, held: Held) -> list[str]:
    ledger = record.ledger
    order = ledger.order(head)
    found = [_ORDERS[order]]
    if held.pins:
        found.append("partly-unpinned")
    else:
        found.append("last-pin")
        if order >= PMD_ORDER and held.alive:
            record.history.unpinned.add(head)
    if held.gets:
        found.append("pinned-and-got")
    if held.maps > 1:
        found.append("mapped-twice")
    if ledger.kind(head) == "device-dax":
        found.append("device-dax")
    before = record.state_before(head)
    if before.refcount < 0:
        found.append("unpin-wrapped")
    if not ledger.dirties:
        if before.dirty and record.step.asks_dirty:
            found.append("dirty-left")
    elif before.dirty:
        found.append("dirty-dirty")
    else:
        found.append("dirty-clean")
        if head in record.history.cleaned:
            found.append("dirty-again")
    return found


def _turns(record: Record, runs: list[tuple[int, int]]) -> Iterator[str]:
    """The situations of the order of *runs* in one list."""
    heads = [head for head, _ in runs]
    pairs = list(pairwise(heads))
    if len(set(heads)) < len(heads):
        yield "a-b-a"
        if any(pair == later for pair, later in zip(pairs, pairs[2:], strict=False)):
            yield "a-b-a-b"
    for a, b in pairs:
        if b < a:
            yield "falling"
        elif b > a + (1 << record.ledger.order(a)):
            yield "gap"


def _handles(record: Record) -> Iterator[str]:
    """The situations of the handles by which the step names its pages."""
    ledger = record.ledger
    pages = record.step.pages  # type: ignore[attr-defined]
    only = pages.terms[0]
    if len(pages.terms) == 1 and isinstance(only, Slice):
        if _is_rest(ledger, only):
            yield "rest-of-handle"
        return
    names: dict[int, str] = {}
    first = next(pages.slices()).name
    for piece in islice(pages.slices(), MAX_EXAMINED):
        if piece.name == NULL_NAME:
            continue
        if piece.name != first:
            yield "several-handles"
        if piece.indices:
            head = ledger.head(ledger.table[piece.name][piece.indices[0]])
            if names.setdefault(head, piece.name) != piece.name:
                yield "shared-head"


def _is_rest(ledger: Ledger, piece: Slice) -> bool:
    """Whether *piece* is what is left of a handle after an unpin of the entries before it."""
    indices, held = piece.indices, ledger.table[piece.name]
    if not indices.start or indices.stop != len(held) or not indices.step == piece.times == 1:
        return False
    head = ledger.head(held[indices.start])
    # The entry before has the same head, on which no pin is left: so it was unpinned too. Pages
    # may also be named by mapping, which is no handle.
    return (
        ledger.head(held[indices.start - 1]) == head
        and not ledger.held(head).pins
        and all(mapping.name != piece.name for mapping in ledger.mappings)
    )
