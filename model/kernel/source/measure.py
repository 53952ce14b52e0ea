# SPDX-License-Identifier: MIT

"""Time measurements of a tree's functions in this process, with the processor's atomics."""

from collections.abc import Callable
from statistics import median
from typing import Any

import cffi
from attrs import frozen

from model.errors import BadInput
from model.kernel.source.build import build
from model.kernel.source.process import OPS
from model.kernel.source.segments import operation
from model.kernel.source.tree import Tree
from model.steps import STEPS

#: Length of a short range in pages: 64 KiB.
SEGMENT = 16

#: Measurements, as fields of `Pages`, after which no pin may be left.
RELEASING = frozenset({"singly", "listed", "released"})


@frozen
class Pages:
    """Times on compound pages of one order, in nanoseconds for all pages.

    :param singly: ``unpin_user_page()`` for each page of a list.
    :param listed: ``unpin_user_pages()`` of the whole list.
    :param released: ``unpin_user_pages_dirty_lock()`` for each page, as
        ``__ib_umem_release()`` did before the patch series.
    :param ranges: ``unpin_user_page_range_dirty_lock()`` on ranges of `SEGMENT`, 512 and all
        pages of a compound page, by length; empty if the tree lacks the call.
    :param region: ``ib_umem_get()`` and ``__ib_umem_release()`` of the tree.
    :param registered: The part of *region* that ``ib_umem_get()`` takes.
    :param heads: Lower bound for one put per head: a locked subtraction on each head.
    :param walk: Lower bound for visiting every struct page: a read of each.
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
    """Measures the functions of one tree, loaded into this process."""

    def __init__(self, tree: Tree) -> None:
        self.library = build(tree, "vmemmap", measured=True)
        self._ffi = cffi.FFI()
        self._ffi.cdef(
            "int hc_measure_on(long, int); long hc_unpinned(long, long);"
            "long hc_region(long, long *);"
            "long hc_bound_heads(void); long hc_bound_walk(void); long hc_left(void);"
        )
        self._lib: Any = self._ffi.dlopen(str(self.library.path))

    def pages(self, npages: int, order: int, rounds: int) -> Pages:
        """Medians of *rounds* measurements on *npages* pages in compound pages of *order*.

        :raises BadInput: if memory is too small for the struct pages, or counts become wrong.
        """
        lib = self._lib
        if lib.hc_measure_on(npages, order):
            raise BadInput(f"not enough memory for {npages} struct pages and a list of them")
        get = self._ffi.new("long *")
        segments = sorted({min(SEGMENT, 1 << order), min(512, 1 << order), 1 << order})
        singly, listed = _unpin("takes_one_page"), _unpin("takes_array")
        dirtying = _unpin("takes_array", asks_dirty=True)
        ranged = _unpin("takes_range", asks_dirty=True)
        if ranged not in self.library.names:
            segments = []

        def unpinned(call: str, each: int) -> int:
            taken: int = lib.hc_unpinned(OPS[operation(call)], each)
            return taken

        passes: dict[str, Callable[[], int]] = {
            "singly": lambda: unpinned(singly, 1),
            "listed": lambda: unpinned(listed, npages),
            "released": lambda: unpinned(dirtying, 1),
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
                ranges[segment].append(unpinned(ranged, segment))
                self._released(f"ranges of {segment}")
        return Pages(
            order,
            ranges={segment: median(times) for segment, times in ranges.items()},
            **{name: median(times) for name, times in taken.items()},
        )

    def _released(self, name: str) -> None:
        left = self._lib.hc_left()
        if left:
            msg = f"{name}: {left} heads have a wrong count afterwards, so it is not measured"
            raise BadInput(msg)


def _unpin(trait: str, *, asks_dirty: bool = False) -> str:
    """The first unpin call that has *trait*, such as ``takes_range``, and this *asks_dirty*."""
    return next(
        call
        for call, cls in STEPS.items()
        if cls.unpins and getattr(cls, trait) and cls.asks_dirty == asks_dirty
    )
