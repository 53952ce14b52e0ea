# SPDX-License-Identifier: MIT

"""Steps that undo each other go, and what they come to together is done at once.

A page that is mapped and unmapped, pinned, got and put can lose none of these
steps alone: what is held would not be right for what comes after. So a stretch
of steps is replaced by as few as change what is held in the same way.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Self

from attrs import evolve, frozen

from model.pagelist import PageList, Slice
from model.steps import (
    Clean,
    GetPage,
    Map,
    PinUserPages,
    PutPage,
    SetPageDirty,
    Unmap,
    UnpinUserPage,
    UnpinUserPages,
)
from properties.judging.ledger import Ledger
from properties.reduce.cut import merged, without_entries, without_steps


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from model.program import Program
    from model.step import Step
    from properties.reduce.rewrite import Pass

#: Compound pages that were touched, for all steps at which they are looked at together.
MOST_STANDINGS = 100_000

#: So many of the terms of a list fit into one line, whatever numbers stand in them.
MOST_TERMS = 96

#: Steps, and entries of a list, in which pairs are looked for.
MOST_PAIRED = 64


@frozen
class Standing:
    """What is held of one compound page at some step.

    :param page: It, as a list that names its head.
    """

    page: Slice
    order: int
    maps: int
    gets: int
    pins: int
    dirty: bool
    alive: bool

    @classmethod
    def of(cls, head: int, ledger: Ledger) -> Self:
        """How *head* stands in *ledger*."""
        held = ledger.held(head)
        name, offset = ledger.where(head) or ("", 0)
        page = Slice(name, range(offset, offset + 1), 1)
        return cls(
            page, ledger.order(head), held.maps, held.gets, held.pins, held.dirty, held.alive
        )

    def times(self, n: int) -> Slice:
        """Its head, *n* times."""
        return evolve(self.page, times=n)


def shortcut(program: Program) -> Pass:
    """Replace stretches of steps by what they come to, the longest first."""
    size = len(program.steps) - 1
    while size > 1:
        stop = len(program.steps) - 1
        standings = _standings(program, {*range(stop, 0, -size), 0})
        while stop > 1 and standings:
            start = max(0, stop - size)
            smaller = _short(program, start, stop, standings)
            answer = (yield smaller) if smaller else None
            # What is before it stands as it stood.
            program = answer or program
            stop = start
        size //= 2


def _standings(program: Program, at: set[int]) -> dict[int, dict[int, Standing]]:
    """What is held of each head before the steps *at*; nothing if that is too much."""
    ledger = Ledger(program.semantics, program.mappings)
    found = {}
    for i, step in enumerate(program.steps):
        if i in at:
            known = ledger.known()
            if len(known) * len(at) > MOST_STANDINGS:
                return {}
            found[i] = {head: Standing.of(head, ledger) for head, _ in known}
        ledger.take(step)
    return found


def _short(
    program: Program, start: int, stop: int, standings: dict[int, dict[int, Standing]]
) -> Program | None:
    """*program* with steps *start* to *stop* done at once, if that takes fewer."""
    steps = program.steps
    made = {step.makes for step in steps[start:stop] if step.makes}
    if any(made & step.uses() for step in steps[stop:]):
        return None
    before, after = standings[start], standings[stop]
    fresh = Ledger(program.semantics, program.mappings)
    changes = []
    for head, now in after.items():
        then = before.get(head)
        if then is None:
            if fresh.head(head) != head:
                # Split, or allocated otherwise: it was no head at first.
                return None
            refs = fresh.first_refs(head)
            order = fresh.order(head)
            then = evolve(now, order=order, maps=refs, gets=0, pins=0, dirty=False, alive=True)
        if now.alive > then.alive or now.order != then.order:
            return None
        changes.append((then, now))
    taken = {step.makes for step in steps}
    handle = next(name for name in (f"h{i}" for i in count(1)) if name not in taken)
    fewer = [*bridge(changes, handle)]
    if len(fewer) >= stop - start:
        return None
    return evolve(program, steps=(*steps[:start], *fewer, *steps[stop:]), lines=())


def bridge(
    changes: Sequence[tuple[Standing, Standing]], handle: str, *, apart: bool = False
) -> Iterator[Step]:
    """What makes the second of each pair of the first: all is taken before any is given back.

    :param apart: Whether pins are given back each on its own, not by lists.
    """
    maps = [(now, now.maps - then.maps) for then, now in changes]
    gets = [(now, now.gets - then.gets) for then, now in changes]
    pins = [(now, now.pins - then.pins) for then, now in changes]
    for level in range(max((n for _, n in maps), default=0)):
        yield from _each(Map, [one.times(1) for one, n in maps if n > level])
    for one, n in gets:
        if n > 0:
            yield GetPage(pages=PageList((one.times(1),)), n=n)
    for number, pages in enumerate(_lists(one.times(n) for one, n in pins if n > 0)):
        yield PinUserPages(handle=f"{handle}_{number}" if number else handle, pages=pages)
    dirty = [now.times(1) for then, now in changes if now.alive and now.dirty > then.dirty]
    yield from _each(SetPageDirty, dirty)
    clean = [now.times(1) for then, now in changes if now.alive and now.dirty < then.dirty]
    yield from _each(Clean, clean)
    fewer = [one.times(-n) for one, n in pins if n < 0]
    if apart:
        alone = (evolve(one, times=1) for one in fewer for _ in range(one.times))
        yield from (UnpinUserPage(page=PageList((one,))) for one in alone)
    else:
        yield from _each(UnpinUserPages, fewer)
    for one, n in gets:
        if n < 0:
            yield PutPage(pages=PageList((one.times(1),)), n=-n)
    for level in range(max((-n for _, n in maps), default=0)):
        yield from _each(Unmap, [one.times(1) for one, n in maps if -n > level])


def _each(make: Callable[..., Step], pages: Sequence[Slice]) -> Iterator[Step]:
    """A step of *make* on *pages*, or several."""
    return (make(pages=some) for some in _lists(pages))


def _lists(pages: Iterable[Slice]) -> Iterator[PageList]:
    """*pages* in as few lists as lines of a trace have room for."""
    terms = merged(pages)
    for at in range(0, len(terms), MOST_TERMS):
        yield PageList(terms[at : at + MOST_TERMS])


#: Calls that take, and those that give the same back.
OPPOSITE = {
    "map": {"unmap"},
    "get_page": {"put_page"},
    "set_page_dirty": {"clean"},
    "pin_user_pages": {"unpin_user_page", "unpin_user_pages", "unpin_user_pages_dirty_lock"},
}


def cancel(program: Program) -> Pass:
    """Leave out two steps that undo each other, whatever lies between them."""
    # The last is the one that fails.
    later = len(program.steps) - 2
    while 0 < later <= MOST_PAIRED:
        for earlier in range(later - 1, -1, -1):
            smaller = _without_both(program, earlier, later)
            if smaller and _last(smaller) != _last(program):
                # It used the pin, and went with it.
                continue
            answer = (yield smaller) if smaller else None
            if answer:
                program = answer
                break
        later = min(later, len(program.steps) - 1) - 1


def _last(program: Program) -> str:
    return program.steps[-1].call if program.steps else ""


def _without_both(program: Program, earlier: int, later: int) -> Program | None:
    steps = program.steps
    taking, giving = steps[earlier], steps[later]
    if giving.call not in OPPOSITE.get(taking.call, ()):
        return None
    if not isinstance(taking, PinUserPages):
        rest = [step for i, step in enumerate(steps) if i not in (earlier, later)]
        return evolve(program, steps=tuple(rest), lines=())
    # The pin may have been of more pages, of which others are used by its handle.
    (given,) = giving.lists()
    at = _stands_in(list(given.entries()), taking) if len(given) <= MOST_PAIRED else None
    if at is None:
        return None
    rest = [step for i, step in enumerate(steps) if i != later]
    fewer = evolve(program, steps=tuple(rest), lines=())
    if len(taking.pages) > len(given):
        return without_entries(fewer, earlier, at, at + len(given))
    return without_steps(fewer, earlier, earlier + 1)


def _stands_in(entries: list[tuple[str, int]], pin: PinUserPages) -> int | None:
    """Where *entries* stand in the list of *pin* one after another, if they do."""
    if not entries or len(pin.pages) > MOST_PAIRED:
        return None
    pinned = list(pin.pages.entries())
    length = len(entries)
    return next(
        (i for i in range(len(pinned) - length + 1) if pinned[i : i + length] == entries), None
    )
