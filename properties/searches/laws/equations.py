# SPDX-License-Identifier: MIT

"""The laws: each draws ways that differ in nothing that lasts, and says so in its first line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from model.pagelist import from_entries
from model.semantics import PAGE_SIZE
from model.step import SgEntry
from model.steps import (
    IbUmem,
    IbUmemGet,
    IbUmemRelease,
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from properties.searches.laws.case import MOST, Case, entries_of
from properties.searches.laws.ways import Way, Ways
from properties.strategies import among, one_in


if TYPE_CHECKING:
    from model.pagelist import PageList
    from model.step import Step
    from properties.strategies.dice import Dice

#: Draws ways from a case; None where it does not allow them.
Law: TypeAlias = Callable[[Case], "Ways | None"]


def parts(case: Case) -> Ways | None:
    """Unpinning a list is unpinning its first part, then the rest."""
    entries = case.held(2)
    if entries is None:
        return None
    cut = 1 + case.dice.randrange(len(entries) - 1)
    unpin = case.unpin()
    return _ways(
        case,
        parts,
        (
            Way("at once", (unpin(entries),)),
            Way("in two", (unpin(entries[:cut]), unpin(entries[cut:]))),
        ),
    )


def forms(case: Case) -> Ways | None:
    """A range is unpinned as the list of its pages is, and as a region over them."""
    pages = case.range()
    if pages is None:
        return None
    make_dirty = one_in(case.dice, 2)
    writable, dirty = make_dirty, True
    if not make_dirty and one_in(case.dice, 2):
        writable, dirty = True, False
    name = case.steps.name("m")
    sgl = _scatterlist(case.dice, pages)
    nmap = 1 if one_in(case.dice, 3) else None
    region = IbUmem(umem=name, sgl=sgl, writable=writable, nmap=nmap)
    return _ways(
        case,
        forms,
        (
            Way("list", (UnpinUserPagesDirtyLock(pages=pages, make_dirty=make_dirty),)),
            Way("range", (UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=make_dirty),)),
            Way("region", (region, IbUmemRelease(umem=name, dirty=dirty))),
        ),
    )


def _scatterlist(dice: Dice, pages: PageList) -> tuple[SgEntry, ...]:
    """*pages* as one entry or two; of the last page not all may count."""
    entries = entries_of(pages)
    cut = dice.randrange(len(entries))
    pieces = [from_entries(piece) for piece in (entries[:cut], entries[cut:]) if piece]
    short = dice.randrange(PAGE_SIZE) if one_in(dice, 2) else 0
    return tuple(SgEntry(piece, len(piece) * PAGE_SIZE - short) for piece in pieces)


def undone(case: Case) -> Ways | None:
    """Pinning and giving back changes nothing, whether by list, by region or by failing."""
    pages = case.stretch()
    if not case.fits(pages):
        return None
    steps: tuple[Step, ...]
    form = case.dice.randrange(4)
    if case.unmapped(pages) or form == 0:
        steps = (_registered(case, pages, fails=not case.unmapped(pages)),)
    elif form == 1:
        get = _registered(case, pages, fails=False)
        steps = (get, IbUmemRelease(umem=get.umem, dirty=False))
    elif form == 2:
        steps = (PinUserPagesFastOnly(handle=case.steps.name("h"), pages=pages, changed=0),)
    else:
        handle = case.steps.name("h")
        back = from_entries([(handle, i) for i in range(len(pages))])
        steps = (PinUserPages(handle=handle, pages=pages), UnpinUserPages(pages=back))
    return _ways(case, undone, (Way("before"), Way("after", steps)), each=False)


def _registered(case: Case, pages: PageList, *, fails: bool) -> IbUmemGet:
    """A region of *pages*; mapping it for DMA fails, or memory for its table, if it is to."""
    by_table = fails and one_in(case.dice, 2)
    return IbUmemGet(
        umem=case.steps.name("m"),
        pages=pages,
        max_segment=PAGE_SIZE * (1 + case.dice.randrange(8)),
        nmap=0 if fails and not by_table else among(case.dice, (None, 1)),
        append_fails=0 if by_table else None,
    )


def singly(case: Case) -> Ways | None:
    """Unpinning a list is unpinning each page of it."""
    entries = case.held()
    if entries is None:
        return None
    entries = entries[:MOST]
    each = tuple(UnpinUserPage(page=from_entries([entry])) for entry in entries)
    at_once = UnpinUserPages(pages=from_entries(entries))
    return _ways(case, singly, (Way("at once", (at_once,)), Way("singly", each)))


def order(case: Case) -> Ways | None:
    """The order of a list does not matter."""
    entries = case.held(2)
    if entries is None:
        return None
    unpin = case.unpin()
    other = entries[::-1] if one_in(case.dice, 3) else case.shuffled(entries)
    return _ways(
        case,
        order,
        (Way("in order", (unpin(entries),)), Way("reordered", (unpin(other),))),
    )


def elsewhere(case: Case) -> Ways | None:
    """No head changes but those of the pages that are named."""
    form = case.dice.randrange(4)
    pages: PageList | None
    step: Step
    if form == 0:
        pages = case.stretch()
        if case.unmapped(pages) or not case.fits(pages):
            return None
        step, pins = PinUserPages(handle=case.steps.name("h"), pages=pages), case.counted(pages)
    elif form == 1:
        pages = case.range()
        if pages is None:
            return None
        make_dirty = one_in(case.dice, 2)
        step, pins = (
            UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=make_dirty),
            -case.counted(pages),
        )
    else:
        entries = case.held()
        if entries is None:
            return None
        pages = from_entries(entries)
        step, pins = case.unpin()(entries), -case.counted(pages)
    ways = (Way("before"), Way("after", (step,), pins))
    return _ways(case, elsewhere, ways, case.heads(pages), each=False)


_ALL: tuple[Law, ...] = (parts, forms, undone, singly, order, elsewhere)
LAWS: dict[str, Law] = {law.__name__: law for law in _ALL}


def _ways(
    case: Case,
    law: Law,
    ways: tuple[Way, ...],
    apart: frozenset[int] = frozenset(),
    *,
    each: bool = True,
) -> Ways:
    """*ways* from *case* on, with the name of *law* and what it says."""
    says = (law.__doc__ or "").partition("\n")[0].rstrip(".")
    return Ways(law.__name__, says, case.start, ways, apart, each)
