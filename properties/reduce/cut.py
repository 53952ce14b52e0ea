# SPDX-License-Identifier: MIT

"""Cutting pages out of a program, so that what is left is a program.

Every way to make one smaller comes down to this: pages go, and whatever named them follows.
A handle is named by the step that made it, so where the step goes, all that
used the handle goes too, and where some of its pages go, the positions of the
others close up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.pagelist import Group, PageList, Slice, from_entries, span
from model.semantics import PAGE_SIZE
from model.step import Step, shown
from model.steps import (
    AllocPages,
    GetUserPages,
    IbUmem,
    IbUmemRelease,
    PinUserPages,
    PinUserPagesFastOnly,
)


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model.mapping import Mapping
    from model.program import Program

    Intervals = list[tuple[int, int]]
    Gone = dict[str, Intervals]

#: Steps whose name stands for the pages they list. A region's does not.
HANDLES = (PinUserPages, PinUserPagesFastOnly, GetUserPages)

#: Every page of a name.
ALL: Intervals = [(0, 1 << 60)]

#: Lists up to this long are written anew, entry by entry.
PLAIN = 4096

#: More repetitions than this are not taken apart.
MOST_TIMES = 4096


class CannotCut(Exception):
    """A list is too long to be taken apart in this way."""


def cut(program: Program, gone: Gone, mappings: Sequence[Mapping] | None = None) -> Program:
    """*program* without the pages in *gone*: for each name, intervals of its pages.

    :param mappings: What to have in place of the program's own.
    :raises CannotCut: if a list repeats too often to be taken apart.
    """
    gone = dict(gone)
    steps = []
    for step in program.steps:
        kept = _cut_step(step, gone)
        if kept is not None:
            steps.append(kept)
        elif step.makes:
            gone[step.makes] = ALL
    return evolve(
        program,
        steps=tuple(steps),
        mappings=program.mappings if mappings is None else tuple(mappings),
        lines=(),
    )


def without_steps(program: Program, start: int, stop: int) -> Program:
    """*program* without steps *start* to *stop*, and without what used them."""
    gone = {step.makes: ALL for step in program.steps[start:stop] if step.makes}
    rest = (*program.steps[:start], *program.steps[stop:])
    return cut(evolve(program, steps=rest), gone)


def without_entries(program: Program, index: int, start: int, stop: int) -> Program:
    """*program* without entries *start* to *stop* of the list of step *index*."""
    step = program.steps[index]
    pages = next(step.lists())
    kept = PageList((*_between(pages, 0, start), *_between(pages, stop, len(pages))))
    if not kept.terms:
        kept = span(next(pages.slices()).name, 0, 0)
    changed = with_lists(_renumbered(step, [(start, stop)]), lambda _pages: kept)
    before = program.steps[:index]
    after = evolve(program, steps=program.steps[index + 1 :])
    gone = {step.makes: [(start, stop)]} if isinstance(step, HANDLES) else {}
    rest = cut(after, gone)
    return evolve(rest, steps=(*before, changed, *rest.steps))


def _between(pages: PageList, start: int, stop: int) -> list[Slice | Group]:
    """The terms for entries *start* to *stop* of *pages*."""
    if start >= stop:
        return []
    front = pages.prefix(stop)
    if not start:
        return list(front.terms)
    if len(front) > PLAIN:
        kept: list[Slice | Group] = []
        for term in front.terms:
            if start >= len(term):
                start -= len(term)
            elif not start:
                kept.append(term)
            elif isinstance(term, Slice) and term.times == 1:
                kept.append(Slice(term.name, term.indices[start:]))
                start = 0
            else:
                raise CannotCut
        return kept
    entries = list(front.entries())[start:]
    return list(from_entries(entries).terms) if entries else []


def _cut_step(step: Step, gone: Gone) -> Step | None:
    """*step* without what is gone, or None if nothing of it is left."""
    if isinstance(step, IbUmemRelease):
        return None if step.umem in gone else step
    if not (step.uses() & gone.keys()):
        return step
    if isinstance(step, AllocPages):
        return _cut_alloc(step, gone)
    if isinstance(step, IbUmem):
        return _cut_umem(step, gone)
    kept, positions = _cut_list(next(step.lists()), gone)
    if kept is None:
        return None
    if positions and isinstance(step, HANDLES):
        gone[step.makes] = positions
    return with_lists(_renumbered(step, positions), lambda _pages: kept)


def _renumbered(step: Step, positions: Intervals) -> Step:
    """*step* with a position in its list moved, as *positions* before it go."""
    if not isinstance(step, PinUserPagesFastOnly) or step.changed is None:
        return step
    at = step.changed
    if any(start <= at < stop for start, stop in positions):
        return evolve(step, changed=None)
    return evolve(step, changed=at - sum(stop - start for start, stop in positions if stop <= at))


def _cut_alloc(step: AllocPages, gone: Gone) -> AllocPages | None:
    """An allocation loses what its own pages lose, where that leaves compound pages."""
    kept, positions = _cut_list(step.pages, gone)
    if kept is None:
        return None
    orders = []
    at = 0
    for order in step.orders:
        stop = at + (1 << order)
        left = stop - at - sum(max(0, min(b, stop) - max(a, at)) for a, b in positions)
        if left & (left - 1):
            return None
        orders += [left.bit_length() - 1] if left else []
        at = stop
    return evolve(step, pages=kept, orders=tuple(orders))


def _cut_umem(step: IbUmem, gone: Gone) -> IbUmem | None:
    entries = []
    for entry in step.sgl:
        kept, _ = _cut_list(entry.pages, gone)
        if kept is not None:
            short = len(entry.pages) * PAGE_SIZE - entry.length
            entries.append(evolve(entry, pages=kept, length=len(kept) * PAGE_SIZE - short))
    if not entries:
        return None
    nmap = step.nmap if step.nmap is None else min(step.nmap, len(entries))
    return evolve(step, sgl=tuple(entries), nmap=nmap)


def _cut_list(pages: PageList, gone: Gone) -> tuple[PageList | None, Intervals]:
    """What is left of a list, if anything, and the positions that went.

    One that was empty before has lost nothing, as long as there is what it names.
    """
    if not len(pages):
        names = [s.name for s in pages.slices() if gone.get(s.name) != ALL]
        return (span(names[0], 0, 0) if names else None), []
    terms: list[Slice | Group] = []
    positions: Intervals = []
    at = 0
    for term in pages.terms:
        if isinstance(term, Group):
            if term.times > MOST_TIMES:
                raise CannotCut
            flat = [s for _ in range(term.times) for s in term.slices]
            if not any(s.name in gone for s in flat):
                terms.append(term)
                at += len(term)
                continue
            kept, went = _cut_list(PageList(tuple(flat)), gone)
            terms += kept.terms if kept else ()
        else:
            pieces, went = _cut_slice(term, gone.get(term.name, []))
            terms += pieces
        positions += [(at + start, at + stop) for start, stop in went]
        at += len(term)
    return (PageList(merged(terms)) if terms else None), positions


def _cut_slice(term: Slice, intervals: Intervals) -> tuple[list[Slice], Intervals]:
    """The pieces of one slice outside *intervals*, closed up; the positions that went."""
    if abs(term.indices.step) != 1:
        return _cut_stride(term, intervals)
    round_went = [(p, q) for p, q in (inside(term.indices, i) for i in intervals) if p < q]
    round_went.sort()
    pieces = []
    at = 0
    for start, stop in [*round_went, (len(term.indices), len(term.indices))]:
        if at < start:
            part = term.indices[at:start]
            shift = sum(hi - lo for lo, hi in intervals if hi <= min(part[0], part[-1]))
            indices = range(part.start - shift, part.stop - shift, part.step)
            pieces.append(Slice(term.name, indices))
        at = stop
    if term.times == 1:
        return pieces, round_went
    if not round_went:
        return [evolve(piece, times=term.times) for piece in pieces], []
    if term.times > MOST_TIMES:
        raise CannotCut
    length = len(term.indices)
    went = [(n * length + p, n * length + q) for n in range(term.times) for p, q in round_went]
    if len(pieces) == 1:
        return [evolve(pieces[0], times=term.times)], went
    return pieces * term.times, went


def _cut_stride(term: Slice, intervals: Intervals) -> tuple[list[Slice], Intervals]:
    """The same for a slice that skips pages, entry by entry."""
    if len(term) > PLAIN:
        raise CannotCut
    kept, went = [], []
    for position, (name, index) in enumerate(term.entries()):
        if any(lo <= index < hi for lo, hi in intervals):
            went.append((position, position + 1))
        else:
            shift = sum(hi - lo for lo, hi in intervals if hi <= index)
            kept.append((name, index - shift))
    pieces = from_entries(kept).terms if kept else ()
    return [piece for piece in pieces if isinstance(piece, Slice)], went


def inside(indices: range, interval: tuple[int, int]) -> tuple[int, int]:
    """The positions of *indices* whose value lies in *interval*: from, to."""
    lo, hi = interval
    if not indices:
        return 0, 0
    if indices.step > 0:
        first = -((indices.start - lo) // indices.step)
        stop = -((indices.start - hi) // indices.step)
    else:
        first = -((hi - 1 - indices.start) // -indices.step)
        stop = (indices.start - lo) // -indices.step + 1
    return min(max(first, 0), len(indices)), min(max(stop, 0), len(indices))


def merged(terms: Iterable[Slice | Group]) -> tuple[Slice | Group, ...]:
    """*terms* with slices joined where one goes on where the last ended."""
    found: list[Slice | Group] = []
    for term in terms:
        last = found[-1] if found else None
        if (
            isinstance(last, Slice)
            and isinstance(term, Slice)
            and (last.name, last.times, term.times) == (term.name, 1, 1)
            and term.indices.step == last.indices.step
            and term.indices[0] == last.indices[-1] + last.indices.step
        ):
            stop = term.indices[-1] + term.indices.step
            joined = range(last.indices.start, stop, last.indices.step)
            found[-1] = evolve(last, indices=joined)
        else:
            found.append(term)
    return tuple(found)


def with_lists(step: Step, change: Any) -> Step:
    """*step* with every list of pages as *change* makes it."""
    changes: dict[str, Any] = {}
    for a in shown(step):
        value = getattr(step, a.name)
        if a.metadata["kind"] == "pages":
            changes[a.name] = change(value)
        elif a.metadata["kind"] == "sgl":
            changes[a.name] = tuple(evolve(e, pages=change(e.pages)) for e in value)
    return evolve(step, **changes) if changes else step
