# SPDX-License-Identifier: MIT

"""What is taken and what is given back goes down together, whoever names it.

A long history leaves a head got in many steps and put in one, or pinned by many
entries and unpinned by another name. No step of them can go alone, and no two
are each other's opposite (`properties.reduce.shortcut.cancel`); as much less
of both leaves all else as it was.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.steps import IbUmemGet, IbUmemRelease, Unmap
from properties.judging.ledger import Ledger
from properties.judging.oracles.record import UNPINS
from properties.reduce.cut import without_entries, without_steps
from properties.reduce.rewrite import with_mapping
from properties.reduce.shortcut import MOST_PAIRED


if TYPE_CHECKING:
    from model.program import Program
    from properties.reduce.rewrite import Pass

#: A list that is unpinned as a whole, and one that pinned it, is of no more pages.
MOST_UNPINNED = 1024


def put_fewer(program: Program) -> Pass:
    """Get fewer references in one step, and put as many fewer in a later one."""
    later = len(program.steps) - 2
    while 0 < later <= MOST_PAIRED:
        for earlier in range(later - 1, -1, -1):
            smaller = _put_fewer(program, earlier, later)
            answer = (yield smaller) if smaller else None
            if answer:
                program = answer
                break
        later = min(later, len(program.steps) - 1) - 1


def _put_fewer(program: Program, earlier: int, later: int) -> Program | None:
    got: Any = program.steps[earlier]
    put: Any = program.steps[later]
    if (got.call, put.call) != ("get_page", "put_page"):
        return None
    heads = _heads(program, {earlier, later})
    if got.n == put.n or len(heads[earlier]) != 1 or heads[earlier] != heads[later]:
        # As many are `cancel`'s.
        return None
    n = min(got.n, put.n)
    changed = {earlier: evolve(got, n=got.n - n), later: evolve(put, n=put.n - n)}
    steps: list[Any] = [changed.get(i, step) for i, step in enumerate(program.steps)]
    left = [step for i, step in enumerate(steps) if i not in changed or step.n]
    return evolve(program, steps=tuple(left), lines=())


def unpin_fewer(program: Program) -> Pass:
    """Leave out a step that unpins, and as many pins of its heads that nothing else names."""
    later = len(program.steps) - 2
    while 0 < later <= MOST_PAIRED:
        smaller = _unpin_fewer(program, later)
        answer = (yield smaller) if smaller else None
        program = answer or program
        later = min(later, len(program.steps) - 1) - 1


def _unpin_fewer(program: Program, later: int) -> Program | None:
    steps = program.steps
    giving = steps[later]
    if giving.call not in UNPINS or not 0 < giving.npages_named <= MOST_UNPINNED:
        # A region's release names no pages.
        return None
    if getattr(giving, "npages", None) is not None:
        # An error value unpins none.
        return None
    released = {step.umem for step in steps if isinstance(step, IbUmemRelease)}
    pins = [
        i
        for i, step in enumerate(steps[:later])
        if step.call in {"pin_user_pages", "ib_umem_get"}
        and step.npages_named <= MOST_UNPINNED
        and step.makes not in released
    ]
    heads = _heads(program, {*pins, later})
    named = {
        entry
        for i, step in enumerate(steps)
        if i != later
        for pages in step.lists()
        for term in pages.slices()
        for entry in ((term.name, at) for at in term.indices)
    }
    missing = Counter(heads[later])
    fewer = without_steps(program, later, later + 1)
    # From the last on, so that those before stand where they stood.
    for i in reversed(pins):
        going = []
        for at in reversed(range(len(heads[i]))):
            if missing[heads[i][at]] and (steps[i].makes, at) not in named:
                missing[heads[i][at]] -= 1
                going.append(at)
        if len(going) == steps[i].npages_named:
            fewer = without_steps(fewer, i, i + 1)
            continue
        for at in going:
            fewer = without_entries(fewer, i, at, at + 1)
    return None if missing.total() else fewer


def unmap_fewer(program: Program) -> Pass:
    """Map the pages of a mapping once less from the start, and leave a step out that unmaps."""
    for name in [m.name for m in program.mappings]:
        index = len(program.steps) - 2
        while 0 <= index <= MOST_PAIRED:
            mapping = next(m for m in program.mappings if m.name == name)
            if isinstance(program.steps[index], Unmap) and mapping.refs > 1:
                fewer = evolve(mapping, refs=mapping.refs - 1)
                smaller = without_steps(program, index, index + 1)
                answer = yield evolve(smaller, mappings=tuple(with_mapping(program, fewer)))
                program = answer or program
            index = min(index, len(program.steps) - 1) - 1


def _heads(program: Program, at: set[int]) -> dict[int, list[int]]:
    """The head, as it was then, of each page that the steps *at* name, or that they pinned."""
    ledger = Ledger(program.semantics, program.mappings)
    found: dict[int, list[int]] = {}
    for i, step in enumerate(program.steps[: max(at) + 1]):
        pages = next(step.lists()).resolve(ledger.table) if i in at else ()
        ledger.take(step)
        if isinstance(step, IbUmemGet) and step.umem not in ledger.umems:
            pages = ()
        elif step.makes and step.makes not in ledger.umems:
            pages = pages[: len(ledger.table.get(step.makes, ()))]
        if i in at:
            found[i] = [ledger.head(page) for page in pages]
    return found
