# SPDX-License-Identifier: MIT

"""The situations of steps that unpin: of ranges, lists, regions, heads and dirty flags."""

from itertools import islice, pairwise

from model.pagelist import NULL_NAME, Slice
from model.semantics import PMD_ORDER
from properties.coverage.points import MAX_EXAMINED, MAX_PAGES_EXAMINED
from properties.judging.holdings import Held
from properties.judging.oracles.record import Record
from properties.judging.regions import BATCH


_ORDERS = ("order-0", "order-1", *["order-2"] * 7, *["order-9"] * 9, *["order-18"] * 46)


def unpin_list(record: Record, found: set[str]) -> None:
    """Add the situations of a list of pages that is unpinned."""
    runs = record.runs()
    if not runs:
        if record.step.npages is not None:  # type: ignore[attr-defined]
            found.add("error-npages")
        return
    heads(record, found)
    if len(record.lists) > 1:
        return  # split by NULL entries
    _handles(record, found)
    (pages,) = record.lists
    if len(pages) == 1:
        return
    if len(runs) > 1:
        _turns(record, runs[:MAX_EXAMINED], found)
    if len(pages) > MAX_PAGES_EXAMINED:
        pages = pages[:MAX_PAGES_EXAMINED]
    if isinstance(pages, range):
        if pages.step == -1:
            found.add("backwards")
        return
    if len(set(pages)) < len(pages):
        found.add("repeated-page")
    for a, b in pairwise(pages):
        if b == a - 1:
            found.add("backwards")
            break


def unpin_range(record: Record, found: set[str]) -> None:
    """Add the situations of a range that is unpinned."""
    runs = record.runs()
    if not runs:
        return
    heads(record, found)
    _handles(record, found)
    (pages,) = record.lists
    ledger = record.ledger
    first, last = runs[0][0], runs[-1][0]
    order = ledger.order(last)
    if len(runs) > 2:
        found.add("range-three-heads")
    if len(runs) > 1 and order >= PMD_ORDER <= ledger.order(runs[-2][0]):
        found.add("range-huge-across")
    whole = pages[-1] + 1 == last + (1 << order)
    if not whole:
        found.add("range-stops-short")
    if pages[0] != first:
        found.add("range-from-tail")
        if len(runs) > 1:
            found.add("range-across")
    elif whole and len(pages) > len(runs):
        found.add("range-exact")


def release(record: Record, found: set[str]) -> None:
    """Add the situations of a region that is released."""
    heads(record, found)
    region = record.ledger.released_umem
    assert region is not None
    if region.nmap is not None and 0 < region.nmap < len(region.entries):
        found.add("umem-merged")
    if record.step.dirty and not region.writable:  # type: ignore[attr-defined]
        found.add("umem-read-only")
    if len(region.entries) > 1:
        firsts = [record.ledger.head(pages[0]) for pages in region.entries[:MAX_EXAMINED]]
        if len(set(firsts)) < len(firsts):
            found.add("umem-shared-head")


def heads(record: Record, found: set[str]) -> None:
    """Add the situations of the heads that are unpinned."""
    ledger, runs = record.ledger, record.runs()
    if len(runs) == 1:
        ((head, npages),) = runs
        longest = npages
        held = ledger.held(head)
        _head(record, head, held, found)
        if not held.alive:
            found.add("unpin-frees")
    else:
        runs = runs[:MAX_EXAMINED]
        longest = max(entries for _, entries in runs)
        npages = sum(map(len, record.lists))
        several = {head: ledger.held(head) for head, _ in runs}
        for head, held in several.items():
            _head(record, head, held, found)
        if len({held.each for held in several.values()}) > 1:
            found.add("bias-and-exact")
        freed = [held for held in several.values() if not held.alive]
        if freed:
            found.add("unpin-frees")
            if len(freed) < len(several):
                found.add("one-of-two-freed")
    if npages > BATCH:
        found.add("one-call-batches")
        if longest > MAX_PAGES_EXAMINED:
            found.add("long-run")


def _head(record: Record, head: int, held: Held, found: set[str]) -> None:
    ledger = record.ledger
    order = ledger.order(head)
    found.add(_ORDERS[order])
    if held.pins:
        found.add("partly-unpinned")
    else:
        found.add("last-pin")
        if order >= PMD_ORDER and held.alive:
            record.history.unpinned.add(head)
    if held.gets:
        found.add("pinned-and-got")
    if held.maps > 1:
        found.add("mapped-twice")
    if ledger.kind(head) == "device-dax":
        found.add("device-dax")
    before = record.state_before(head)
    if before.refcount < 0:
        found.add("unpin-wrapped")
    if record.dirties:
        if before.dirty:
            found.add("dirty-dirty")
        else:
            found.add("dirty-clean")
            if head in record.history.cleaned:
                found.add("dirty-again")
    elif before.dirty and record.step.asks_dirty:
        found.add("dirty-left")


def _turns(record: Record, runs: list[tuple[int, int]], found: set[str]) -> None:
    """Add the situations of the order of *runs* in one list."""
    heads = [head for head, _ in runs]
    ledger = record.ledger
    if len(set(heads)) < len(heads):
        found.add("a-b-a")
        for i in range(len(heads) - 3):
            if heads[i] == heads[i + 2] and heads[i + 1] == heads[i + 3]:
                found.add("a-b-a-b")
                break
    for a, b in pairwise(heads):
        if b < a:
            found.add("falling")
        elif b > a + (1 << ledger.order(a)):
            found.add("gap")


def _handles(record: Record, found: set[str]) -> None:
    """Add the situations of the handles that the list names."""
    table, ledger = record.ledger.table, record.ledger
    pages = record.step.pages  # type: ignore[attr-defined]
    only = pages.terms[0]
    if len(pages.terms) == 1 and isinstance(only, Slice):
        start = only.indices.start
        held = table[only.name]
        if start and only.indices.stop == len(held) and only.indices.step == only.times == 1:
            head = ledger.head(held[start])
            if ledger.head(held[start - 1]) == head and not ledger.held(head).pins:
                # Each entry of a handle was a pin, and an earlier call unpinned the entries
                # before the start.
                mappings = (mapping.name for mapping in ledger.mappings)
                if only.name not in mappings:
                    found.add("rest-of-handle")
        return
    names: dict[int, str] = {}
    first = next(pages.slices()).name
    for piece in islice(pages.slices(), MAX_EXAMINED):
        if piece.name == NULL_NAME:
            continue
        if piece.name != first:
            found.add("several-handles")
        if piece.indices:
            head = ledger.head(table[piece.name][piece.indices[0]])
            if names.setdefault(head, piece.name) != piece.name:
                found.add("shared-head")
