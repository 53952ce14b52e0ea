# SPDX-License-Identifier: MIT

"""How calls that pin and unpin lists and ranges of pages are entered in the ledger.

Each function in ENTRIES gets the ledger and a step, and returns the number that the call
must return, or None if the call returns none. It raises the errors of `Ledger.take`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from model import steps
from model.attributes import Attributes
from model.folios import UnpinFolios
from model.page import wrapped
from model.pagelist import NULL, NULL_NAME, PageList
from model.step import contiguous
from properties.judging import longterm
from properties.judging.holdings import ContractBroken, Held, totals

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger

#: The lowest count that a signed 32-bit integer cannot hold.
COUNT_LIMIT = 1 << 31
ENOMEM = -12
EFAULT = -14
EINVAL = -22


# Pinning.


def grab(ledger: Ledger, head: int, held: Held, entries: int) -> int:
    """Pin *head* up to *entries* times, as its refcount allows; the number of pins taken."""
    count = wrapped(held.total)
    # Pins of the zero page do not change its refcount, so there is room for any number.
    room = -(-(COUNT_LIMIT - count) // held.each) if held.each else entries
    taken = min(entries, room) if count > 0 else 0
    if taken:
        held.pins += taken
        ledger.acquired += taken if held.each else 0
        ledger.pinned[head] = None
    if taken < entries:
        ledger.warned = True
    return taken


def get(ledger: Ledger, head: int, held: Held, entries: int) -> int:
    """Add up to *entries* plain references to *head*, as its refcount allows; the number added."""
    count = wrapped(held.total)
    taken = min(entries, COUNT_LIMIT - count) if count > 0 else 0
    if taken:
        held.gets += taken
        ledger.got[head] = None
    if taken < entries:
        ledger.warned = True
    return taken


def pin(
    ledger: Ledger,
    pages: Sequence[int],
    grab: Callable[[Ledger, int, Held, int], int] = grab,
    flags: Collection[str] = (),
) -> tuple[int, int]:
    """Pin *pages* up to the first that cannot be pinned; (number of pins, that page's error or 0).

    :param grab: Enters the pins of one run; `get` enters plain references instead.
    """
    done = 0
    for head, entries in ledger.runs(pages):
        held = ledger.held(head)
        if not held.mapped:
            return done, EFAULT
        error = _fault(ledger.attributes(head), flags) if ledger.special else 0
        if error:
            return done, error
        taken = grab(ledger, head, held, entries)
        done += taken
        if taken < entries:
            return done, ENOMEM
    return done, 0


def _fault(attributes: Attributes, flags: Collection[str]) -> int:
    """The error with which the slow path ends at a page; 0 if it gets at the page."""
    if "FOLL_WRITE" in flags and not attributes.writable:
        return EFAULT
    return {"bus": EFAULT, "oom": ENOMEM}.get(attributes.fault, EFAULT if attributes.gone else 0)


def pin_longterm(ledger: Ledger, pages: Sequence[int], flags: Collection[str]) -> tuple[int, int]:
    """Pin *pages* for a long term, as `pin` does; none if some that would have to move cannot.

    Each attempt to move pages is a walk whose pins are given back.
    """
    before = {head: ledger.held(head) for head, _ in ledger.runs(pages)}
    pins = {head: held.pins for head, held in before.items()}
    stuck = {head for head, held in before.items() if held.total != held.maps}
    done, error = pin(ledger, pages, flags=flags)
    pinned = pages[:done]
    counted = sum(n for head, n in ledger.runs(pinned) if ledger.held(head).each)
    if keeps(ledger, pinned, counted, stuck, pins):
        return done, error
    return 0, ENOMEM


def keeps(
    ledger: Ledger,
    pages: Sequence[int],
    counted: int,
    stuck: Container[int],
    before: Mapping[int, int],
) -> bool:
    """Move those of *pages*, which are pinned, that must not stay; whether the pins are kept.

    :param counted: The number of these pins that the statistics count.
    :param stuck: The heads that others hold.
    :param before: The pins of each head before; if some pages cannot move, none is kept.
    """
    attempts, moved = longterm.moves(ledger, pages, stuck)
    ledger.acquired += (attempts if moved else attempts - 1) * counted
    ledger.released += attempts * counted
    if not moved:
        reset(ledger, before)
    return moved


def reset(ledger: Ledger, before: Mapping[int, int]) -> None:
    """Let each head have as many pins as *before*."""
    for head, pins in before.items():
        ledger.held(head).pins = pins
        if not pins:
            ledger.pinned.pop(head, None)


def put_back(ledger: Ledger, head: int, held: Held, entries: int, *, dirty: bool = False) -> None:
    """Drop *entries* pins of *head*; free it if these were the last of it."""
    held.pins -= entries
    held.dirty = held.dirty or dirty
    ledger.released += entries if held.each else 0
    if not held.pins:
        ledger.pinned.pop(head, None)
    ledger.free_if_last(head, held)


def pin_slow(ledger: Ledger, pages: Sequence[int], flags: Collection[str]) -> tuple[int, int]:
    """Pin *pages* by the slow path; (number of pins, the error at the first that has none or 0)."""
    keeps = "FOLL_LONGTERM" in flags and ledger.movable
    return (pin_longterm if keeps else pin)(ledger, pages, flags=flags)


def _pin_user_pages(ledger: Ledger, step: steps.PinUserPages) -> int:
    pages = step.pages.resolve(ledger.table)
    done, error = pin_slow(ledger, pages, step.flags)
    return bound(ledger, step.handle, pages[:done]) or error


def _get_user_pages(ledger: Ledger, step: steps.GetUserPages) -> int:
    pages = step.pages.resolve(ledger.table)
    done, error = pin(ledger, pages, get, step.flags)
    return bound(ledger, step.handle, pages[:done]) or error


def bound(ledger: Ledger, handle: str, pages: Sequence[int]) -> int:
    """Bind *handle* to *pages*, unless there are none; their number."""
    if pages:
        ledger.table[handle] = pages
    return len(pages)


# Unpinning.


def unpin(
    ledger: Ledger, lists: Sequence[Sequence[int]], named: PageList | str, *, dirty: bool = False
) -> None:
    """Release one pin for each entry of *lists*, which are sequences of frames.

    :param named: The pages as the step names them, for messages.
    :param dirty: Whether the call dirties the pages first.
    """
    runs = [run for pages in lists for run in ledger.runs(pages)]
    release(ledger, runs, lists, named, dirty=dirty)


def release(
    ledger: Ledger,
    runs: list[tuple[int, int]],
    lists: Sequence[Sequence[int]],
    named: PageList | str,
    *,
    dirty: bool = False,
) -> None:
    """Release *runs*: (head, number of pins) of each run of *lists*. Arguments as for `unpin`."""
    released = []
    for head, entries in totals(runs).items() if len(runs) > 1 else runs:
        held = ledger.held(head)
        if held.pins < entries:
            name = ledger.name(head)
            msg = f"unpins {entries} of {name}, where {held.pins} are held ({named})"
            raise ContractBroken(msg)
        released.append((head, held, entries))
    for head, held, entries in released:
        put_back(ledger, head, held, entries, dirty=dirty)
    ledger.unpinned = lists
    ledger.unpinned_runs = runs
    ledger.dirties = dirty


def _unpin_user_page(ledger: Ledger, step: steps.UnpinUserPage) -> None:
    unpin(ledger, [step.page.resolve(ledger.table)], step.page)


def _unpin_user_pages_dirty_lock(ledger: Ledger, step: steps.UnpinUserPagesDirtyLock) -> None:
    if step.npages is not None and step.make_dirty:
        raise ContractBroken(f"{step.call} takes npages={step.npages} as a length if it dirties")
    unpin_list(ledger, step, dirty=step.make_dirty)


def unpin_list(
    ledger: Ledger,
    step: steps.UnpinUserPages | steps.UnpinUserPagesDirtyLock | UnpinFolios,
    *,
    dirty: bool = False,
) -> None:
    """Release one pin for each entry of the list of *step*, unless it passes an error value."""
    if step.npages is not None:
        ledger.warned = True  # an error value, for which the call warns
        return
    pages = step.pages.resolve(ledger.table)
    lists = [pages]
    if ledger.semantics.null_skipped and not dirty and NULL_NAME in step.pages.names():
        lists = [[*piece] for null, piece in groupby(pages, NULL.__eq__) if not null]
    unpin(ledger, lists, step.pages, dirty=dirty)


def _unpin_user_page_range_dirty_lock(
    ledger: Ledger, step: steps.UnpinUserPageRangeDirtyLock
) -> None:
    if step.npages is not None:
        raise ContractBroken(f"{step.call} takes npages={step.npages} as a length")
    pages = contiguous(step.pages.resolve(ledger.table), step.pages)
    unpin(ledger, [pages], step.pages, dirty=step.make_dirty)


ENTRIES: Entries = {
    steps.PinUserPages.call: _pin_user_pages,
    steps.GetUserPages.call: _get_user_pages,
    steps.UnpinUserPage.call: _unpin_user_page,
    steps.UnpinUserPages.call: unpin_list,
    steps.UnpinUserPagesDirtyLock.call: _unpin_user_pages_dirty_lock,
    steps.UnpinUserPageRangeDirtyLock.call: _unpin_user_page_range_dirty_lock,
}
