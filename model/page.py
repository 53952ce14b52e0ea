# SPDX-License-Identifier: MIT

"""One page's counters and flags, what can be seen of them, and what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import define

from model.semantics import BIAS


if TYPE_CHECKING:
    from collections.abc import Iterator


class HeadState(NamedTuple):
    """What can be seen of one head page (or of a tail, which has its own counters).

    :param allocated: False from the moment its last reference is dropped.
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
    """One entry of the journal.

    :param what: ``grab``, ``put``, ``dirty`` (under the page lock), ``free``,
        ``stat`` or ``stale`` (the page had been freed before).
    :param page: The frame it happened to.
    :param refs: References taken, dropped or counted.
    :param dirty: Whether the page was dirty at that moment.
    """

    what: str
    page: int
    refs: int
    dirty: bool


@define
class Page:
    """The counters of one frame that was touched.

    :param exact: Whether its pins have a counter of their own.
    """

    refcount: int
    exact: bool
    pincount: int = 0
    dirty: bool = False
    maps: int = 0
    allocated: bool = True

    def state(self) -> HeadState:
        """What can be seen of it."""
        return HeadState(self.refcount, self.pincount, self.dirty, self.allocated)

    def maybe_dma_pinned(self) -> bool:
        """Whether it may be pinned: surely so only where pins are counted exactly."""
        if self.exact:
            return self.pincount > 0
        return self.refcount % 0x1_0000_0000 >= BIAS


def wrapped(count: int) -> int:
    """*count* as a signed 32-bit integer holds it."""
    if -0x8000_0000 <= count < 0x8000_0000:
        return count
    return (count + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
