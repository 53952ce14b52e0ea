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
from model.step import MAX_SEGMENT, shown
from model.steps import IbUmem, IbUmemGet
from properties.reduce.cut import HANDLES, PLAIN, CannotCut, without_entries, without_steps
from properties.reduce.edge import edges
from properties.reduce.fold import clamp, closer, merge
from properties.reduce.plainer import simplify
from properties.reduce.rewrite import (
    join_pins,
    lower_order,
    repoint,
    without_compound,
)
from properties.reduce.shortcut import cancel, shortcut


if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from model.program import Program
    from properties.reduce.rewrite import Pass


#: A list is long if it has more entries than this.
LONG = 256

#: Pieces of less than one part in this many are not tried everywhere.
FINE = 16


def _chunks(length: int) -> Generator[tuple[int, int], bool, None]:
    """Intervals of 0..length, halves first, from the end; sent whether it went."""
    size = length
    while size:
        stop = length
        while stop > 0:
            start = max(0, stop - size)
            if (yield start, stop):
                length -= stop - start
            stop = start
        size //= 2


def drop_steps(program: Program) -> Pass:
    """Leave steps out, with all that used them. The last is the one that fails."""
    chunks = _chunks(len(program.steps) - 1)
    went = None
    while True:
        try:
            start, stop = next(chunks) if went is None else chunks.send(went)
        except StopIteration:
            return
        size = len(program.steps)
        answer = yield without_steps(program, start, stop)
        program = answer or program
        went = len(program.steps) < size


def drop_compound(program: Program) -> Pass:
    """Leave compound pages out, with all that named them."""
    for name in [m.name for m in program.mappings]:
        mapping = next(m for m in program.mappings if m.name == name)
        size = mapping.ncompound
        while size:
            stop = mapping.ncompound
            while stop > 0:
                start = max(0, stop - size)
                for smaller in without_compound(program, name, start, stop):
                    answer = yield smaller
                    if answer:
                        program = answer
                        break
                stop = start
                found = [m for m in program.mappings if m.name == name]
                if not found:
                    break
                mapping = found[0]
                stop = min(stop, mapping.ncompound)
            else:
                size //= 2
                continue
            break


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


def halve_lists(program: Program) -> Pass:
    """Name far fewer pages in each list that is long, before its steps are tried one by one."""
    return fewer_pages(program, long=LONG)


def fewer_pages(program: Program, long: int = 0) -> Pass:
    """Name fewer pages in each list that has more than *long*.

    :param long: If not 0, only large pieces are tried, an eighth at least.
    """
    index = len(program.steps) - 1
    while index >= 0:
        step = program.steps[index]
        kinds = [a.metadata["kind"] for a in shown(step)]
        if kinds[0] == "pages" and step.call not in {"unpin_user_page", "alloc_pages"}:
            length = step.npages_named
            size = length // 2 if length > long else 0
            while size > (length // 8 if long else 0):
                stop = length
                while stop > 0:
                    if size * FINE < length and 0 < stop < length:
                        # Small pieces go from the ends only: few lists are long for
                        # the sake of what is in them.
                        stop = min(stop, size)
                    start = max(0, stop - size)
                    try:
                        smaller = without_entries(program, index, start, stop)
                    except CannotCut:
                        stop = start
                        continue
                    answer = yield smaller
                    if answer:
                        if len(answer.steps) < len(program.steps):
                            # Later steps went too; this one still stands where it was.
                            index = min(index, len(answer.steps) - 1)
                        program = answer
                        length = program.steps[index].npages_named
                    stop = min(start, length)
                size = min(size, length) // 2
        index -= 1


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


def repeat_one(program: Program) -> Pass:
    """Let a list that pins name its first page over and over, so that others can go."""
    for index, step in enumerate(program.steps):
        if isinstance(step, (*HANDLES, IbUmemGet)) and 1 < len(step.pages) <= PLAIN:
            entries = [next(step.pages.entries())] * len(step.pages)
            once = evolve(step, pages=from_entries(entries))
            if isinstance(once, IbUmemGet):
                once = evolve(once, max_segment=MAX_SEGMENT)
            steps = (*program.steps[:index], once, *program.steps[index + 1 :])
            smaller = evolve(program, steps=steps)
            if (yield smaller):
                return
            for mapping in program.mappings:
                for only in _only_first(smaller, mapping.name):
                    answer = yield only
                    if answer:
                        return
            folded = clamp(smaller)
            for less in folded:
                if (yield less):
                    return


def _only_first(program: Program, name: str) -> Generator[Program, None, None]:
    """*program* with one compound page of *name*, the first that a list names."""
    mapping = next(m for m in program.mappings if m.name == name)
    used = {i for s in program.steps for p in s.lists() for n, i in p.entries() if n == name}
    if not used or mapping.ncompound == 1 or mapping.ncompound > 64:
        return
    at = nth = 0
    for extent in mapping.extents:
        for _ in range(extent.count):
            if any(at <= page < at + (1 << extent.order) for page in used):
                for after in without_compound(program, name, nth + 1, mapping.ncompound):
                    yield from without_compound(after, name, 0, nth) if nth else [after]
                return
            at += 1 << extent.order
            nth += 1


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
    halve_lists,
    shortcut,
    drop_steps,
    cancel,
    simplify,
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
    pin_what_is_unpinned,
)
