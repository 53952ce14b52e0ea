# SPDX-License-Identifier: MIT

"""The counters and flags of one page, what snapshots show of them, and the journal's events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from attrs import define

from model.semantics import BIAS

#: The lowest and the highest count of a signed 32-bit integer.
MIN_COUNT, MAX_COUNT = -0x8000_0000, 0x7FFF_FFFF


class HeadState(NamedTuple):
    """What a snapshot shows of a head (or of a tail: its struct page has counters, too).

    :param allocated: False once the last reference is dropped.
    """

    refcount: int
    pincount: int
    dirty: bool
    allocated: bool

    def differences(self, other: HeadState) -> Iterator[tuple[str, int, int]]:
        """(field, value here, value in *other*) of each field that differs."""
        for what, here, there in zip(self._fields, self, other, strict=True):
            if here != there:
                yield what, here, there


class Event(NamedTuple):
    """One item of the journal.

    :param what: ``grab`` (adds references), ``put``, ``dirty`` (under the page lock), ``free``,
        ``stat`` (pins are counted in a statistic), ``stale`` (access to a freed page) or ``ask``
        (a pin call is called by another call).
    :param page: The frame; -1 for ``stat`` and ``ask``.
    :param refs: References added or dropped, or pins counted; for ``free`` the pincount left; for
        ``ask`` the flags, as in `model.step.FLAGS`.
    :param dirty: Whether the page was dirty before the event.
    """

    what: str
    page: int
    refs: int
    dirty: bool


#: Make a HeadState, or an Event, of a tuple of its fields. Each step makes a dozen, and this takes
#: two thirds of the time of calling the class.
head_state: Callable[[tuple[int, int, bool, bool]], HeadState] = partial(tuple.__new__, HeadState)
event: Callable[[tuple[str, int, int, bool]], Event] = partial(tuple.__new__, Event)


@define
class Page:
    """The counters and flags of one frame.

    :param exact: Whether it has a pincount, separate from the refcount.
    :param maps: Number of times it is mapped.
    :param migrated: Whether it was moved to where a long-term pin may keep it.
    """

    refcount: int
    exact: bool
    pincount: int = 0
    dirty: bool = False
    maps: int = 0
    allocated: bool = True
    migrated: bool = False

    def state(self) -> HeadState:
        """What a snapshot shows of the page."""
        return head_state((self.refcount, self.pincount, self.dirty, self.allocated))

    def maybe_dma_pinned(self) -> bool:
        """``page_maybe_dma_pinned()``.

        Without a pincount the refcount is compared *unsigned*, so the result is also true for a
        wrapped count and for 1024 plain references.
        """
        if self.exact:
            return self.pincount > 0
        return self.refcount % 0x1_0000_0000 >= BIAS


def decoded(heads: Iterable[Sequence[int]]) -> tuple[dict[int, HeadState], frozenset[int]]:
    """The states of *heads* by frame, and the frames that are maybe pinned.

    :param heads: Each has frame, refcount, pincount, flags (1 dirty, 2 allocated, 4 maybe pinned).
    """
    states = {}
    pinned = set()
    for pfn, refcount, pincount, look in heads:
        states[pfn] = HeadState(refcount, pincount, bool(look & 1), bool(look & 2))
        if look & 4:
            pinned.add(pfn)
    return states, frozenset(pinned)


def wrapped(count: int) -> int:
    """*count* wrapped to a signed 32-bit integer."""
    if MIN_COUNT <= count <= MAX_COUNT:
        return count
    return (count + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
