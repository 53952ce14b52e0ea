# SPDX-License-Identifier: MIT

"""Replaces all but the last steps of a program by a few steps that lead to the same state.

The result of a step depends on the state before it. A few steps that pin, map or dirty pages
can lead to the same state as a hundred thousand steps. If the failure of a step depends on
nothing but the state before the step, the few steps are enough to show the failure.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import evolve

from model.mapping import Mapping
from model.program import Program
from model.step import Step
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT
from properties.reduce.lists import CannotRewrite, with_lists, with_pages
from properties.reduce.standing import Standing, bridge, named, new_handles, pin_step, slower_step

#: Maximum number of pages of a handle or region that the new steps make again.
MAX_PAGES_REBUILT = 4_096

#: Maximum number of added mappings of a page; plain references replace any further mappings.
MAX_MAPS = 64


def condensed(program: Program, window: int) -> Iterator[Program]:
    """The last *window* steps of *program*, after a few steps that lead to the state before them.

    The yielded program may break the contract or lead to another state, so the caller has to
    execute it: near a refcount of 2^31 the order of steps matters, plain references replace
    mappings of a page if more than MAX_MAPS were added to it, and no page has migrated yet.

    :raises CannotRewrite: if too many pages are held, or few steps cannot lead to that state.
    :raises BadInput: if *program* breaks the contract.
    """
    at = len(program.steps) - window
    last = tuple(program.steps[at:])
    ledger = Ledger.after(program, program.steps[:at])
    mappings = tuple(_as_it_stands(m, ledger, last) for m in program.mappings)
    made = {step.makes: step for step in program.steps[:at] if step.makes}
    used = {name for step in last for name in step.uses()}
    again = [_rebuilt(step, ledger) for name, step in made.items() if name in used]
    pins: Counter[int] = Counter()
    gets: Counter[int] = Counter()
    for name, step in made.items():
        if name in used and (step.binds_handle or step.pins):
            frames = ledger.table[name] if step.binds_handle else ledger.umems[name].pages()
            (gets if step.gets else pins).update(ledger.counts(frames))
    heads = sorted({head for head, _ in ledger.known()} | pins.keys() | gets.keys())
    before, between = [], []
    for head in heads:
        held = Standing.of(head, ledger)
        refs = ledger.first_refs(head)
        extra = max(0, held.maps - refs - MAX_MAPS)
        held = evolve(held, maps=held.maps - extra, gets=held.gets + extra)
        fresh = evolve(held, maps=refs, gets=0, pins=0, dirty=False, alive=True)
        # Only a pin can bring a refcount past 2^31, so plain references are taken before pins.
        wrapped = ledger.held(head).total >= COUNT_LIMIT
        early = max(0, held.gets - gets[head]) if wrapped else 0
        ready = evolve(fresh, maps=max(refs, held.maps), gets=early)
        before.append((fresh, ready))
        between.append((evolve(ready, gets=early + gets[head], pins=pins[head]), held))
    handle = next(new_handles(step.makes for step in (*again, *last)))
    steps = (*bridge(before, ""), *again, *bridge(between, handle), *last)
    yield evolve(program, mappings=mappings, steps=steps, lines=())


def _as_it_stands(mapping: Mapping, ledger: Ledger, last: Sequence[Step]) -> Mapping:
    """*mapping* with *ledger*'s compound pages; its kind becomes driver if it lacks an order."""
    extents = ledger.extents(mapping)
    if ledger.semantics.orders[mapping.kind].issuperset(e.order for e in extents):
        return evolve(mapping, extents=extents)
    # Huge pages were split into orders that their kind lacks; only the kind driver has these.
    # But pages of this kind cannot be split, so none of the last steps may be a split.
    if any(step.regroups and step.takes_one_page for step in last):
        raise CannotRewrite
    return evolve(mapping, kind="driver", extents=extents)


def _rebuilt(step: Step, ledger: Ledger) -> Step:
    """*step* with only the pages that its handle or region holds in *ledger*, so it succeeds."""
    name = step.makes
    if step.binds_umem and name not in ledger.umems:
        raise CannotRewrite
    parts = ledger.umems[name].entries if step.binds_umem else [ledger.table[name]]
    if sum(map(len, parts)) > MAX_PAGES_REBUILT:
        raise CannotRewrite
    if step.binds_umem and not step.pins:
        # This step pins nothing: the steps of `bridge` pin its pages.
        entries = iter(parts)
        return with_lists(step, lambda _: named(next(entries), ledger))
    pages = named([frame for part in parts for frame in part], ledger)
    if step.binds_handle and step.pins:
        return pin_step(name, pages)
    return with_pages(slower_step(step) if step.slower else step, pages)
