# SPDX-License-Identifier: MIT

"""Which situations a step is in: the readers of all calls.

A step is read after it was carried out; some situations also depend on earlier steps
(`properties.judging.history`). Searches do this after every step, so at most
`MAX_EXAMINED` runs of a step are examined.
"""

from collections.abc import Callable
from typing import TypeAlias

from model.step import Step
from model.steps import STEPS
from properties.coverage import pinning, unpinning, world
from properties.judging.oracles.record import Record


Reader: TypeAlias = Callable[["Record", set[str]], None]


def _reader(cls: type[Step]) -> Reader | None:
    """The function that adds the situations of a step of *cls*; None if it has none."""
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
    if cls.gets:
        return pinning.counts
    return getattr(world, cls.call, None)


_READERS = {call: reader for call, cls in STEPS.items() if (reader := _reader(cls))}


def situations(record: Record) -> set[str]:
    """The names of the situations that the step of *record* is in.

    Call it for every step of a run in order: some situations depend on earlier steps.
    """
    found: set[str] = set()
    reader = _READERS.get(record.step.call)
    if reader is not None:
        reader(record, found)
    return found
