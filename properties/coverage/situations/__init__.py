# SPDX-License-Identifier: MIT

"""Corners that a run really visited: one table of named situations.

Each is read off one step after it was carried out; a few also need to know
what was done to the same head before. What a run did not reach it cannot have
tested, so `verify` prints it. This runs after every step of every search, so
of a large call no more than the first `LOOKED_AT` runs are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from properties.coverage.situations import pinning, unpinning, world
from properties.coverage.situations.table import SITUATIONS


if TYPE_CHECKING:
    from collections.abc import Callable

    from properties.judging.oracles.record import Record

__all__ = ["SITUATIONS", "situations"]

_READERS: dict[str, Callable[[Record, set[str]], None]] = {
    "unpin_user_page": unpinning.heads,
    "unpin_user_pages": unpinning.unpin_list,
    "unpin_user_pages_dirty_lock": unpinning.unpin_list,
    "unpin_user_page_range_dirty_lock": unpinning.unpin_range,
    "ib_umem_release": unpinning.release,
    "pin_user_pages": pinning.pin,
    "pin_user_pages_fast_only": pinning.pin,
    "get_user_pages": pinning.pin,
    "get_page": pinning.counts,
    "ib_umem_get": pinning.umem_get,
    "ib_umem": pinning.umem,
    "unmap": world.unmap,
    "clean": world.clean,
    "put_page": world.put,
    "split_huge_page": world.split,
    "alloc_pages": world.alloc,
}


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
