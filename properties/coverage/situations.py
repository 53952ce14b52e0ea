# SPDX-License-Identifier: MIT

"""Which situations a step is in, and the readers of world steps.

A reader yields the situations of a step that was carried out; some depend on earlier steps
(`properties.judging.oracles.record`). Searches read every step, so at most `MAX_EXAMINED` runs
of a step are examined.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias

from model.step import Step
from model.steps import STEPS
from properties.coverage import pinning, unpinning
from properties.coverage.points import MAX_EXAMINED
from properties.judging.oracles.record import Record

Reader: TypeAlias = Callable[[Record], Iterable[str]]


def situations(record: Record) -> set[str]:
    """The names of the situations that the step of *record* is in.

    Call it for every step of a program in order: some situations depend on earlier steps.
    """
    reader = _READERS.get(record.step.call)
    return set(reader(record)) if reader else set()


def _unmap(record: Record) -> Iterator[str]:
    held = map(record.ledger.held, islice(record.reference.heads, MAX_EXAMINED))
    if any(one.pins and not one.maps for one in held):
        yield "unmap-pinned"


def _clean(record: Record) -> tuple[str, ...]:
    """No situations; but the history gets the pinned heads that the step cleans."""
    for head in islice(record.reference.heads, MAX_EXAMINED):
        if record.state_before(head).dirty and record.ledger.held(head).pins:
            record.history.cleaned.add(head)
    return ()


def _put_page(record: Record) -> Iterator[str]:
    if not all(state.allocated for state in islice(record.reference.heads.values(), MAX_EXAMINED)):
        yield "put-frees"


def _split_huge_page(record: Record) -> Iterator[str]:
    if record.returned:
        yield "split-refused"
        return
    yield "split-done"
    if not record.history.unpinned.isdisjoint(record.reference.heads):
        yield "split-unpinned"


def _alloc_pages(record: Record) -> Iterator[str]:
    step: Any = record.step
    heads = record.reference.heads
    if len(step.orders) > 1 or record.ledger.order(min(heads)):
        yield "other-order"
    history = record.history
    history.again.update(heads)
    # The compound pages that had these frames no longer exist.
    history.unpinned.difference_update(heads)
    history.cleaned.difference_update(heads)


_WORLD: dict[str, Reader] = {
    "unmap": _unmap,
    "clean": _clean,
    "put_page": _put_page,
    "split_huge_page": _split_huge_page,
    "alloc_pages": _alloc_pages,
}


def _reader(cls: type[Step]) -> Reader | None:
    """The function that yields the situations of a step of *cls*; None if it has none."""
    if cls.releases_umem:
        return unpinning.release
    if cls.unpins:
        if cls.takes_range:
            return unpinning.unpin_range
        return unpinning.unpin_list if cls.takes_array else unpinning.heads
    if cls.binds_umem:
        return pinning.umem_get if cls.pins else pinning.umem
    if cls.binds_handle:
        return pinning.pin
    return pinning.counts if cls.gets or cls.pins else _WORLD.get(cls.call)


_READERS = {call: reader for call, cls in STEPS.items() if (reader := _reader(cls))}
