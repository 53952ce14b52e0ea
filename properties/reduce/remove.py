# SPDX-License-Identifier: MIT

"""Removes pages, steps or list entries from a program, and all uses of these.

If a step that makes a handle is removed, so is every use of the handle. If only some entries
of the step's list are removed, uses of the handle get lower positions for the entries that
came after the removed ones; but a handle of folios has no entry for each page.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from model.pagelist import PageList, span
from model.program import Program
from model.semantics import PAGE_SIZE
from model.step import Step, shown
from properties.reduce.lists import ALL, Gone, Intervals, suffix, with_pages, without


def with_step(program: Program, index: int, *steps: Step) -> Program:
    """*program* with step *index* replaced by *steps*: none, one or several."""
    before, after = program.steps[:index], program.steps[index + 1 :]
    return evolve(program, steps=(*before, *steps, *after), lines=())


def without_pages(program: Program, gone: Gone) -> Program:
    """*program* with the pages in *gone* removed from all lists, and from handles made of these.

    The mappings stay as they are.

    :raises CannotRewrite: if a list cannot be rewritten.
    """
    gone = dict(gone)
    steps = []
    for step in program.steps:
        kept = _step_without(step, gone)
        if kept is not None:
            steps.append(kept)
        elif step.makes:
            gone[step.makes] = ALL
    return evolve(program, steps=tuple(steps), lines=())


def without_steps(program: Program, start: int, stop: int) -> Program:
    """*program* without steps *start* to *stop* (exclusive), and without uses of what they make."""
    gone = {step.makes: ALL for step in program.steps[start:stop] if step.makes}
    rest = (*program.steps[:start], *program.steps[stop:])
    return without_pages(evolve(program, steps=rest), gone)


def without_entries(program: Program, index: int, start: int, stop: int) -> Program:
    """*program* without entries *start* to *stop* (exclusive) of the list of step *index*."""
    step = program.steps[index]
    pages = next(step.lists())
    terms = (*(pages.prefix(start).terms if start else ()), *suffix(pages, stop))
    kept = PageList(terms) if terms else span(next(pages.slices()).name, 0, 0)
    changed = with_pages(_repositioned(step, [(start, stop)]), kept)
    gone = {step.makes: [(start, stop)]} if step.binds_handle and not step.holds_folios else {}
    rest = without_pages(evolve(program, steps=program.steps[index + 1 :]), gone)
    return evolve(rest, steps=(*program.steps[:index], changed, *rest.steps))


def _step_without(step: Any, gone: Gone) -> Step | None:
    """*step* without the pages in *gone*, or None if it names no other pages."""
    if not (step.uses() & gone.keys()):
        return step  # type: ignore[no-any-return]
    if step.releases_umem:
        return None
    kinds = {a.metadata["kind"] for a in shown(step)}
    if "sgl" in kinds:
        return _scatterlist_without(step, gone)
    kept, removed = without(next(step.lists()), gone)
    if kept is None:
        return None
    if "orders" in kinds:
        orders = _orders_without(step.orders, removed)
        return None if orders is None else evolve(step, pages=kept, orders=orders)
    if removed and step.binds_handle and not step.holds_folios:
        gone[step.makes] = removed
    return with_pages(_repositioned(step, removed), kept)


def _repositioned(step: Any, removed: Intervals) -> Step:
    """*step* with the list position in its arguments, if any, adapted to the *removed* entries."""
    at = getattr(step, step.position) if step.position else None
    if at is None:
        return step  # type: ignore[no-any-return]
    if any(start <= at < stop for start, stop in removed):
        moved = None
    else:
        moved = at - sum(stop - start for start, stop in removed if stop <= at)
    return evolve(step, **{step.position: moved})  # type: ignore[no-any-return]


def _orders_without(orders: Sequence[int], removed: Intervals) -> tuple[int, ...] | None:
    """What *orders* of consecutive compound pages become without the pages at positions *removed*.

    None if the number of pages left in one of these compound pages is no power of two.
    """
    kept = []
    at = 0
    for order in orders:
        stop = at + (1 << order)
        left = stop - at - sum(max(0, min(b, stop) - max(a, at)) for a, b in removed)
        if left & (left - 1):
            return None
        kept += [left.bit_length() - 1] if left else []
        at = stop
    return tuple(kept)


def _scatterlist_without(step: Any, gone: Gone) -> Step | None:
    entries = []
    for entry in step.sgl:
        kept, _ = without(entry.pages, gone)
        if kept is not None:
            # The entry ends as many bytes before the end of its last page as it did before.
            short = len(entry.pages) * PAGE_SIZE - entry.length
            entries.append(evolve(entry, pages=kept, length=len(kept) * PAGE_SIZE - short))
    if not entries:
        return None
    nmap = step.nmap if step.nmap is None else min(step.nmap, len(entries))
    return evolve(step, sgl=tuple(entries), nmap=nmap)  # type: ignore[no-any-return]
