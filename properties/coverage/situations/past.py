# SPDX-License-Identifier: MIT

"""What became of heads in the steps before, and how much of a call is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from attrs import define, field


if TYPE_CHECKING:
    from properties.judging.ledger import Ledger

#: So many runs, heads or slices of one call are looked at, and so many pages.
LOOKED_AT = 64
PAGES_LOOKED_AT = 1024


@define
class Past:
    """What became of heads in the steps before, of which their state says nothing."""

    cleaned: set[int] = field(factory=set)
    unpinned: set[int] = field(factory=set)
    again: set[int] = field(factory=set)


PASTS: WeakKeyDictionary[Ledger, Past] = WeakKeyDictionary()


def past_of(ledger: Ledger) -> Past:
    """What was done to the heads of *ledger*, from now on if nothing was seen before."""
    past = PASTS.get(ledger)
    if past is None:
        past = PASTS[ledger] = Past()
    return past
