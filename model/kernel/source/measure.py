# SPDX-License-Identifier: MIT

"""How long a tree's own functions take, with the processor's atomics and nothing between."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import cffi
from attrs import frozen

from model.errors import BadInput
from model.kernel.source.build import build


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.kernel.source.tree import Tree

#: Of a region's entries that are not as large as compound pages allow: 64 KiB.
SEGMENT = 16


#: Passes after which every pin is gone.
RELEASING = frozenset({"singly", "listed", "released"})


@frozen
class Pages:
    """What was measured on compound pages of one order, in nanoseconds for all pages.

    :param singly: ``unpin_user_page()`` for each page of a list.
    :param listed: ``unpin_user_pages()`` of the list.
    :param released: A region given back page by page, as before the series.
    :param ranges: The range call over segments of `SEGMENT`, 512 and all pages of
        a compound page, by their sizes; empty where the tree has none.
    :param region: A region registered and given back, by the tree's own umem.c.
    :param registered: The registering of it.
    :param heads: The bound of what puts once for each head: one locked subtraction.
    :param walk: The bound of what looks at each struct page: reading it.
    """

    order: int
    singly: float
    listed: float
    released: float
    ranges: dict[int, float]
    region: float
    registered: float
    heads: float
    walk: float


class Measure:
    """The functions of one tree, to be measured in this process."""

    def __init__(self, tree: Tree) -> None:
        self.library = build(tree, "vmemmap", measured=True)
        self._ffi = cffi.FFI()
        self._ffi.cdef(
            "int hc_measure_on(long, int); long hc_singly(void); long hc_listed(void);"
            "long hc_released_singly(void); long hc_ranges(long); long hc_region(long, long *);"
            "long hc_bound_heads(void); long hc_bound_walk(void); long hc_left(void);"
        )
        self._lib: Any = self._ffi.dlopen(str(self.library.path))

    def pages(self, npages: int, order: int, rounds: int) -> Pages:
        """Measure on *npages* in compound pages of *order*: medians of *rounds*, all in turn.

        :raises BadInput: if there is no memory for so many struct pages, or a pass does
            not release what it is to release.
        """
        lib = self._lib
        if lib.hc_measure_on(npages, order):
            msg = f"there is no memory for {npages} struct pages and a list of them"
            raise BadInput(msg)
        get = self._ffi.new("long *")
        segments = sorted({min(SEGMENT, 1 << order), min(512, 1 << order), 1 << order})
        if "unpin_user_page_range_dirty_lock" not in self.library.names:
            segments = []
        passes: dict[str, Callable[[], int]] = {
            "singly": lib.hc_singly,
            "listed": lib.hc_listed,
            "released": lib.hc_released_singly,
            "region": lambda: lib.hc_region(1 << order, get),
            "heads": lib.hc_bound_heads,
            "walk": lib.hc_bound_walk,
        }
        taken: dict[str, list[float]] = {name: [] for name in (*passes, "registered")}
        ranges: dict[int, list[float]] = {segment: [] for segment in segments}
        for _ in range(rounds):
            for name, one in passes.items():
                taken[name].append(one())
                if name in RELEASING:
                    self._released(name)
            taken["registered"].append(get[0])
            for segment in segments:
                ranges[segment].append(lib.hc_ranges(segment))
                self._released(f"ranges of {segment}")
        return Pages(
            order,
            ranges={segment: median(times) for segment, times in ranges.items()},
            **{name: median(times) for name, times in taken.items()},
        )

    def _released(self, name: str) -> None:
        left = self._lib.hc_left()
        if left:
            msg = (
                f"{name}: {left} heads are left with a wrong count; what counts wrong has no speed"
            )
            raise BadInput(msg)
