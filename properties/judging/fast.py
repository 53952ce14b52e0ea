# SPDX-License-Identifier: MIT

"""How calls that begin with GUP-fast are entered in the ledger, and what page table entries map."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from model import steps
from model.page import wrapped
from model.semantics import ANONYMOUS, PMD_ORDER, PUD_ORDER
from properties.judging import longterm
from properties.judging.holdings import Held
from properties.judging.pins import bound, get, grab, pin, pin_slow, put_back

if TYPE_CHECKING:
    from properties.judging.ledger import Entries, Ledger


def _pins(ledger: Ledger, step: steps.PinUserPagesFastOnly | steps.PinUserPagesFast) -> int:
    pages = step.pages.resolve(ledger.table)
    fork = step.race == "fork"
    changed = None if fork else step.changed
    done, grabbed = pin_fast(ledger, pages, changed, step.flags, step.race)
    if fork and step.changed is not None and step.changed < grabbed:
        for head, entries in ledger.counts(pages[:done]).items():
            put_back(ledger, head, ledger.held(head), entries)
        ledger.raced = True
        done = 0
    error = 0
    if step.slow_path and done < len(pages):
        more, error = pin_slow(ledger, pages[done:], step.flags)
        done += more
    return bound(ledger, step.handle, pages[:done]) or error


def _gets(ledger: Ledger, step: steps.GetUserPagesFastOnly) -> int:
    pages = step.pages.resolve(ledger.table)
    # A fork undoes no plain references.
    changed = step.changed if step.race != "fork" else None
    done, _ = pin_fast(ledger, pages, changed, step.flags, step.race, pins=False)
    error = 0
    if step.slow_path and done < len(pages):
        more, error = pin(ledger, pages[done:], get, step.flags)
        done += more
    return bound(ledger, step.handle, pages[:done]) or error


def _stops(ledger: Ledger, head: int, flags: Collection[str]) -> bool:
    """Whether the fast path stops before the page table entries of *head*."""
    here = ledger.attributes(head)
    writes = "FOLL_WRITE" in flags and (here.shared or not here.writable)
    return writes or here.protnone or not here.present


def _gives_back(ledger: Ledger, head: int, flags: Collection[str]) -> bool:
    """Whether the fast path gives back the first entry of *head*, for which a copy may be due."""
    here = ledger.attributes(head)
    long_read = "FOLL_LONGTERM" in flags and "FOLL_WRITE" not in flags
    of_file = ledger.kind(head) not in ANONYMOUS and not here.writable
    return here.shared or (of_file and long_read and ledger.semantics.reads_apart)


def pin_fast(
    ledger: Ledger,
    pages: Sequence[int],
    changed: int | None,
    flags: Collection[str],
    race: str = "entry",
    *,
    pins: bool = True,
) -> tuple[int, int]:
    """Pin *pages* up to an entry at which the fast path stops, or that it gives back.

    It gives back what an entry maps that changes, or whose page is shared; of a tail that is split
    off meanwhile it keeps nothing, nor does it count that. Returns the number of pages that stay
    pinned, and the number of those that were pinned for a moment.

    :param pins: Whether it takes pins; if not, it takes plain references.
    """
    take = grab if pins else get
    special = [flag for flag in flags if pins or flag != "FOLL_LONGTERM"]
    done = 0
    changes, until, splits = _race(ledger, pages, changed, race)
    for head, entries in ledger.runs(pages):
        held = ledger.held(head)
        # The zero page's page table entry is special; the fast path stops at special entries.
        if not held.mapped or ledger.kind(head) == "zero":
            return done, done
        if ledger.special:
            if _stops(ledger, head, special):
                return done, done
            if ledger.attributes(head).gone:
                return _table_left(ledger, pages, done, special, pins=pins), done
            if "FOLL_LONGTERM" in special and longterm.must_move(ledger, head):
                return done, _looked_at(ledger, pages, done, held)
            if pins and splits != done and _gives_back(ledger, head, flags):
                _, changes, until = _entry(ledger, pages, done)
        if splits < min(done + entries, changes):
            kept = splits - done
            taken = take(ledger, head, held, kept) if kept else 0
            if taken == kept:
                ledger.raced = wrapped(held.total) > 0
                ledger.warned = ledger.warned or not ledger.raced
            return done + taken, done + taken
        if changes < done + entries:
            kept = changes - done
            taken = take(ledger, head, held, kept) if kept else 0
            undone = 0
            if taken == kept:
                undone = take(ledger, head, held, until - changes)
                _undo(ledger, head, held, undone, pins=pins)
                ledger.raced = bool(undone) and changed is not None and changes <= changed < until
            return done + taken, done + taken + undone
        taken = take(ledger, head, held, entries)
        done += taken
        if taken < entries:
            return done, done
    return done, done


def _race(
    ledger: Ledger, pages: Sequence[int], changed: int | None, race: str
) -> tuple[int, int, int]:
    """The positions (start, stop) whose entry changes, and that of a tail that is split off.

    What does not happen has the length of *pages*.
    """
    never = len(pages)
    if changed is None:
        return never, 0, never
    order, start, stop = _entry(ledger, pages, changed)
    if order or race != "split":
        return start, stop, never
    return never, 0, changed if ledger.head(pages[changed]) != pages[changed] else never


def _looked_at(ledger: Ledger, pages: Sequence[int], done: int, held: Held) -> int:
    """How far pages are grabbed for a moment, if that at the position *done* has to move."""
    if not ledger.semantics.grabs_movable:
        return done
    if wrapped(held.total) <= 0:
        ledger.warned = True
        return done
    return _entry(ledger, pages, done)[2]


def _table_left(
    ledger: Ledger, pages: Sequence[int], done: int, flags: Collection[str], *, pins: bool
) -> int:
    """How many pages stay grabbed if the device of that at *done* is gone.

    If a PTE maps it, all that the same page table mapped before are given back. A long-term pin
    does not ask for the device.
    """
    if "FOLL_LONGTERM" in flags or _entry(ledger, pages, done)[0]:
        return done
    begins = (pages[0] + done) >> PMD_ORDER << PMD_ORDER
    first = max(begins - pages[0], 0)
    for head, entries in ledger.counts(pages[first:done]).items():
        _undo(ledger, head, ledger.held(head), entries, pins=pins)
    return first


def _undo(ledger: Ledger, head: int, held: Held, entries: int, *, pins: bool) -> None:
    """Give back *entries* pins or plain references of *head* that were just taken."""
    if pins:
        put_back(ledger, head, held, entries)
        return
    held.gets -= entries
    if not held.gets:
        ledger.got.pop(head, None)


def _entry(ledger: Ledger, pages: Sequence[int], at: int) -> tuple[int, int, int]:
    """The order of the entry of ``pages[at]``, and the positions (start, stop) that it maps, too.

    A PUD or PMD maps an aligned piece of a compound page, or what the list has of it at its ends.
    The list begins at an address as aligned as its first page; another piece of it may lie at a
    distance from there that no such entry bridges.
    """
    page = pages[at]
    largest = min(ledger.order(page), ledger.attributes(page).largest)
    shift = page - pages[0] - at
    low, high = _neighbours(pages, at) if largest >= PMD_ORDER else (at, at + 1)
    for level in (PUD_ORDER, PMD_ORDER):
        begins = at - page % (1 << level)
        start, stop = max(begins, 0), min(begins + (1 << level), len(pages))
        if largest >= level and not shift % (1 << level) and low <= start and stop <= high:
            return level, start, stop
    return 0, at, at + 1


def _neighbours(pages: Sequence[int], at: int) -> tuple[int, int]:
    """The positions (start, stop) around *at* of *pages* with ascending frames, each the next.

    No more of them are looked at than a PUD can map.
    """
    if isinstance(pages, range) and pages.step == 1:
        return 0, len(pages)
    start, stop = at, at + 1
    first, end = max(at - (1 << PUD_ORDER), 0), min(at + (1 << PUD_ORDER), len(pages))
    while start > first and pages[start - 1] == pages[start] - 1:
        start -= 1
    while stop < end and pages[stop] == pages[stop - 1] + 1:
        stop += 1
    return start, stop


ENTRIES: Entries = {
    steps.PinUserPagesFastOnly.call: _pins,
    steps.PinUserPagesFast.call: _pins,
    steps.GetUserPagesFastOnly.call: _gets,
    steps.GetUserPagesFast.call: _gets,
}
