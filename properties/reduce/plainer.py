# SPDX-License-Identifier: MIT

"""The pass that makes programs easy to read: plainer arguments, mappings and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.pagelist import PageList, from_entries
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, SgEntry
from model.steps import IbUmem, IbUmemGet, PinUserPages, PinUserPagesFastOnly
from properties.reduce.cut import PLAIN, with_lists
from properties.reduce.rewrite import (
    plain,
    replaced,
)


if TYPE_CHECKING:
    from collections.abc import Generator

    from model.program import Program
    from model.step import Step
    from properties.reduce.rewrite import Pass


def simplify(program: Program) -> Pass:
    """Plainer arguments, mappings and ways to write a list."""
    for i in range(len(program.steps)):
        if i >= len(program.steps):
            return
        for plainer in _plainer(program.steps[i]):
            steps = (*program.steps[:i], plainer, *program.steps[i + 1 :])
            program = (yield evolve(program, steps=steps)) or program
            if i >= len(program.steps):
                return
    for i in range(len(program.mappings)):
        for change in ({"kind": "driver"}, {"kind": "base"}, {"refs": 1}):
            mapping = evolve(program.mappings[i], **change)
            mappings = (*program.mappings[:i], mapping, *program.mappings[i + 1 :])
            program = (yield evolve(program, mappings=mappings)) or program
    program = (yield replaced(program)) or program
    yield _named_in_order(program)


def _plainer(step: Step) -> Generator[Step, None, None]:
    """*step* with one argument plainer."""
    if step.npages_named <= PLAIN:
        yield with_lists(step, plain)
        yield with_lists(step, _rising)
    if isinstance(step, PinUserPagesFastOnly):
        yield evolve(step, changed=None)
        yield PinUserPages(handle=step.handle, pages=step.pages)
    plainest: dict[str, Any] = {
        "flags": (),
        "make_dirty": True,
        "cpu": 0,
        "nmap": None,
        "append_fails": None,
        "writable": True,
        "dirty": True,
        "n": 1,
        "npages": None,
    }
    for name, value in plainest.items():
        if getattr(step, name, value) != value:
            yield evolve(step, **{name: value})
    if isinstance(step, IbUmemGet) and step.max_segment != MAX_SEGMENT:
        yield evolve(step, max_segment=MAX_SEGMENT)
        yield evolve(step, max_segment=4096)
    if isinstance(step, IbUmemGet) and (step.nmap or 0) > 1:
        yield evolve(step, nmap=1)
    if isinstance(step, IbUmemGet) and step.append_fails is not None:
        yield evolve(step, append_fails=None, nmap=0)
        yield evolve(step, append_fails=0)
    if isinstance(step, IbUmem):
        yield from _plainer_umem(step)
    many: Any = step
    for power in range(1, getattr(step, "n", 1).bit_length()):
        yield evolve(many, n=1 << power)


def _rising(pages: PageList) -> PageList:
    """The same entries in rising order."""
    return from_entries(sorted(pages.entries())) if len(pages) else pages


def _plainer_umem(step: IbUmem) -> Generator[Step, None, None]:
    """*step* with an entry less, or with fewer pages, or whole ones, in an entry."""
    for i, entry in enumerate(step.sgl):
        rest = (*step.sgl[:i], *step.sgl[i + 1 :])
        if rest:
            nmap = step.nmap if step.nmap is None else min(step.nmap, len(rest))
            yield evolve(step, sgl=rest, nmap=nmap)
        npages = len(entry.pages)
        whole = evolve(entry, length=npages * PAGE_SIZE)
        for fewer in dict.fromkeys((1, npages // 2, npages - 1)):
            if 0 < fewer < npages:
                pages = entry.pages.prefix(fewer)
                shorter = SgEntry(pages, fewer * PAGE_SIZE)
                yield evolve(step, sgl=(*step.sgl[:i], shorter, *step.sgl[i + 1 :]))
        if whole != entry:
            yield evolve(step, sgl=(*step.sgl[:i], whole, *step.sgl[i + 1 :]))


def _named_in_order(program: Program) -> Program:
    """*program* with mappings a, b, c and handles h1, h2 in the order they are made."""
    names = {m.name: chr(ord("a") + i) for i, m in enumerate(program.mappings[:26])}
    counts = {"h": 0, "m": 0}
    for step in program.steps:
        if step.makes:
            letter = "h" if hasattr(step, "handle") else "m"
            counts[letter] += 1
            names[step.makes] = f"{letter}{counts[letter]}"
    steps = tuple(_with_names(step, names) for step in program.steps)
    mappings = tuple(evolve(m, name=names.get(m.name, m.name)) for m in program.mappings)
    return evolve(program, steps=steps, mappings=mappings)


def _with_names(step: Step, names: dict[str, str]) -> Step:
    def change(pages: Any) -> Any:
        return evolve(pages, terms=tuple(map(term, pages.terms)))

    def term(part: Any) -> Any:
        if hasattr(part, "slices"):
            return evolve(part, slices=tuple(map(term, part.slices)))
        return evolve(part, name=names.get(part.name, part.name))

    changes: dict[str, Any] = {}
    for name in ("handle", "umem"):
        if hasattr(step, name):
            old = getattr(step, name)
            changes[name] = names.get(old, old)
    return evolve(with_lists(step, change), **changes)
