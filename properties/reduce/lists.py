# SPDX-License-Identifier: MIT

"""Rewrites lists of pages: without some of their pages, or with other pages."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from operator import neg
from typing import Any

from attrs import evolve

from model.pagelist import Group, PageList, Slice, from_entries, span
from model.step import Step, shown

#: Sorted intervals of positions, each with its first position and the one after its last.
Intervals = list[tuple[int, int]]

#: For each mapping or handle, the positions of the pages to remove.
Gone = dict[str, Intervals]

#: The positions of all pages of a mapping or handle.
ALL: Intervals = [(0, 1 << 60)]

#: Lists of at most this many pages are rewritten entry by entry.
MAX_PAGES_REWRITTEN = 4096

#: A slice ``a[0:1]*n`` or group ``(...)*n`` with *n* above this is not written out n times.
MAX_REPEATS_EXPANDED = 4096


class CannotRewrite(Exception):
    """The program cannot be rewritten in this way, or only at too high a cost."""


def with_lists(step: Step, change: Callable[[PageList], PageList]) -> Step:
    """*step* with *change* applied to each list of pages."""
    changes: dict[str, Any] = {}
    for a in shown(step):
        value = getattr(step, a.name)
        if a.metadata["kind"] == "pages":
            changes[a.name] = change(value)
        elif a.metadata["kind"] == "sgl":
            changes[a.name] = tuple(evolve(e, pages=change(e.pages)) for e in value)
    return evolve(step, **changes) if changes else step


def with_pages(step: Step, pages: PageList) -> Step:
    """*step* with *pages* as its list."""
    return with_lists(step, lambda _: pages)


def plain(pages: PageList) -> PageList:
    """The same entries as *pages*, in the shortest text without brackets ``(...)*n``."""
    entries = list(pages.entries()) if len(pages) <= MAX_PAGES_REWRITTEN else []
    return from_entries(entries) if entries else pages


def rising(pages: PageList) -> PageList:
    """*pages* with its entries sorted by name and position."""
    return from_entries(sorted(pages.entries())) if len(pages) else pages


def with_slices(pages: PageList, change: Callable[[Slice], Slice]) -> PageList:
    """*pages* with *change* applied to each slice, those inside ``(...)*n`` included."""
    return PageList(
        tuple(
            evolve(term, slices=tuple(map(change, term.slices)))
            if isinstance(term, Group)
            else change(term)
            for term in pages.terms
        )
    )


def without(pages: PageList, gone: Gone) -> tuple[PageList | None, Intervals]:
    """*pages* without the pages in *gone*, and the positions of the entries that are removed.

    The list is None if nothing is left. If *pages* is an empty list, it is kept unless all pages
    of the mapping or handle that its text names are in *gone*.

    :raises CannotRewrite: if a part of the list is too long, or repeats too often.
    """
    if not len(pages):
        names = [s.name for s in pages.slices() if gone.get(s.name) != ALL]
        return (span(names[0], 0, 0) if names else None), []
    terms: list[Slice | Group] = []
    positions: Intervals = []
    at = 0
    for term in pages.terms:
        if isinstance(term, Group):
            once, removed = without(PageList(term.slices), gone)
            if not once:
                removed = [(0, len(term))]
            elif not removed:
                terms.append(Group(tuple(once.slices()), term.times))
            elif term.times > MAX_REPEATS_EXPANDED:
                raise CannotRewrite
            else:
                flat = [s for _ in range(term.times) for s in term.slices]
                kept, removed = without(PageList(tuple(flat)), gone)
                terms += kept.terms if kept else ()
        else:
            pieces, removed = _slice_without(term, gone.get(term.name, []))
            terms += pieces
        positions += [(at + start, at + stop) for start, stop in removed]
        at += len(term)
    return (PageList(adjoined(terms)) if terms else None), positions


def _slice_without(term: Slice, intervals: Intervals) -> tuple[list[Slice], Intervals]:
    """The pieces of *term* outside *intervals*, renumbered, and the removed positions in *term*."""
    if abs(term.indices.step) != 1:
        return _stride_without(term, intervals)
    removed = sorted((p, q) for p, q in (inside(term.indices, i) for i in intervals) if p < q)
    pieces = []
    at = 0
    for start, stop in [*removed, (len(term.indices), len(term.indices))]:
        if at < start:
            part = term.indices[at:start]
            shift = sum(hi - lo for lo, hi in intervals if hi <= min(part[0], part[-1]))
            indices = range(part.start - shift, part.stop - shift, part.step)
            pieces.append(Slice(term.name, indices))
        at = stop
    if term.times == 1:
        return pieces, removed
    if not removed:
        return [evolve(piece, times=term.times) for piece in pieces], []
    if not pieces:
        return [], [(0, len(term))]
    if term.times > MAX_REPEATS_EXPANDED:
        raise CannotRewrite
    length = len(term.indices)
    everywhere = [(n * length + p, n * length + q) for n in range(term.times) for p, q in removed]
    if len(pieces) == 1:
        return [evolve(pieces[0], times=term.times)], everywhere
    return pieces * term.times, everywhere


def _stride_without(term: Slice, intervals: Intervals) -> tuple[list[Slice], Intervals]:
    """Do what `_slice_without` does, entry by entry, for a slice that skips pages."""
    if len(term) > MAX_PAGES_REWRITTEN:
        raise CannotRewrite
    kept, removed = [], []
    for position, (name, index) in enumerate(term.entries()):
        if any(lo <= index < hi for lo, hi in intervals):
            removed.append((position, position + 1))
        else:
            shift = sum(hi - lo for lo, hi in intervals if hi <= index)
            kept.append((name, index - shift))
    pieces = from_entries(kept).terms if kept else ()
    return [piece for piece in pieces if isinstance(piece, Slice)], removed


def suffix(pages: PageList, start: int) -> tuple[Slice | Group, ...]:
    """The terms for the entries of *pages* from *start* on.

    :raises CannotRewrite: if the list is long and *start* is inside a repeated ``(...)*n``.
    """
    if len(pages) <= MAX_PAGES_REWRITTEN:
        entries = list(pages.entries())[start:]
        return from_entries(entries).terms if entries else ()
    kept: list[Slice | Group] = []
    for term in pages.terms:
        if start >= len(term):
            start -= len(term)
        elif not start:
            kept.append(term)
        else:
            before, within = divmod(start, len(term) // term.times)
            if within and isinstance(term, Group):
                raise CannotRewrite
            if within and isinstance(term, Slice):
                kept.append(Slice(term.name, term.indices[within:]))
                before += 1
            if before < term.times:
                kept.append(evolve(term, times=term.times - before))
            start = 0
    return tuple(kept)


def inside(indices: range, interval: tuple[int, int]) -> tuple[int, int]:
    """The positions (from, to) in *indices* where the values are in *interval*."""
    lo, hi = interval
    if indices.step > 0:
        return bisect_left(indices, lo), bisect_left(indices, hi)
    return bisect_left(indices, 1 - hi, key=neg), bisect_left(indices, 1 - lo, key=neg)


def adjoined(terms: Iterable[Slice | Group]) -> tuple[Slice | Group, ...]:
    """*terms* with neighbouring slices joined where the second one continues the first one."""
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
            found[-1] = evolve(last, indices=range(last.indices.start, stop, last.indices.step))
        else:
            found.append(term)
    return tuple(found)
