# SPDX-License-Identifier: MIT

"""Corners that a run really visited: one table of named situations.

Each is read off one step after it was carried out; a few also need to know
what was done to the same head before. What a run did not reach it cannot have
tested, so `verify` prints it. This runs after every step of every search, so
of a large call no more than the first `LOOKED_AT` runs are looked at.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attrs import define, field

from model.pagelist import Slice
from model.semantics import PAGE_SIZE, PMD_ORDER
from properties.ledger import BATCH, EFAULT, ENOMEM, LIMIT


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.pagelist import PageList
    from properties.holdings import Held
    from properties.ledger import Ledger
    from properties.oracles.record import Record

SITUATIONS: dict[str, str] = {
    # Ranges.
    "range-from-tail": "a range that starts in a tail",
    "range-across": "a range that starts in a tail and crosses a head",
    "range-stops-short": "a range that ends inside a compound page",
    "range-exact": "a range that covers whole compound pages exactly",
    "range-three-heads": "a range over three heads or more",
    "range-huge-across": "a range from one page of order 9 or more into another",
    # Lists.
    "a-b-a": "a run of one head that another head interrupts",
    "a-b-a-b": "two heads that take turns in a list",
    "repeated-page": "a page that stands twice in a list",
    "backwards": "a list that goes backwards",
    "falling": "a list that goes on with a head further down",
    "gap": "a list that goes on with a head further up than the neighbour",
    "several-handles": "a list of pages of several handles",
    "shared-head": "a list of pages of several handles, all pins of one head",
    "rest-of-handle": "the rest of a handle whose first part was unpinned before",
    "one-call-batches": "an unpin of more than 512 pages",
    "long-run": "a run of more than 1,024 entries",
    "error-npages": "npages that is an error value",
    # What is unpinned.
    "order-0": "an unpin of a single page",
    "order-1": "an unpin of a compound page of order 1",
    "order-2": "an unpin of a compound page of order 2 to 8",
    "order-9": "an unpin of a compound page of order 9 to 17",
    "order-18": "an unpin of a compound page of order 18",
    "device-dax": "an unpin of a device-dax page",
    "bias-and-exact": "pins counted by bias and exactly in one call",
    "partly-unpinned": "a head that keeps some of its pins",
    "last-pin": "the last pin of a head",
    "pinned-and-got": "an unpin of a head of which plain references are held",
    "mapped-twice": "an unpin of a head that is mapped more than once",
    "unpin-frees": "the last pin of a page that nothing else holds",
    "one-of-two-freed": "a head freed while another head of the call lives on",
    "unpin-wrapped": "an unpin of a head whose count is past 2^31",
    # Dirt.
    "dirty-clean": "a clean head dirtied by an unpin",
    "dirty-dirty": "a dirty head asked to be dirtied",
    "dirty-left": "a dirty head unpinned without being asked to be dirtied",
    "dirty-again": "a head cleaned while it was pinned, and dirtied by an unpin",
    # Pinning.
    "several-mappings": "a pin of pages of several mappings",
    "partial-pin": "a pin that got only some of the pages",
    "no-pin": "a pin that got none",
    "pin-unmapped": "a pin refused because the page is unmapped, though alive",
    "pinned-again": "a pin of frames that were freed and allocated again",
    "grab-refused": "a grab that found a count that is not positive",
    "grab-undone": "a grab put back because its entry changed",
    "count-at-limit": "a count of exactly 2^31-1",
    "count-wrapped": "a count that went past 2^31",
    # RDMA memory regions.
    "umem-batches": "a region of more than one batch of 512",
    "umem-segments": "a region whose segments are cut by their largest size",
    "umem-pin-fails": "a region whose pinning stops after some pages",
    "umem-map-fails": "a region whose DMA mapping fails",
    "umem-append-fails": "a region whose scatterlist finds no memory",
    "umem-partial-page": "a region with a partial last page",
    "umem-merged": "the release of a region whose entries the IOMMU merged",
    "umem-shared-head": "the release of a region of several entries of one head",
    "umem-read-only": "the release of a region that is not writable, asked to be dirtied",
    # What the world does.
    "unmap-pinned": "the last unmapping of a page that is pinned",
    "put-frees": "a put_page() of the last reference",
    "split-refused": "a split refused because the page is held",
    "split-done": "a split that went through",
    "split-unpinned": "a split that went through after the last unpin",
    "other-order": "free frames allocated again as another order",
}

#: So many runs, heads or slices of one call are looked at, and so many pages.
LOOKED_AT = 64
PAGES_LOOKED_AT = 1024


@define
class _Past:
    """What became of heads in the steps before, of which their state says nothing."""

    cleaned: set[int] = field(factory=set)
    unpinned: set[int] = field(factory=set)
    again: set[int] = field(factory=set)


_PASTS: WeakKeyDictionary[Ledger, _Past] = WeakKeyDictionary()


def situations(record: Record) -> set[str]:
    """The names of the situations that the step of *record* is in.

    Those that take more than one step are seen if each step before was shown
    here too.
    """
    found: set[str] = set()
    reader = _READERS.get(record.step.call)
    if reader is not None:
        reader(record, found)
    return found


def _past(ledger: Ledger) -> _Past:
    past = _PASTS.get(ledger)
    if past is None:
        past = _PASTS[ledger] = _Past()
    return past


# Unpinning.


def _list(record: Record, found: set[str]) -> None:
    runs = record.runs()
    if not runs:
        if record.step.npages is not None:  # type: ignore[attr-defined]
            found.add("error-npages")
        return
    _heads(record, found)
    _handles(record, found)
    (pages,) = record.lists
    if len(pages) == 1:
        return
    if len(runs) > 1:
        _turns(record, runs[:LOOKED_AT], found)
    if len(pages) > PAGES_LOOKED_AT:
        pages = pages[:PAGES_LOOKED_AT]
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


def _range(record: Record, found: set[str]) -> None:
    runs = record.runs()
    if not runs:
        return
    _heads(record, found)
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


def _release(record: Record, found: set[str]) -> None:
    _heads(record, found)
    region = record.ledger.released_umem
    assert region is not None
    if region.nmap is not None and 0 < region.nmap < len(region.entries):
        found.add("umem-merged")
    if record.step.dirty and not region.writable:  # type: ignore[attr-defined]
        found.add("umem-read-only")
    if len(region.entries) > 1:
        firsts = [record.ledger.head(pages[0]) for pages in region.entries[:LOOKED_AT]]
        if len(set(firsts)) < len(firsts):
            found.add("umem-shared-head")


def _heads(record: Record, found: set[str]) -> None:
    """What the heads that are unpinned are like, and what became of them."""
    ledger, runs = record.ledger, record.runs()
    if len(runs) == 1:
        ((head, npages),) = runs
        longest = npages
        held = ledger.held(head)
        _head(record, head, held, found)
        if not held.alive:
            found.add("unpin-frees")
    else:
        runs = runs[:LOOKED_AT]
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
        if longest > PAGES_LOOKED_AT:
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
            _past(ledger).unpinned.add(head)
    if held.gets:
        found.add("pinned-and-got")
    if held.maps > 1:
        found.add("mapped-twice")
    if not order and ledger.kind(head) == "device-dax":
        found.add("device-dax")
    before = record.state_before(head)
    if before.refcount < 0:
        found.add("unpin-wrapped")
    if record.dirties:
        if before.dirty:
            found.add("dirty-dirty")
        else:
            found.add("dirty-clean")
            if head in _past(ledger).cleaned:
                found.add("dirty-again")
    elif before.dirty and record.step.call in _ASK_DIRTY:
        found.add("dirty-left")


def _turns(record: Record, runs: list[tuple[int, int]], found: set[str]) -> None:
    """How the runs of one list follow each other."""
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
    """How the list is taken from handles."""
    table, ledger = record.ledger.table, record.ledger
    pages = record.step.pages  # type: ignore[attr-defined]
    only = pages.terms[0]
    if len(pages.terms) == 1 and isinstance(only, Slice):
        start = only.indices.start
        held = table[only.name]
        if start and only.indices.stop == len(held) and only.indices.step == only.times == 1:
            head = ledger.head(held[start])
            if ledger.head(held[start - 1]) == head and not ledger.held(head).pins:
                # A handle's entries were pins. Of this one's, those before the
                # start are gone, and this call was not what unpinned them.
                mappings = (mapping.name for mapping in ledger.mappings)
                if only.name not in mappings:
                    found.add("rest-of-handle")
        return
    names: dict[int, str] = {}
    first = next(pages.slices()).name
    for piece in islice(pages.slices(), LOOKED_AT):
        if piece.name != first:
            found.add("several-handles")
        if piece.indices:
            head = ledger.head(table[piece.name][piece.indices[0]])
            if names.setdefault(head, piece.name) != piece.name:
                found.add("shared-head")


# Pinning.


def _pin(record: Record, found: set[str]) -> None:
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
    if step.call == "pin_user_pages_fast_only":
        changed = step.changed  # type: ignore[attr-defined]
        if changed is not None and returned <= changed:
            found.add("grab-undone")
    _counts(record, found)
    past = _PASTS.get(ledger)
    if past and past.again and returned > 0 and step.call != "get_user_pages":
        for head in islice(reference.heads, LOOKED_AT):
            if head in past.again and ledger.held(head).pins:
                found.add("pinned-again")
                break


def _first(record: Record) -> Held:
    """What is held of the first page that the step names."""
    piece = next(record.step.pages.slices())  # type: ignore[attr-defined]
    ledger = record.ledger
    return ledger.held(ledger.head(ledger.table[piece.name][piece.indices[0]]))


def _counts(record: Record, found: set[str]) -> None:
    heads = record.reference.heads
    for state in heads.values() if len(heads) <= LOOKED_AT else islice(heads.values(), LOOKED_AT):
        count = state.refcount
        if count < 0:
            found.add("count-wrapped")
        elif count == LIMIT - 1:
            found.add("count-at-limit")


# RDMA memory regions.


def _umem_get(record: Record, found: set[str]) -> None:
    step: Any = record.step
    returned = record.returned or 0
    if returned == ENOMEM:
        if step.append_fails is not None:
            found.add("umem-append-fails")
        elif step.nmap == 0:
            found.add("umem-map-fails")
    elif returned == EFAULT:
        held = _first(record)
        if held.alive and held.maps:
            found.add("umem-pin-fails")
    elif returned > 0:
        if len(step.pages) > BATCH:
            found.add("umem-batches")
        most = step.max_segment // PAGE_SIZE
        entries = record.ledger.umems[step.umem].entries
        if any(len(entry) == most for entry in entries[: min(len(entries) - 1, LOOKED_AT)]):
            found.add("umem-segments")


def _umem(record: Record, found: set[str]) -> None:
    step: Any = record.step
    if any(entry.length % PAGE_SIZE for entry in step.sgl):
        found.add("umem-partial-page")


# What the world does.


def _unmap(record: Record, found: set[str]) -> None:
    ledger = record.ledger
    for head in islice(record.reference.heads, LOOKED_AT):
        held = ledger.held(head)
        if held.pins and not held.maps:
            found.add("unmap-pinned")
            break


def _clean(record: Record, _found: set[str]) -> None:
    ledger = record.ledger
    for head in islice(record.reference.heads, LOOKED_AT):
        if record.state_before(head).dirty and ledger.held(head).pins:
            _past(ledger).cleaned.add(head)


def _put(record: Record, found: set[str]) -> None:
    for state in islice(record.reference.heads.values(), LOOKED_AT):
        if not state.allocated:
            found.add("put-frees")
            break


def _split(record: Record, found: set[str]) -> None:
    if record.returned:
        found.add("split-refused")
        return
    found.add("split-done")
    past = _PASTS.get(record.ledger)
    if past and not past.unpinned.isdisjoint(record.reference.heads):
        found.add("split-unpinned")


def _alloc(record: Record, found: set[str]) -> None:
    step: Any = record.step
    heads = record.reference.heads
    if len(step.orders) > 1 or record.ledger.order(min(heads)):
        found.add("other-order")
    past = _past(record.ledger)
    past.again.update(heads)
    # What was known of the pages that lay here before is over.
    past.unpinned.difference_update(heads)
    past.cleaned.difference_update(heads)


_ASK_DIRTY = frozenset(
    {"unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock", "ib_umem_release"}
)
_ORDERS = ("order-0", "order-1", *["order-2"] * 7, *["order-9"] * 9, *["order-18"] * 46)

_READERS: dict[str, Callable[[Record, set[str]], None]] = {
    "unpin_user_page": _heads,
    "unpin_user_pages": _list,
    "unpin_user_pages_dirty_lock": _list,
    "unpin_user_page_range_dirty_lock": _range,
    "ib_umem_release": _release,
    "pin_user_pages": _pin,
    "pin_user_pages_fast_only": _pin,
    "get_user_pages": _pin,
    "get_page": _counts,
    "ib_umem_get": _umem_get,
    "ib_umem": _umem,
    "unmap": _unmap,
    "clean": _clean,
    "put_page": _put,
    "split_huge_page": _split,
    "alloc_pages": _alloc,
}
