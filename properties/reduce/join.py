# SPDX-License-Identifier: MIT

"""Passes that let one step do the work of several."""

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from model.pagelist import PageList, Slice, from_entries
from model.program import Program
from model.regions import IbUmemGet
from model.semantics import PAGE_SIZE
from model.step import Step
from properties.reduce.lists import MAX_PAGES_REWRITTEN, plain, with_lists, with_slices
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import with_step


def fail_alone(program: Program) -> Proposals:
    """If the last step pins and registers a region, keep only this step; let DMA mapping fail.

    Also try fewer pages: the failing program may have pinned only the first ones.
    """
    step: Any = program.steps[-1]
    if step.pins and step.binds_umem:
        alone = evolve(step, nmap=0, append_fails=None)
        npages = step.npages_named
        for kept in dict.fromkeys((npages, npages - 1, min(npages, 2))):
            fewer = evolve(alone, pages=alone.pages.prefix(kept)) if kept < npages else alone
            if kept and (yield evolve(program, steps=(fewer,), lines=())):
                return


def fail_mapped(program: Program) -> Proposals:
    """If the last step registers a region and fails, let DMA mapping fail, after fewer pages."""
    step: Any = program.steps[-1]
    npages = step.npages_named
    if step.pins and step.binds_umem and npages > 1:
        for kept in dict.fromkeys((1, npages // 2, npages - 1)):
            fewer = evolve(step, pages=step.pages.prefix(kept), nmap=0, append_fails=None)
            if (yield with_step(program, len(program.steps) - 1, fewer)):
                return


def join(program: Program) -> Proposals:
    """Drop a pin step; lists name an earlier handle instead, as it is or with added pages."""
    second = len(program.steps) - 1
    while second > 0:
        program = (yield from first_accepted(_joined(program, second))) or program
        second = min(second, len(program.steps)) - 1


def _joined(program: Program, second: int) -> Iterator[Program]:
    """*program* without pin step *second*; lists name an earlier handle, as it is or extended."""
    b: Any = program.steps[second]
    for first in reversed(range(second)):
        a: Any = program.steps[first]
        if not (a.binds_handle and b.binds_handle):
            continue
        yield _without_pin(program, second, a, 0)
        both = PageList((*a.pages.terms, *b.pages.terms))
        long = len(both) > MAX_PAGES_REWRITTEN
        if type(a) is type(b) and a.makes not in b.pages.names() and not long:
            joined = _without_pin(program, second, a, len(a.pages))
            made = evolve(a, pages=plain(both))
            steps = (*joined.steps[:first], made, *joined.steps[first + 1 :])
            yield evolve(joined, steps=steps)


def _without_pin(program: Program, index: int, other: Step, shift: int) -> Program:
    """*program* without pin step *index*.

    Where a list named page ``i`` of its handle, page ``i + shift`` of *other*'s handle is named.
    """
    name = program.steps[index].makes

    def moved(term: Slice) -> Slice:
        r = term.indices
        indices = range(r.start + shift, r.stop + shift, r.step)
        return evolve(term, name=other.makes, indices=indices) if term.name == name else term

    def change(pages: PageList) -> PageList:
        return plain(with_slices(pages, moved)) if name in pages.names() else pages

    steps = tuple(with_lists(s, change) for i, s in enumerate(program.steps) if i != index)
    return evolve(program, steps=steps, lines=())


def register(program: Program) -> Proposals:
    """Replace a step that makes a region of pinned pages by one that pins these pages itself."""
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
            nmap=region.nmap,
        )
        # Entries that are no neighbours are not appended to one another even if they could be.
        apart = evolve(got, max_segment=PAGE_SIZE)
        # Also try to name one page twice: two scatterlist entries, merged into one by the IOMMU.
        merged = evolve(got, pages=from_entries(entries[:1] * 2), nmap=1)
        used = step.uses()
        before = [s for s in program.steps[:index] if s.makes not in used]
        for made in (got, apart, merged):
            steps = (*before, made, *program.steps[index + 1 :])
            if (yield evolve(program, steps=steps, lines=())):
                return
