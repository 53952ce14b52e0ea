# SPDX-License-Identifier: MIT

"""Passes that make a program easier to read: plainer arguments, mappings, lists and names."""

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from model.pagelist import Slice
from model.program import Program
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, SgEntry, Step
from properties.reduce.lists import (
    MAX_PAGES_REWRITTEN,
    plain,
    rising,
    with_lists,
    with_pages,
    with_slices,
)
from properties.reduce.mappings import at_default_frames
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import with_step
from properties.reduce.standing import slower_step

#: The plainest value of each argument.
PLAINEST: dict[str, Any] = {
    "flags": (),
    "make_dirty": True,
    "cpu": 0,
    "nmap": None,
    "append_fails": None,
    "writable": True,
    "dirty": True,
    "n": 1,
    "npages": None,
    "max_folios": None,
}


def simplify(program: Program) -> Proposals:
    """Use plainer arguments, kinds of mappings, frames, names and ways to write a list."""
    i = 0
    while i < len(program.steps):
        for plainer in _plainer(program.steps[i]):
            program = (yield with_step(program, i, plainer)) or program
            if i >= len(program.steps):
                return
        i += 1
    for i in range(len(program.mappings)):
        for change in ({"kind": "driver"}, {"kind": "base"}, {"refs": 1}):
            mapping = evolve(program.mappings[i], **change)
            mappings = (*program.mappings[:i], mapping, *program.mappings[i + 1 :])
            program = (yield evolve(program, mappings=mappings)) or program
    program = (yield at_default_frames(program)) or program
    yield _named_in_order(program)


def _plainer(step: Any) -> Iterator[Step]:
    """Steps like *step*, each with one argument plainer."""
    if step.npages_named <= MAX_PAGES_REWRITTEN:
        yield with_lists(step, plain)
        yield with_lists(step, rising)
    if step.position:
        yield evolve(step, **{step.position: None})
    if step.slower:
        yield slower_step(step)
    for name, value in PLAINEST.items():
        if getattr(step, name, value) != value:
            yield evolve(step, **{name: value})
    if step.pins and step.binds_umem:
        if step.max_segment != MAX_SEGMENT:
            yield evolve(step, max_segment=MAX_SEGMENT)
            yield evolve(step, max_segment=PAGE_SIZE)
        if (step.nmap or 0) > 1:
            yield evolve(step, nmap=1)
        if step.append_fails is not None:
            yield evolve(step, append_fails=None, nmap=0)
            yield evolve(step, append_fails=0)
    elif step.binds_umem:
        yield from _plainer_scatterlist(step)
    for power in range(1, getattr(step, "n", 1).bit_length()):
        yield evolve(step, n=1 << power)


def pin_what_is_unpinned(program: Program) -> Proposals:
    """Let a pin step pin just the pages that a later step names, if they are not more."""
    mappings = {mapping.name for mapping in program.mappings}
    yield from first_accepted(
        with_step(program, earlier, with_pages(pin, pages))
        for later in range(len(program.steps) - 1, 0, -1)
        for earlier, pin in enumerate(program.steps[:later])
        for pages in program.steps[later].lists()
        if pin.binds_handle and len(pages) <= pin.npages_named and pages.names() <= mappings
    )


def _plainer_scatterlist(step: Any) -> Iterator[Step]:
    """*step* without one scatterlist entry, or with fewer or only whole pages in this entry.

    An entry that ends within a page is also tried with fewer pages, ending at the same offset.
    """
    for i, entry in enumerate(step.sgl):
        npages = len(entry.pages)
        lengths = [n for n in dict.fromkeys((1, npages // 2, npages - 1, npages)) if n]
        unused = npages * PAGE_SIZE - entry.length
        plainer = [
            (SgEntry(entry.pages.prefix(n), n * PAGE_SIZE - short),)
            for short in dict.fromkeys((0, unused))
            for n in lengths
        ]
        for others in ((), *plainer):
            sgl = (*step.sgl[:i], *others, *step.sgl[i + 1 :])
            if sgl and sgl != step.sgl:
                nmap = step.nmap if step.nmap is None else min(step.nmap, len(sgl))
                yield evolve(step, sgl=sgl, nmap=nmap)


def _named_in_order(program: Program) -> Program:
    """*program* with mappings renamed a, b, c, handles h1, h2, regions m1, m2, as they occur."""
    names = {m.name: chr(ord("a") + i) for i, m in enumerate(program.mappings[:26])}
    counts = {"h": 0, "m": 0}
    for step in program.steps:
        if step.makes:
            letter = "h" if step.binds_handle else "m"
            counts[letter] += 1
            names[step.makes] = f"{letter}{counts[letter]}"
    steps = tuple(_renamed(step, names) for step in program.steps)
    mappings = tuple(evolve(m, name=names.get(m.name, m.name)) for m in program.mappings)
    return evolve(program, steps=steps, mappings=mappings)


def _renamed(step: Step, names: dict[str, str]) -> Step:
    """*step* with names of mappings, handles and regions replaced by ``names[old name]``."""

    def renamed(term: Slice) -> Slice:
        return evolve(term, name=names.get(term.name, term.name))

    own = step.name_field() or ("umem" if step.releases_umem else "")
    changes = {own: names.get(getattr(step, own), getattr(step, own))} if own else {}
    return evolve(with_lists(step, lambda pages: with_slices(pages, renamed)), **changes)
