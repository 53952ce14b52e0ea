# SPDX-License-Identifier: MIT

"""Passes that drop what releases n pins or references, and n that earlier steps take.

If only the step that takes them is dropped, later steps release too many; if only the step that
releases them is dropped, too many stay held. If both are dropped, later steps find the same
counts as before. The two steps may name a page differently: by a mapping or a handle.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from attrs import evolve

from model.program import Program
from model.regions import IbUmemGet
from properties.judging.ledger import Ledger
from properties.reduce.mappings import with_mapping
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import with_step, without_entries, without_steps
from properties.reduce.standing import unmaps

#: The pass skips a program with more than this many steps before its last two.
MAX_STEPS_BALANCED = 64

#: The pass does not change steps that pin or unpin more pages than this.
MAX_PAGES_BALANCED = 1024


def balance(program: Program) -> Proposals:
    """Drop a step that releases n pins or references, and n that earlier steps take."""
    later = len(program.steps) - 2
    while 0 <= later <= MAX_STEPS_BALANCED:
        smaller = chain(
            _undone_less(program, later),
            _unpinned_less(program, later),
            _unmapped_less(program, later),
        )
        program = (yield from first_accepted(smaller)) or program
        later = min(later, len(program.steps) - 1) - 1


def fewer_of_both(program: Program) -> Proposals:
    """Drop pages of a step that takes pins or references, and the same of a later one's list.

    If only one of them lost the pages, too many would be released, or too many stay held.
    """
    later = len(program.steps) - 1
    while 0 < later <= MAX_STEPS_BALANCED:
        program = (yield from first_accepted(_fewer_of_both(program, later))) or program
        later = min(later, len(program.steps)) - 1


def _fewer_of_both(program: Program, later: int) -> Iterator[Program]:
    """*program* with fewer pages in step *later* and an earlier one that names the same heads."""
    npages = program.steps[later].npages_named
    for earlier in _same_heads(program, later) if npages > 1 else ():
        for kept in dict.fromkeys((1, npages // 2, npages - 1)):
            for start, stop in ((kept, npages), (0, npages - kept)):
                fewer = without_entries(program, later, start, stop)
                yield without_entries(fewer, earlier, start, stop)


def _same_heads(program: Program, later: int) -> list[int]:
    """The steps that take what step *later* releases, if both name the same heads; last first."""
    giving = program.steps[later]
    npages = giving.npages_named
    if giving.releases_umem or not 0 < npages <= MAX_PAGES_BALANCED:
        return []
    pairs = [
        earlier
        for earlier, taking in enumerate(program.steps[:later])
        if taking.npages_named == npages
        if (giving.unpins and taking.pins) or (giving.undoes and giving.undoes == taking.call)
    ]
    heads = _heads(program, {*pairs, later}) if pairs else {}
    return [earlier for earlier in reversed(pairs) if heads[earlier] == heads[later]]


def pin_in_vain(program: Program) -> Proposals:
    """Replace a pin step and the one that unpins by one that does both: a region that fails."""
    later = len(program.steps) - 2
    while 0 < later <= MAX_STEPS_BALANCED:
        program = (yield from first_accepted(_pinned_in_vain(program, later))) or program
        later = min(later, len(program.steps) - 1) - 1


def _pinned_in_vain(program: Program, later: int) -> Iterator[Program]:
    """*program* without step *later* and with a region that fails instead of what it drops."""
    giving = program.steps[later]
    if giving.releases_umem:
        for earlier, step in enumerate(program.steps[:later]):
            if step.pins and step.makes in giving.uses():
                failing: Any = step
                fewer = without_steps(program, later, later + 1)
                yield with_step(fewer, earlier, evolve(failing, nmap=0))
        return
    made = {step.makes for step in program.steps}
    if giving.unpins:
        for earlier in _same_heads(program, later):
            taking: Any = program.steps[earlier]
            if taking.binds_handle:
                umem = next(name for name in map("m{}".format, count(1)) if name not in made)
                fails = IbUmemGet(umem=umem, pages=taking.pages, nmap=0)
                fewer = without_steps(program, later, later + 1)
                yield with_step(fewer, earlier, fails)


def _undone_less(program: Program, later: int) -> Iterator[Program]:
    """*program* without *later* and a step that *later* undoes, or with ``n=`` of both lowered."""
    giving: Any = program.steps[later]
    if giving.unpins or not giving.undoes:
        return
    for earlier in reversed(range(later)):
        taking: Any = program.steps[earlier]
        if taking.call != giving.undoes:
            continue
        times = [getattr(step, "n", 1) for step in (taking, giving)]
        if times[0] != times[1] and (
            times[0] * taking.npages_named == times[1] * giving.npages_named
        ):
            # One names a compound page once and *n* times, the other names it *n* times.
            yield without_steps(without_steps(program, later, later + 1), earlier, earlier + 1)
        n = min(times)
        smaller = program
        for index in (later, earlier):
            step: Any = program.steps[index]
            left = getattr(step, "n", 1) - n
            smaller = with_step(smaller, index, *([evolve(step, n=left)] if left else []))
        yield smaller


def _unpinned_less(program: Program, later: int) -> Iterator[Program]:
    """*program* without unpin step *later* and without the pins that it drops.

    For each of these pins, an entry that no other step names is removed from an earlier pin step.
    """
    steps = program.steps
    giving = steps[later]
    # A region's release names no pages, and a call with an error value for npages unpins none.
    if not giving.unpins or not 0 < giving.npages_named <= MAX_PAGES_BALANCED:
        return
    if getattr(giving, "npages", None) is not None:
        return
    released = {name for step in steps if step.releases_umem for name in step.uses()}
    pins = [
        i
        for i, step in enumerate(steps[:later])
        if step.pins
        and step.slow_path
        and step.npages_named <= MAX_PAGES_BALANCED
        and step.makes not in released
    ]
    heads = _heads(program, {*pins, later})
    named = {
        (term.name, at)
        for i, step in enumerate(steps)
        if i != later
        for pages in step.lists()
        for term in pages.slices()
        for at in term.indices
    }
    missing = Counter(heads[later])
    fewer = without_steps(program, later, later + 1)
    # Begin with the last pin step, so that the indices of the earlier ones stay valid.
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
    if not missing.total():
        yield fewer


def _unmapped_less(program: Program, later: int) -> Iterator[Program]:
    """If step *later* unmaps: *program* without it and with ``refs=`` of a mapping lowered by 1."""
    if unmaps(program.steps[later]):
        fewer = without_steps(program, later, later + 1)
        for mapping in program.mappings:
            if mapping.refs > 1:
                less = evolve(mapping, refs=mapping.refs - 1)
                yield evolve(fewer, mappings=with_mapping(fewer, less))


def _heads(program: Program, at: set[int]) -> dict[int, list[int]]:
    """For each step whose index is in *at*, the heads of the pages that it names or pins."""
    ledger = Ledger(program.semantics, program.mappings)
    found: dict[int, list[int]] = {}
    for i, step in enumerate(program.steps[: max(at) + 1]):
        pages = next(step.lists()).resolve(ledger.table) if i in at else ()
        ledger.take(step)
        if step.binds_umem and step.pins and step.makes not in ledger.umems:
            pages = ()
        elif step.makes and step.makes not in ledger.umems:
            pages = pages[: len(ledger.table.get(step.makes, ()))]
        if i in at:
            found[i] = [ledger.head(page) for page in pages]
    return found
