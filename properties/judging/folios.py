# SPDX-License-Identifier: MIT

"""How calls that unpin folios, or add pins to them, are entered in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model import folios
from model.page import wrapped
from model.pagelist import PageList
from properties.judging.holdings import ContractBroken, Held
from properties.judging.pins import COUNT_LIMIT, ENOMEM, release, unpin, unpin_list

#: The frame of a folio of which many pins are dropped is named up to this many times as unpinned.
MOST_NAMED = 2048

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger


def _unpin_folio(ledger: Ledger, step: folios.UnpinFolio) -> None:
    unpin(ledger, [step.page.resolve(ledger.table)], step.page)


def _unpin_user_folio(ledger: Ledger, step: folios.UnpinUserFolio) -> None:
    if step.n < 0:
        raise ContractBroken(f"{step.call} takes n={step.n} as a number of pins")
    pages = step.page.resolve(ledger.table)
    head = ledger.head(pages[0])
    if not ledger.held(head).alive:
        raise ContractBroken(f"{step.call} of {ledger.name(head)}, which is free")
    if step.n:
        release(ledger, [(head, step.n)], [[*pages] * min(step.n, MOST_NAMED)], step.page)


def _pinned(ledger: Ledger, page: PageList, pins: int) -> Held:
    """What is held of the folio of *page*, whose counts must have room for *pins* more."""
    head = ledger.head(page.resolve(ledger.table)[0])
    held = ledger.held(head)
    if not held.pins:
        raise ContractBroken(f"adds pins to {ledger.name(head)}, which is not pinned ({page})")
    if held.pins + pins >= COUNT_LIMIT or held.total + pins * held.each >= 2 * COUNT_LIMIT:
        raise ContractBroken(f"adds {pins} pins to {ledger.name(head)}, whose counts have no room")
    return held


def _add(ledger: Ledger, held: Held, pins: int) -> None:
    held.pins += pins
    ledger.acquired += pins if held.each else 0


def _folio_add_pin(ledger: Ledger, step: folios.FolioAddPin) -> None:
    held = _pinned(ledger, step.page, 1)
    _add(ledger, held, 1)


def _folio_add_pins(ledger: Ledger, step: folios.FolioAddPins) -> int:
    held = _pinned(ledger, step.page, step.n)
    if wrapped(held.total) <= 0:
        ledger.warned = True
        return ENOMEM
    _add(ledger, held, step.n)
    return 0


ENTRIES: Entries = {
    folios.UnpinFolio.call: _unpin_folio,
    folios.UnpinFolios.call: unpin_list,
    folios.UnpinUserFolio.call: _unpin_user_folio,
    folios.FolioAddPin.call: _folio_add_pin,
    folios.FolioAddPins.call: _folio_add_pins,
}
