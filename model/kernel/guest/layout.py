# SPDX-License-Identifier: MIT

"""Places the pages of a program in a guest, whose frames differ from the program's.

Pages are numbered. Consecutive pages of a mapping have consecutive numbers, and the agent maps
them at consecutive addresses. Where the program's frames are consecutive, the agent is asked
for consecutive frames, so that a range of pages stays a range.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby

from attrs import frozen

from model.attributes import Attributes
from model.kernel.source.segments import segments
from model.mapping import Extent, Mapping, align_up
from model.pagelist import NULL
from model.semantics import PMD_ORDER

#: The agent's names of its pools, by kind of mapping and order.
POOLS = {
    ("base", 0): "base",
    ("thp", 9): "thp",
    ("hugetlb", 9): "hugetlb",
    ("hugetlb", 18): "gigantic",
    ("page-cache", 0): "page-cache",
    ("zero", 0): "zero",
}


#: What differs from the usual in page table entries, as in inside/headcount.h.
BY_PTES, READ_ONLY, ABSENT, MOVABLE, STAYS = 1, 2, 4, 64, 128
FAULTS = {"": 0, "bus": 8, "oom": 16, "retry": 32}

#: What the agent's pools of pages that a long-term pin has to move are called in addition.
MOVABLE_POOL = "-movable"


@frozen
class Placed:
    """An extent, and the number of its first page."""

    extent: Extent
    kind: str
    number: int
    attributes: Attributes

    @property
    def entries(self) -> int:
        """What the page table entries are like."""
        attributes = self.attributes
        found = FAULTS[attributes.fault]
        for given, flag in (
            (attributes.largest < PMD_ORDER <= self.extent.order, BY_PTES),
            (not attributes.writable, READ_ONLY),
            (not attributes.present, ABSENT),
            (attributes.movable, MOVABLE),
            (not attributes.migrates, STAYS),
        ):
            found |= flag if given else 0
        return found

    @property
    def pool(self) -> str:
        """The agent's pool of such pages."""
        name = POOLS[self.kind, self.extent.order]
        return name + MOVABLE_POOL if self.attributes.movable else name


class Layout:
    """The numbers of the pages of *mappings*, and the requests that place the pages."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._placed: list[Placed] = []
        number = 0
        for mapping in mappings:
            for extent in mapping.extents:
                if extent.order >= PMD_ORDER and mapping.kind != "driver":
                    number = align_up(number, extent.order)
                self._placed.append(Placed(extent, mapping.kind, number, mapping.attributes))
                number += extent.count << extent.order
        self._by_number = [one.number for one in self._placed]
        self._lying = sorted(self._placed, key=lambda one: one.extent.pfn)
        self._by_pfn = [one.extent.pfn for one in self._lying]
        self._kinds = frozenset((one.kind, one.extent.order) for one in self._placed)

    def requests(self) -> Iterator[str]:
        """The requests that make the agent map the pages."""
        driver: list[list[Placed]] = []
        for stretch in self._stretches():
            first = stretch[0]
            if first.kind == "driver":
                driver.append(stretch)
                continue
            count = sum(one.extent.count for one in stretch)
            words = (f"{one.number}:{one.extent.count}" for one in stretch)
            yield f"place {first.pool} {count} {' '.join(words)}"
        if driver:
            yield _driver(driver)
        for one in self._placed:
            if one.entries:
                extent = one.extent
                yield f"entries {one.entries} {one.number}:{extent.order}:{extent.count}"

    def _stretches(self) -> Iterator[list[Placed]]:
        """Groups of extents: each has consecutive frames and needs one pool. Lowest frame first."""
        found: list[Placed] = []
        for one in self._lying:
            if found:
                last = found[-1]
                apart = last.extent.stop != one.extent.pfn or last.kind != one.kind
                apart = apart or last.attributes.movable != one.attributes.movable
                if apart or (one.kind != "driver" and last.extent.order != one.extent.order):
                    yield found
                    found = []
            found.append(one)
        if found:
            yield found

    def kinds(self, pages: Sequence[int]) -> frozenset[tuple[str, int]]:
        """(kind of mapping, order) of the compound pages that contain *pages*, as a set."""
        if len(self._kinds) == 1:
            return self._kinds
        return frozenset((one.kind, one.extent.order) for one in map(self._at, pages))

    def number(self, pfn: int) -> int:
        """The number of the page with the program's frame *pfn*."""
        one = self._at(pfn)
        return one.number + pfn - one.extent.pfn

    def head(self, pfn: int) -> tuple[int, int]:
        """The guest's number for the head of *pfn*, and the order of its compound page."""
        one = self._at(pfn)
        into = pfn - one.extent.pfn
        return one.number + (into >> one.extent.order << one.extent.order), one.extent.order

    def _at(self, pfn: int) -> Placed:
        return self._lying[bisect_right(self._by_pfn, pfn) - 1]

    def pfn(self, number: int) -> int:
        """The program's frame of the page *number*."""
        one = self._placed[bisect_right(self._by_number, number) - 1]
        return one.extent.pfn + number - one.number

    def words(self, pages: Sequence[int]) -> str:
        """The frames *pages* as a list in the agent's protocol."""
        if isinstance(pages, range) and pages and pages.step > 0:
            stop = self._at(pages[0]).extent.stop
            if pages[-1] < stop:
                return f"{self.number(pages[0])}:{len(pages)}:{pages.step}"
        words: list[str] = []
        for null, some in groupby(pages, NULL.__eq__):
            if null:
                words += ["N" for _ in some]
            else:
                for part in segments([*map(self.number, some)]):
                    rest = f":{part.length}:{part.step}" if part.length > 1 else ""
                    words.append(f"{part.start}{rest}")
        return " ".join(words)


def _driver(stretches: list[list[Placed]]) -> str:
    """The request for driver pages; *stretches* (see `Layout._stretches`) keep their alignment."""
    words = []
    at = 0
    for stretch in stretches:
        first = stretch[0].extent.pfn
        align = max(one.extent.order for one in stretch)
        at = align_up(at - first % (1 << align), align) + first % (1 << align)
        for one in stretch:
            offset = at + one.extent.pfn - first
            words.append(f"{offset}:{one.number}:{one.extent.order}:{one.extent.count}")
        at += stretch[-1].extent.stop - first
    return f"driver {at} {' '.join(words)}"
