# SPDX-License-Identifier: MIT

"""How calls on RDMA memory regions are entered in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.semantics import PAGE_SIZE
from model.step import contiguous
from properties.judging.fast import pin_fast
from properties.judging.holdings import ContractBroken, Region
from properties.judging.pins import EINVAL, ENOMEM, pin, pin_longterm, reset, unpin

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger

#: Number of pages that ``ib_umem_get()`` pins in one batch.
BATCH = 512


def _ib_umem_get(ledger: Ledger, step: IbUmemGet) -> int:
    pages = step.pages.resolve(ledger.table)
    if not pages:
        return EINVAL
    before = {head: ledger.held(head).pins for head, _ in ledger.runs(pages)}
    outstanding = ledger.acquired - ledger.released
    # If there is no memory for a batch's scatterlist entries, later batches are not pinned.
    fails = step.append_fails
    flags = ("FOLL_LONGTERM", "FOLL_WRITE")[: 1 + step.writable]
    done, error = _pin(ledger, pages if fails is None else pages[: (fails + 1) * BATCH], flags)
    if fails is not None and fails * BATCH < done:
        _unwind(ledger, before, outstanding)
        return ENOMEM
    if error or step.nmap == 0:
        _unwind(ledger, before, outstanding)
        return error or ENOMEM
    entries = _entries(pages, step.max_segment // PAGE_SIZE)
    ledger.umems[step.umem] = Region(entries, step.writable, step.nmap)
    return len(entries)


def _pin(ledger: Ledger, pages: Sequence[int], flags: Sequence[str]) -> tuple[int, int]:
    """Pin *pages* for a long term: all at once if all are plain, else batch by batch."""
    if not ledger.special:
        return pin(ledger, pages, flags=flags)
    done = error = 0
    while done < len(pages):
        batch = pages[done : done + BATCH]
        taken, _ = pin_fast(ledger, batch, None, flags)
        if taken < len(batch):
            more, error = pin_longterm(ledger, batch[taken:], flags)
            taken += more
        if not taken:
            break
        done += taken
    return done, error


def _entries(pages: Sequence[int], most: int) -> list[Sequence[int]]:
    """*pages* as scatterlist entries: as few as possible, of at most *most* pages each."""
    entries: list[Sequence[int]] = []
    at = 0
    while at < len(pages):
        if isinstance(pages, range) and pages.step == 1:
            stop = min(at + most, len(pages))
        else:
            stop = at + 1
            while stop < min(at + most, len(pages)) and pages[stop] == pages[stop - 1] + 1:
                stop += 1
        entries.append(pages[at:stop])
        at = stop
    return entries


def _unwind(ledger: Ledger, before: dict[int, int], outstanding: int) -> None:
    """Release what was pinned since *before* (pins by head) and *outstanding* (all) were read."""
    reset(ledger, before)
    ledger.released = ledger.acquired - outstanding


def _ib_umem(ledger: Ledger, step: IbUmem) -> int:
    entries = [contiguous(e.pages.resolve(ledger.table), e.pages) for e in step.sgl]
    ledger.umems[step.umem] = Region(entries, step.writable, step.nmap)
    return len(entries)


def _ib_umem_release(ledger: Ledger, step: IbUmemRelease) -> None:
    if step.umem not in ledger.umems:
        raise ContractBroken(f"{step.umem} is not a memory region, or was released before")
    region = ledger.umems[step.umem]
    unpin(ledger, region.entries, step.umem, dirty=region.writable and step.dirty)
    ledger.released_umem = ledger.umems.pop(step.umem)


ENTRIES: Entries = {
    IbUmemGet.call: _ib_umem_get,
    IbUmem.call: _ib_umem,
    IbUmemRelease.call: _ib_umem_release,
}
