# SPDX-License-Identifier: MIT

"""The passes of the reducer: what may be left out, joined, lowered or made plainer.

Each is a generator (`properties.reduce.rewrite.Pass`). What counts as smaller is
`model.program.Program.size`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.pagelist import from_entries
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT
from model.steps import IbUmem, IbUmemGet
from properties.reduce.balance import put_fewer, unmap_fewer, unpin_fewer
from properties.reduce.cut import HANDLES, PLAIN
from properties.reduce.drop import (
    drop_compound,
    drop_pairs,
    drop_steps,
    fewer_pages,
    halve_lists,
)
from properties.reduce.edge import edges
from properties.reduce.fold import clamp, closer, merge
from properties.reduce.limit import at_limit
from properties.reduce.plainer import simplify
from properties.reduce.repeat import repeat_most, repeat_one, repeat_two
from properties.reduce.rewrite import (
    join_pins,
    lower_order,
    repoint,
)
from properties.reduce.shortcut import cancel, shortcut


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.program import Program
    from properties.reduce.rewrite import Pass


def lower_orders(program: Program) -> Pass:
    """Cut compound pages down to lower orders, the lowest first."""
    for name in [m.name for m in program.mappings]:
        index = 0
        while True:
            mapping = next(m for m in program.mappings if m.name == name)
            if index >= min(mapping.ncompound, 64):
                break
            order = _order(mapping, index)
            for lower in [*range(min(order, 4)), *range(max(order - 1, 4), order)]:
                answer = None
                for smaller in lower_order(program, name, index, lower):
                    answer = yield smaller
                    if answer:
                        program = answer
                        break
                if answer:
                    break
            else:
                index += 1
                continue
            if lower == 0:
                index += 1


def _order(mapping: Any, index: int) -> int:
    for extent in mapping.extents:
        if index < extent.count:
            return int(extent.order)
        index -= extent.count
    msg = f"{mapping.name} has fewer compound pages"
    raise IndexError(msg)


def join(program: Program) -> Pass:
    """Make one pin of two, or turn what used one to another."""
    second = len(program.steps) - 1
    while second > 0:
        for first in range(second - 1, -1, -1):
            if second >= len(program.steps):
                break
            for combine in (repoint, join_pins):
                smaller = combine(program, first, second)
                answer = (yield smaller) if smaller else None
                if answer:
                    program = answer
                    break
            else:
                continue
            break
        second -= 1


def fail_alone(program: Program) -> Pass:
    """Let a registration fail without the help of other steps."""
    step = program.steps[-1]
    if isinstance(step, IbUmemGet):
        alone = evolve(step, nmap=0, append_fails=None)
        yield evolve(program, steps=(alone,))


def register(program: Program) -> Pass:
    """Let a region pin its own pages, where it was made of pins before."""
    for index, step in enumerate(program.steps):
        if not isinstance(step, IbUmem) or sum(len(e.pages) for e in step.sgl) > PLAIN:
            continue
        pins = {s.handle: s.pages for s in program.steps[:index] if isinstance(s, HANDLES)}
        listed = {name: list(pages.entries()) for name, pages in pins.items()}
        entries = [
            listed[name][position] if name in listed else (name, position)
            for sg in step.sgl
            for name, position in sg.pages.entries()
        ]
        got = IbUmemGet(
            umem=step.umem,
            pages=from_entries(entries),
            writable=step.writable,
            max_segment=MAX_SEGMENT if len(step.sgl) == 1 else PAGE_SIZE,
            nmap=step.nmap,
        )
        # Where mapping failed, so would a registration: one merged entry will do.
        merged = evolve(got, pages=from_entries(entries[:1] * 2), max_segment=MAX_SEGMENT, nmap=1)
        rest = [s for s in program.steps[:index] if not (s.makes and s.makes in step.uses())]
        for region in (got, merged):
            answer = yield evolve(program, steps=(*rest, region, *program.steps[index + 1 :]))
            if answer:
                return


def pin_what_is_unpinned(program: Program) -> Pass:
    """Let a pin name the very pages that a later step does."""
    for later in range(len(program.steps) - 1, 0, -1):
        for earlier in range(later):
            for pages in program.steps[later].lists():
                pin = program.steps[earlier]
                if not isinstance(pin, HANDLES) or len(pages) > len(pin.pages):
                    continue
                if pages.names() <= {mapping.name for mapping in program.mappings}:
                    changed = evolve(pin, pages=pages)
                    steps = (*program.steps[:earlier], changed, *program.steps[earlier + 1 :])
                    answer = yield evolve(program, steps=steps)
                    if answer:
                        # What comes after may have moved; the next round goes on.
                        return


PASSES: tuple[Callable[[Program], Pass], ...] = (
    fail_alone,
    at_limit,
    shortcut,
    halve_lists,
    drop_steps,
    cancel,
    put_fewer,
    unpin_fewer,
    unmap_fewer,
    simplify,
    repeat_most,
    drop_compound,
    lower_orders,
    fewer_pages,
    closer,
    clamp,
    merge,
    edges,
    join,
    register,
    repeat_one,
    repeat_two,
    pin_what_is_unpinned,
    drop_pairs,
)
