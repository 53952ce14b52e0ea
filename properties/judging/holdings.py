# SPDX-License-Identifier: MIT

"""What is held of one compound page, and of one memory region."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from attrs import define

from model.errors import BadInput


class ContractBroken(BadInput):
    """A step releases more than is held, or touches what is free."""


@define
class Held:
    """What is held of one compound page: mappings, plain references (*gets*) and pins.

    :param each: The number that one pin adds to the refcount; 0 if pins are not counted.
    :param alive: Whether it is allocated.
    :param migrated: Whether it was moved to where a long-term pin may keep it.
    """

    each: int
    maps: int
    gets: int = 0
    pins: int = 0
    dirty: bool = False
    alive: bool = True
    migrated: bool = False

    @property
    def mapped(self) -> bool:
        """Whether a page table maps the compound page."""
        return self.maps > 0 and self.alive

    @property
    def total(self) -> int:
        """The refcount without 32-bit wraparound."""
        return self.maps + self.gets + self.pins * self.each


def totals(runs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The number of entries of each head in *runs*, which are pairs (head, entries)."""
    found: dict[int, int] = {}
    for head, entries in runs:
        found[head] = found.get(head, 0) + entries
    return found


class Region(NamedTuple):
    """A memory region: the frames of each scatterlist entry, and the result of DMA mapping.

    :param nmap: Number of entries after the IOMMU merged some; None if it merged none.
    """

    entries: list[Sequence[int]]
    writable: bool
    nmap: int | None

    def pages(self) -> Sequence[int]:
        """The frames of all entries, one entry after another."""
        return self.entries[0] if len(self.entries) == 1 else [*chain(*self.entries)]
