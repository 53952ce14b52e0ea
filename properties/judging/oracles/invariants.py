# SPDX-License-Identifier: MIT

"""Invariants: what holds whichever way references are counted.

These oracles read the journal; for a candidate without one they find nothing.
"""

from model.step import Need
from properties.judging.finding import Finding
from properties.judging.oracles.record import Record


def dirty_before_put(record: Record) -> Finding | None:
    """A call that dirties pages has dirtied each head before its put.

    After the put it is too late: the page may be free, or reclaim may have dropped it, as it was
    still clean, with what the device wrote.
    """
    step = record.step
    if not record.ledger.dirties:
        return None
    for event in record.candidate.events:
        if event.what == "put" and not event.dirty:
            name = record.ledger.name(event.page)
            summary = f"{step.call} put {name} before it was dirty"
            return record.finding("invariants", "dirty_before_put", summary)
    return None


def locked_to_dirty(record: Record) -> Finding | None:
    """A call that dirties pages locks each that it dirties (``set_page_dirty_lock()``).

    Without the lock the file of a page may be truncated meanwhile, and the flag is lost.
    """
    step = record.step
    if not record.ledger.dirties or not record.hears("dirty"):
        return None
    locked = set()
    for what, page, _, dirty in record.candidate.events:
        if what == "dirty":
            locked.add(page)
        elif what == "put" and dirty and page not in locked and not record.state_before(page).dirty:
            name = record.ledger.name(page)
            summary = f"{step.call} dirtied {name} without its page lock"
            return record.finding("invariants", "locked_to_dirty", summary)
    return None


def held_throughout(record: Record) -> Finding | None:
    """No count is 0 in between: a put of the last reference frees, even if more are added later."""
    events = record.candidate.events
    if not (record.candidate.puts and record.hears("free")):
        return None
    if not any(event.what == "grab" for event in events):
        return None
    counts: dict[int, int] = {}
    ended = None
    for what, page, refs, _ in events:
        if what in {"grab", "put"}:
            before = counts.get(page)
            if before is None:
                before = record.state_before(page).refcount
            counts[page] = before + refs if what == "grab" else before - refs
            if what == "put" and before > 0 and counts[page] == 0 and ended is None:
                ended = page
        elif what == "free" and page == ended:
            ended = None
    if ended is None:
        return None
    name = record.ledger.name(ended)
    summary = f"{record.step.call} put the last reference of {name} and added others again"
    return record.finding("invariants", "held_throughout", summary)


def freed_once(record: Record) -> Finding | None:
    """A page is freed once, without pins, and is not touched afterwards."""
    if record.step.needs is Need.FREE:
        return None
    for what, page, refs, _ in record.candidate.events:
        if what == "stale":
            name, how = "used_after_free", "changed after it was freed"
        elif what == "free" and refs:
            name, how = "freed_while_pinned", "freed while it is pinned"
        else:
            continue
        summary = f"{record.ledger.name(page)} was {how} by {record.step.call}"
        return record.finding("invariants", name, summary)
    return None


def counted_before_put(record: Record) -> Finding | None:
    """A pin is counted as released before its put: the put may free the page.

    If the page's memory is unplugged before the pin is counted, the page's node cannot be
    read (fixed by 4509b42c3896).
    """
    ledger = record.ledger
    counted = 0
    counts = False
    early = None
    for what, page, refs, _ in record.candidate.events:
        if what == "stat":
            counts = True
            counted += refs
        elif what == "put" and refs > 0 and early is None:
            counted -= refs // ledger.each(page)
            if counted < 0:
                early = page
    if early is None or not counts:
        # A journal may lack counting; agreement compares the sum after the step.
        return None
    summary = f"{record.step.call} put {ledger.name(early)} before it counted the pins as released"
    return record.finding("invariants", "counted_before_put", summary)
