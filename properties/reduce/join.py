# SPDX-License-Identifier: MIT

"""Passes that let one step do the work of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.pagelist import PageList, Slice, from_entries
from model.program import Program
from model.regions import IbUmemGet
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, Step
from properties.reduce.lists import MAX_PAGES_REWRITTEN, plain, with_lists, with_slices
from properties.reduce.remove import with_step


if TYPE_CHECKING:
    from properties.reduce.passes import Proposals


def join(program: Program) -> Proposals:
    """Drop a pin whose uses can take another handle, or join the lists of two pins."""
    second = len(program.steps) - 1
    while second > 0:
        for first in range(second - 1, -1, -1):
            answer = None
            for joined in (with_one_handle, with_one_pin):
                smaller = joined(program, first, second)
                answer = (yield smaller) if smaller else None
                if answer:
                    break
            if answer:
                program = answer
                break
        second = min(second, len(program.steps)) - 1


def with_one_handle(program: Program, first: int, second: int) -> Program | None:
    """*program* without the pin of step *second*; step *first*'s handle is used instead."""
    a, b = program.steps[first], program.steps[second]
    if not (a.binds_handle and b.binds_handle):
        return None
    steps = [_moved(step, b.makes, a.makes, 0) for step in program.steps]
    return evolve(program, steps=(*steps[:second], *steps[second + 1 :]), lines=())


def with_one_pin(program: Program, first: int, second: int) -> Program | None:
    """*program* with the list of the pin of step *second* appended to step *first*'s."""
    a: Any = program.steps[first]
    b: Any = program.steps[second]
    if type(a) is not type(b) or not a.binds_handle:
        return None
    both = PageList((*a.pages.terms, *b.pages.terms))
    if a.makes in b.pages.names() or len(both) > MAX_PAGES_REWRITTEN:
        return None
    after = [
        _moved(step, b.makes, a.makes, len(a.pages))
        for i, step in enumerate(program.steps)
        if i > first and i != second
    ]
    made = evolve(a, pages=plain(both))
    return evolve(program, steps=(*program.steps[:first], made, *after), lines=())


def _moved(step: Step, name: str, to: str, shift: int) -> Step:
    """*step* with page ``i + shift`` of *to* in the place of each page *i* of *name*."""

    def moved(term: Slice) -> Slice:
        r = term.indices
        indices = range(r.start + shift, r.stop + shift, r.step)
        return evolve(term, name=to, indices=indices) if term.name == name else term

    return with_lists(
        step, lambda pages: plain(with_slices(pages, moved)) if name in pages.names() else pages
    )


def register(program: Program) -> Proposals:
    """Let a region that is made of pins pin its own pages."""
    for index, step in enumerate(program.steps):
        if not step.binds_umem or step.pins or step.npages_named > MAX_PAGES_REWRITTEN:
            continue
        region: Any = step
        pins = {s.makes: next(s.lists()) for s in program.steps[:index] if s.binds_handle}
        listed = {name: list(pages.entries()) for name, pages in pins.items()}
        entries = [
            listed[name][position] if name in listed else (name, position)
            for sg in region.sgl
            for name, position in sg.pages.entries()
        ]
        got = IbUmemGet(
            umem=region.umem,
            pages=from_entries(entries),
            writable=region.writable,
            max_segment=MAX_SEGMENT if len(region.sgl) == 1 else PAGE_SIZE,
            nmap=region.nmap,
        )
        # If mapping failed, it may fail in a registration with one merged entry too.
        merged = evolve(got, pages=from_entries(entries[:1] * 2), max_segment=MAX_SEGMENT, nmap=1)
        used = step.uses()
        before = [s for s in program.steps[:index] if s.makes not in used]
        for made in (got, merged):
            registered = with_step(program, index, made)
            if (yield evolve(registered, steps=(*before, *registered.steps[index:]))):
                return
