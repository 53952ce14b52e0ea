# SPDX-License-Identifier: MIT

"""How mapping, dirtying, references, allocation and splitting are entered in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from model.world import AllocPages, Clean, GetPage, Map, PutPage, SetPageDirty, SplitHugePage, Unmap
from properties.judging.holdings import ContractBroken
from properties.judging.pins import COUNT_LIMIT

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger

EBUSY = -16


def _alive(
    ledger: Ledger, step: Map | Unmap | SetPageDirty | Clean | SplitHugePage | GetPage
) -> list[int]:
    """The heads of the step's pages, each once; ContractBroken if one must not be changed."""
    pages = step.pages.resolve(ledger.table)
    heads = list(dict.fromkeys(head for head, _ in ledger.runs(pages)))
    for head in heads:
        if step.call != GetPage.call and ledger.kind(head) == "zero":
            msg = f"{step.call} of {ledger.name(head)}, the zero page, which no step changes"
            raise ContractBroken(msg)
        if not ledger.held(head).alive:
            raise ContractBroken(f"{step.call} of {ledger.name(head)}, which is free")
    return heads


def _map(ledger: Ledger, step: Map) -> None:
    heads = _alive(ledger, step)
    _check_room(ledger, ((head, 1) for head in heads))
    for head in heads:
        ledger.held(head).maps += 1


def _unmap(ledger: Ledger, step: Unmap) -> None:
    heads = _alive(ledger, step)
    for head in heads:
        if not ledger.held(head).maps:
            raise ContractBroken(f"unmap of {ledger.name(head)}, which is not mapped")
    for head in heads:
        held = ledger.held(head)
        held.maps -= 1
        ledger.free_if_last(head, held)


def _set_page_dirty(ledger: Ledger, step: SetPageDirty) -> None:
    for head in _alive(ledger, step):
        ledger.held(head).dirty = True


def _clean(ledger: Ledger, step: Clean) -> None:
    for head in _alive(ledger, step):
        ledger.held(head).dirty = False


def _split_huge_page(ledger: Ledger, step: SplitHugePage) -> int:
    (head,) = _alive(ledger, step)
    order = ledger.order(head)
    if order < 1 or ledger.kind(head) not in step.kinds:
        msg = f"split_huge_page of {ledger.name(head)}, which is no transparent huge page"
        raise ContractBroken(msg)
    held = ledger.held(head)
    if held.total != held.maps:
        return EBUSY
    parts = [0] * (1 << order)
    ledger.rebuild(head, parts, held.maps, dirty=held.dirty, migrated=held.migrated)
    return 0


def _alloc_pages(ledger: Ledger, step: AllocPages) -> None:
    pages = step.pages.resolve(ledger.table)
    for head, entries in ledger.runs(pages):
        if ledger.held(head).alive:
            raise ContractBroken(f"alloc_pages where {ledger.name(head)} is not free")
        if entries != 1 << ledger.order(head):
            raise ContractBroken(f"alloc_pages of a part of {ledger.name(head)}")
    kind = ledger.kind(pages[0])
    allowed = ledger.semantics.orders[kind]
    for order in step.orders:
        if order not in allowed:
            raise ContractBroken(f"alloc_pages of order {order}, which {kind} pages do not have")
    ledger.rebuild(pages[0], step.orders, 1, dirty=False)


def _get_page(ledger: Ledger, step: GetPage) -> None:
    _alive(ledger, step)
    counts = ledger.counts(step.pages.resolve(ledger.table))
    _check_room(ledger, ((head, entries * step.n) for head, entries in counts.items()))
    for head, entries in counts.items():
        ledger.held(head).gets += entries * step.n
        ledger.got[head] = None


def _put_page(ledger: Ledger, step: PutPage) -> None:
    counts = ledger.counts(step.pages.resolve(ledger.table))
    for head, entries in counts.items():
        gets = ledger.held(head).gets
        if gets < entries * step.n:
            msg = f"puts {entries * step.n} of {ledger.name(head)}, where {gets} are held"
            raise ContractBroken(msg)
    for head, entries in counts.items():
        held = ledger.held(head)
        held.gets -= entries * step.n
        if not held.gets:
            ledger.got.pop(head, None)
        ledger.free_if_last(head, held)


def _check_room(ledger: Ledger, counts: Iterator[tuple[int, int]]) -> None:
    """Check that no refcount overflows; the kernel does not check these references.

    :param counts: (head, references to add).
    """
    for head, more in counts:
        if ledger.held(head).total + more >= COUNT_LIMIT:
            raise ContractBroken(f"{ledger.name(head)} would get more than 2^31-1 references")


ENTRIES: Entries = {
    Map.call: _map,
    Unmap.call: _unmap,
    SetPageDirty.call: _set_page_dirty,
    Clean.call: _clean,
    SplitHugePage.call: _split_huge_page,
    AllocPages.call: _alloc_pages,
    GetPage.call: _get_page,
    PutPage.call: _put_page,
}
