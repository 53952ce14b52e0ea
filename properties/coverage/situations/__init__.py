# SPDX-License-Identifier: MIT

"""Corners that a run really visited: one table of named situations.

Each is read off one step after it was carried out; a few also need to know
what was done to the same head before. What a run did not reach it cannot have
tested, so `verify` prints it. This runs after every step of every search, so
of a large call no more than the first `LOOKED_AT` runs are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from model.steps import STEPS
from properties.coverage.situations import pinning, unpinning, world
from properties.coverage.situations.table import SITUATIONS


if TYPE_CHECKING:
    from model.step import Step
    from properties.judging.oracles.record import Record

__all__ = ["SITUATIONS", "situations"]

Reader: TypeAlias = Callable[["Record", set[str]], None]


def _reader(cls: type[Step]) -> Reader | None:
    """What reads situations off a step of *cls*, if there are any."""
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

    Those that take more than one step are seen if each step before was shown
    here too.
    """
    found: set[str] = set()
    reader = _READERS.get(record.step.call)
    if reader is not None:
        reader(record, found)
    return found
