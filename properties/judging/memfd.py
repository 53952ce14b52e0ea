# SPDX-License-Identifier: MIT

"""How calls that pin folios of files in memory are entered in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memfd import FILE_KINDS, MemfdPinFolios
from model.step import contiguous
from properties.judging.holdings import ContractBroken
from properties.judging.pins import EINVAL, ENOMEM, grab, keeps, reset

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger


def _memfd_pin_folios(ledger: Ledger, step: MemfdPinFolios) -> int:
    pages = contiguous(step.pages.resolve(ledger.table), step.pages)
    heads = _folios(ledger, step, [head for head, _ in ledger.runs(pages)])
    heads = heads[: step.most(len(pages))]
    if not heads:
        return EINVAL
    before = {head: ledger.held(head).pins for head in heads}
    stuck = {head for head in heads if ledger.held(head).total != ledger.held(head).maps}
    pinned = 0
    error = 0
    while pinned < len(heads) and not error:
        error = _pin(ledger, heads[pinned])
        pinned += not error
    if error:
        ledger.released += pinned
        reset(ledger, before)
        return error
    if not keeps(ledger, heads, pinned, stuck, before):
        return ENOMEM
    ledger.table[step.handle] = heads
    return pinned


def _folios(ledger: Ledger, step: MemfdPinFolios, heads: list[int]) -> list[int]:
    """*heads*, which are the folios of one file; ContractBroken if they are not."""
    kind, order = ledger.kind(heads[0]), ledger.order(heads[0])
    for head in heads:
        name = ledger.name(head)
        if ledger.kind(head) != kind or kind not in FILE_KINDS:
            msg = f"{step.call} of {name}, which is {ledger.kind(head)} memory and not {kind}"
            if kind not in FILE_KINDS:
                msg = (
                    f"{step.call} of {name}, which is {kind} memory, not {' or '.join(FILE_KINDS)}"
                )
            raise ContractBroken(msg)
        if kind == "hugetlb" and ledger.order(head) != order:
            raise ContractBroken(f"{step.call} of {name}, whose order is not {order}: two files")
        if not ledger.held(head).mapped:
            raise ContractBroken(f"{step.call} of {name}, which is not mapped: not in the file")
    return heads


def _pin(ledger: Ledger, head: int) -> int:
    """Pin *head* once; the error if its file has no memory for it, or its count no room, else 0."""
    attributes, held = ledger.attributes(head), ledger.held(head)
    if attributes.fault in {"bus", "oom"}:
        return ENOMEM
    if not attributes.present and not attributes.fault:
        held.migrated = True
    # The look-up in the page cache holds a reference of its own meanwhile.
    held.gets += 1
    pinned = grab(ledger, head, held, 1)
    held.gets -= 1
    return 0 if pinned else EINVAL


ENTRIES: Entries = {MemfdPinFolios.call: _memfd_pin_folios}
