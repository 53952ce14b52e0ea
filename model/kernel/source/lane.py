# SPDX-License-Identifier: MIT

"""The lane's other side: words in, and what they came to as steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from model.pagelist import PageList, Slice
from model.steps import (
    Clean,
    GetPage,
    Map,
    PinUserPages,
    PinUserPagesFastOnly,
    PutPage,
    SetPageDirty,
    Unmap,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.mapping import Mapping
    from model.step import Step

#: Pages that all mappings together may have.
MOST_PAGES = 1024

#: Numbers of a record, as lane.c has them.
RECORD = 6

WORLD: dict[str, Any] = {
    "HC_WRITE": SetPageDirty,
    "HC_CLEAN": Clean,
    "HC_MAP": Map,
    "HC_UNMAP": Unmap,
    "HC_GET_PAGE": GetPage,
    "HC_PUT_PAGE": PutPage,
}


@frozen
class Ride:
    """What came of a program in the lane.

    :param done: Operations that were carried out and compared.
    :param what: What differs after the last, or how it ended; empty if nothing does.
    :param steps: Then the steps up to there.
    """

    done: int
    what: str = ""
    steps: tuple[Step, ...] = ()


def decoded(
    records: Sequence[Sequence[int]], mappings: Sequence[Mapping], ops: dict[int, str]
) -> Iterator[Step]:
    """The steps that the *records* of a lane tell of.

    :param ops: The names of operations by their numbers.
    """
    names = [(m.name, page) for m in mappings for page in range(m.npages)]

    def piece(start: int, stop: int, step: int) -> Slice:
        name, first = names[start]
        if step == 0:
            return Slice(name, range(first, first + 1), stop - start)
        return Slice(name, range(first, first + stop - start))

    at = 0
    while at < len(records):
        number, (op, held, start, stop, n, pieces) = at, records[at]
        call = ops[op]
        at += 1
        if pieces:
            slices: list[Slice] = []
            for _, _, first, last, step, _ in records[at : at + pieces]:
                slices += _split(first, last, step, names, piece)
            at += pieces
            make: Any = PinUserPagesFastOnly if call == "HC_PIN_FAST" else PinUserPages
            yield make(handle=f"h{number}", pages=PageList(tuple(slices)))
        elif call in WORLD:
            name, page = names[start]
            more = {"n": n} if issubclass(WORLD[call], GetPage) else {}
            yield WORLD[call](pages=PageList((Slice(name, range(page, page + 1)),)), **more)
        else:
            pages = PageList((Slice(f"h{held}", range(start, stop)),))
            yield _unpin(call, pages, dirty=bool(n))


def _split(first: int, last: int, step: int, names: Any, piece: Any) -> Iterator[Slice]:
    """A stretch of pages as slices, of which none goes over the end of a mapping."""
    if step == 0:
        yield piece(first, last, step)
        return
    start = first
    for i in range(first + 1, last + 1):
        if i == last or names[i][0] != names[start][0]:
            yield piece(start, i, step)
            start = i


def _unpin(call: str, pages: PageList, *, dirty: bool) -> Step:
    if call == "HC_UNPIN_ONE":
        return UnpinUserPage(page=pages)
    if call == "HC_UNPIN_RANGE":
        return UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=dirty)
    if call == "HC_UNPIN_DIRTY":
        return UnpinUserPagesDirtyLock(pages=pages, make_dirty=dirty)
    return UnpinUserPages(pages=pages)
