# SPDX-License-Identifier: MIT

"""A long program with nothing in it but what was done to the pages that its last step names.

Where a failure depends on history, leaving steps out one after another takes an
execution for each of tens of thousands. Here every list is cut down to the pages
that matter, all at once. What other pages did to the counters of the same heads
is made up for after each step, so that those stand as they stood.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.errors import BadInput
from model.pagelist import from_entries
from model.steps import (
    AllocPages,
    IbUmem,
    IbUmemGet,
    IbUmemRelease,
    PinUserPagesFastOnly,
    SplitHugePage,
)
from properties.judging.ledger import Ledger
from properties.reduce.cut import PLAIN, CannotCut, with_lists
from properties.reduce.shortcut import Standing, bridge


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from model.program import Program
    from model.step import Step

#: Where the last step names more pages than these, there is little to leave out.
MOST_NAMED = 1024

#: More plain references than these are there to bring a count near 2^31. A failure
#: that needs them is one of state, which `properties.reduce.condense` keeps.
MANY = 1 << 20

#: What is made up for is named by one of these and the place where it stands.
LETTERS = "pqrstuvwxyz"

#: What changes which pages are heads: done as it was, to all its pages.
REGROUPS = (SplitHugePage, AllocPages)


def projected(program: Program) -> Iterator[Program]:
    """*program* with each list cut down to half of the pages that its last step names; to all.

    Then the same with pins made up for one by one: what fails may be lists.

    :raises BadInput: if the program breaks the contract.
    :raises CannotCut: if the last step names none, or many, or what is left is no program.
    """
    pages = _named(program)
    half = len(pages) // 2
    parts = (pages[half:], pages[:half], pages) if half else (pages,)
    for apart in (False, True):
        for left in parts:
            yield _projected(program, left, apart=apart)


def _projected(program: Program, pages: Sequence[int], *, apart: bool) -> Program:
    """*program* with *pages* alone, of which its last step names some."""
    frames = frozenset(pages)
    ordered = sorted(frames)
    around = _around(program, frames)
    then = Ledger(program.semantics, program.mappings)
    now = Ledger(program.semantics, program.mappings)
    steps: list[Step] = []
    # What was made up for before had such names, and stays if it names these pages.
    names = [step.makes for step in program.steps] + [m.name for m in program.mappings]
    taken = {name[:1] for name in names}
    letter = next((c for c in LETTERS if c not in taken), None)
    if letter is None:
        raise CannotCut

    def made_up(heads: Iterable[int]) -> None:
        for step in _made_up(heads, then, now, f"{letter}{len(steps) + 1}", apart=apart):
            take(step)

    def take(step: Step) -> None:
        now.take(step)
        steps.append(step)

    *before, last = program.steps
    for step in before:
        if isinstance(step, REGROUPS):
            whole = next(step.lists()).resolve(then.table)
            less = None
            if any(page in one for one in around for page in whole):
                less = _listing(step, then, whole)
                made_up({then.head(page) for page in whole})
        else:
            less = _only(step, then, frames)
        then.take(step)
        touched = set(then.touched)
        # Without what else was pinned it may break the contract; made up for below.
        with suppress(BadInput):
            if less is not None:
                take(less)
                touched |= now.touched
        made_up(head for head in touched if _holds(then, head, ordered))
    steps.append(_listing(last, then, pages))
    return evolve(program, steps=tuple(steps), lines=())


def _named(program: Program) -> Sequence[int]:
    """The frames that the last step of *program* names."""
    ledger = Ledger.after(program, program.steps[:-1])
    last = program.steps[-1]
    if isinstance(last, (IbUmem, IbUmemRelease)):
        raise CannotCut
    pages = next(last.lists()).resolve(ledger.table)
    if not 0 < len(pages) <= MOST_NAMED:
        raise CannotCut
    return pages


def _holds(ledger: Ledger, head: int, frames: Sequence[int]) -> bool:
    """Whether *head* is one, and its compound page has some of *frames*, which are in order."""
    at = bisect_left(frames, head)
    stop = head + (1 << ledger.order(head))
    return at < len(frames) and frames[at] < stop and ledger.head(head) == head


def _around(program: Program, frames: Iterable[int]) -> list[range]:
    """The compound pages, as they were at first, that *frames* are of."""
    found = {}
    for mapping in program.mappings:
        for extent in mapping.extents:
            for frame in frames:
                if extent.pfn <= frame < extent.stop:
                    start = frame - (frame - extent.pfn) % (1 << extent.order)
                    found[start] = range(start, start + (1 << extent.order))
    return list(found.values())


def _only(step: Any, ledger: Ledger, frames: frozenset[int]) -> Step | None:
    """*step* with those pages that are in *frames*, if there are any, and can be done apart."""
    if isinstance(step, (IbUmem, IbUmemGet, IbUmemRelease)):
        return None
    if getattr(step, "npages", None) is not None or getattr(step, "n", 0) > MANY:
        return None
    if isinstance(step, PinUserPagesFastOnly):
        step = evolve(step, changed=None)
    kept = [page for page in next(step.lists()).resolve(ledger.table) if page in frames]
    return _listing(step, ledger, kept) if kept else None


def _listing(step: Step, ledger: Ledger, frames: Sequence[int]) -> Step:
    """*step* on *frames*, each named by its mapping."""
    if len(frames) > PLAIN:
        raise CannotCut
    entries = [place for place in map(ledger.where, frames) if place]
    return with_lists(step, lambda _pages: from_entries(entries))


def _made_up(
    heads: Iterable[int], then: Ledger, now: Ledger, handle: str, *, apart: bool
) -> Iterator[Step]:
    """Steps after which *heads* stand in *now* as they do in *then*."""
    changes = [
        (_standing(head, now), _standing(head, then))
        for head in sorted(heads)
        if now.held(head) != then.held(head) or now.order(head) != then.order(head)
    ]
    if any(a.order != b.order or b.alive > a.alive for a, b in changes):
        raise CannotCut
    differ = [(a, b) for a, b in changes if a != b and a.alive]
    if differ:
        yield from bridge(differ, handle, apart=apart)


def _standing(head: int, ledger: Ledger) -> Standing:
    one = Standing.of(head, ledger)
    return evolve(one, gets=min(one.gets, MANY))
