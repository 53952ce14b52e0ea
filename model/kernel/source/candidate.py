# SPDX-License-Identifier: MIT

"""A compiled kernel tree as a candidate: translates steps to operations of the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from model.candidate import Candidate, Snapshot
from model.kernel.source.process import EVENTS, FFI, KINDS
from model.kernel.source.segments import Segment, segments, signed
from model.mapping import side_by_side
from model.page import Event, HeadState


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.abilities import Abilities
    from model.kernel.source.process import Worker
    from model.mapping import Mapping
    from model.program import Program
    from model.step import Step, Table

#: Names of events, by the values of ``enum hc_event_kind``.
EVENT_NAMES = {number: name.removeprefix("HC_EV_").lower() for name, number in EVENTS.items()}

#: Kinds of mapping that the kernel treats specially, and their values in the shim.
KIND_OF = {
    "zero": KINDS["HC_KIND_ZERO"],
    "hugetlb": KINDS["HC_KIND_HUGETLB"],
    "base": KINDS["HC_KIND_ANON"],
    "thp": KINDS["HC_KIND_ANON"],
    "device-dax": KINDS["HC_KIND_DEVICE"],
}


class KernelSource(Candidate):
    """Runs one program on the functions of a tree.

    All candidates of a tree share its worker: starting a program ends the previous one.
    """

    def __init__(self, worker: Worker, abilities: Abilities) -> None:
        self._abilities = abilities
        self._worker = worker
        self._regions = 0

    @property
    def abilities(self) -> Abilities:
        """What programs can do with the functions of the tree."""
        return self._abilities

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Execute *program*, each step when its snapshot is requested."""
        table = program.table()
        self._worker.ask("HC_BEGIN", _extents(program.mappings))
        self._worker.owner = self
        for step in program.steps:
            yield self._take(step, table)

    def partial(self) -> list[Event]:
        """The journal of the current step, even if the step did not finish."""
        return [
            Event(EVENT_NAMES[kind], pfn, refs, bool(dirty))
            for kind, pfn, refs, dirty in self._worker.events()
        ]

    def _take(self, step: Step, table: Table) -> Snapshot:
        if self._worker.owner is not self:
            msg = "another program has started in the worker"
            raise RuntimeError(msg)
        npages = step.npages_touched(table)
        arguments = step.arguments(table)
        asked: Callable[..., Any] = getattr(self, f"_{step.call}")
        shared = asked(npages, *arguments)
        outcome: Any = shared.returned if step.returns else None
        if step.binds_umem and outcome >= 0:
            outcome = Region(self._regions, outcome)
            self._regions += 1
        returned = step.bind(table, arguments, outcome)
        heads = {}
        pinned = []
        for pfn, refcount, pincount, look in self._worker.heads():
            heads[pfn] = HeadState(refcount, pincount, bool(look & 1), bool(look & 2))
            if look & 4:
                pinned.append(pfn)
        warnings = FFI.string(shared.warnings)
        return Snapshot(
            returned=returned,
            heads=heads,
            acquired=shared.acquired,
            released=shared.released,
            warnings=tuple(warnings.decode(errors="replace").splitlines()) if warnings else (),
            puts=shared.puts,
            dirty_locks=shared.dirty_locks,
            maybe_pinned=frozenset(pinned),
            events=self.partial(),
        )

    # One method per call: the operation to send to the worker.

    def _pin_user_pages(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_PIN", segments(pages), npages)

    def _get_user_pages(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_GET", segments(pages), npages)

    def _pin_user_pages_fast_only(
        self, npages: int, pages: Sequence[int], changed: int | None
    ) -> Any:
        at = -1 if changed is None else changed
        return self._worker.ask("HC_PIN_FAST", segments(pages), npages, at)

    def _unpin_user_page(self, npages: int, page: int) -> Any:
        return self._worker.ask("HC_UNPIN_ONE", segments([page]), npages)

    def _unpin_user_pages(self, npages: int, pages: Sequence[int], given: int) -> Any:
        return self._worker.ask("HC_UNPIN_LIST", segments(pages), npages, signed(given))

    def _unpin_user_pages_dirty_lock(
        self, npages: int, pages: Sequence[int], given: int, make_dirty: bool
    ) -> Any:
        listed = segments(pages)
        return self._worker.ask("HC_UNPIN_DIRTY", listed, npages, signed(given), make_dirty)

    def _unpin_user_page_range_dirty_lock(
        self, npages: int, page: int, given: int, make_dirty: bool
    ) -> Any:
        first = segments([page])
        return self._worker.ask("HC_UNPIN_RANGE", first, npages, signed(given), make_dirty)

    def _ib_umem_get(
        self,
        npages: int,
        pages: Sequence[int],
        writable: bool,
        max_segment: int,
        nmap: int | None,
        append_fails: int | None,
    ) -> Any:
        return self._worker.ask(
            "HC_UMEM_GET",
            segments(pages),
            npages,
            self._regions,
            writable,
            max_segment,
            -1 if nmap is None else nmap,
            -1 if append_fails is None else append_fails,
        )

    def _ib_umem(
        self, npages: int, sgl: Sequence[tuple[int, int]], writable: bool, nmap: int | None
    ) -> Any:
        entries = [Segment(page, length) for page, length in sgl]
        mapped = -1 if nmap is None else nmap
        return self._worker.ask("HC_UMEM", entries, npages, self._regions, writable, 0, mapped)

    def _ib_umem_release(self, npages: int, region: Region, dirty: bool) -> Any:
        return self._worker.ask("HC_UMEM_RELEASE", (), npages, region.number, dirty)

    def _map(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_MAP", segments(pages), npages)

    def _unmap(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_UNMAP", segments(pages), npages)

    def _set_page_dirty(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_WRITE", segments(pages), npages)

    def _clean(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_CLEAN", segments(pages), npages)

    def _split_huge_page(self, npages: int, pages: Sequence[int]) -> Any:
        return self._worker.ask("HC_SPLIT", segments(pages), npages)

    def _alloc_pages(self, npages: int, pages: Sequence[int], orders: Sequence[int]) -> Any:
        extents = [
            Segment(e.pfn, e.count, order=e.order, refs=1) for e in side_by_side(orders, pages[0])
        ]
        return self._worker.ask("HC_ALLOC", extents, npages, pages[0])

    def _get_page(self, npages: int, pages: Sequence[int], n: int) -> Any:
        return self._worker.ask("HC_GET_PAGE", segments(pages), npages, n)

    def _put_page(self, npages: int, pages: Sequence[int], n: int) -> Any:
        return self._worker.ask("HC_PUT_PAGE", segments(pages), npages, n)


@frozen
class Region:
    """A memory region in the worker."""

    number: int
    sg_nents: int


def _extents(mappings: Sequence[Mapping]) -> list[Segment]:
    """The extents of *mappings*, lowest frame first."""
    return sorted(
        Segment(
            e.pfn,
            e.count,
            order=e.order,
            refs=m.refs,
            kind=KIND_OF.get(m.kind, KINDS["HC_KIND_PLAIN"]),
        )
        for m in mappings
        for e in m.extents
    )
