# SPDX-License-Identifier: MIT

"""Removes all compound pages but those that the last step of a long program names.

A failure that depends on more than what is held (`properties.reduce.condense`)
mostly depends on what was done to the same pages before. Of a hundred thousand
steps that leaves hundreds, in one execution instead of one for each step.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from attrs import evolve

from properties.judging.ledger import Ledger
from properties.reduce.lists import ALL
from properties.reduce.mappings import extents_between, npages, placements
from properties.reduce.remove import without_pages


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.mapping import Mapping
    from model.program import Program
    from properties.reduce.lists import Gone, Intervals

#: If the last step names more compound pages than this, there is little to remove.
MAX_COMPOUND_KEPT = 512


def narrowed(program: Program) -> Iterator[Program]:
    """*program* without the compound pages that its last step does not name.

    What is allocated together is kept together.

    :raises BadInput: if the program breaks the contract.
    """
    ledger = Ledger.after(program, program.steps[:-1])
    last = program.steps[-1]
    named = [pages.resolve(ledger.table) for pages in last.lists() if len(pages)]
    if last.releases_umem:
        named += [frames for name in last.uses() for frames in ledger.umems[name].entries]
    kept: set[tuple[str, int]] = set()
    for pages in named:
        for head in ledger.counts(pages):
            kept |= _compound(program, head, head + (1 << ledger.order(head)))
            if len(kept) > MAX_COMPOUND_KEPT:
                return
    if not kept:
        return
    made = [
        _compound(program, min(pages), max(pages) + 1)
        for step in program.steps
        if step.regroups
        for pages in [next(step.lists()).resolve(ledger.table)]
    ]
    while grown := [together for together in made if kept & together and together - kept]:
        kept.update(*grown)
    gone: Gone = {}
    mappings = []
    for mapping in program.mappings:
        smaller, gone[mapping.name] = _only(
            mapping, sorted(i for n, i in kept if n == mapping.name)
        )
        mappings += [smaller] if smaller else []
    if any(gone.values()):
        yield from placements(without_pages(program, gone, mappings))


def _compound(program: Program, start: int, stop: int) -> set[tuple[str, int]]:
    """The compound pages of frames *start* to *stop*: for each the mapping's name and its index.

    They are those that the mapping has at first.
    """
    found = set()
    for mapping in program.mappings:
        before = 0
        for extent in mapping.extents:
            first, last = max(start, extent.pfn), min(stop, extent.stop)
            if first < last:
                lo = before + ((first - extent.pfn) >> extent.order)
                hi = before + ((last - 1 - extent.pfn) >> extent.order)
                found |= {(mapping.name, i) for i in range(lo, hi + 1)}
            before += extent.count
    return found


def _only(mapping: Mapping, kept: Sequence[int]) -> tuple[Mapping | None, Intervals]:
    """*mapping* with compound pages *kept* alone, None without any; and the pages that go."""
    if not kept:
        return None, ALL
    extents = []
    gone = []
    end = 0
    for _, run in groupby(enumerate(kept), key=lambda item: item[1] - item[0]):
        indices = [index for _, index in run]
        stop = indices[-1] + 1
        gone.append((end, npages(extents_between(mapping.extents, 0, indices[0]))))
        end = npages(extents_between(mapping.extents, 0, stop))
        extents += extents_between(mapping.extents, indices[0], stop)
    gone.append((end, mapping.npages))
    return evolve(mapping, extents=tuple(extents)), [(lo, hi) for lo, hi in gone if lo < hi]
