# SPDX-License-Identifier: MIT

"""A compiled kernel tree as a candidate: translates steps to requests for the worker."""

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot
from model.kernel.source.process import EVENTS, FFI, KINDS, Worker
from model.kernel.source.segments import Segment, operation, segments, signed
from model.mapping import Mapping, side_by_side
from model.page import Event, decoded
from model.program import Program
from model.step import Need, Step, Table

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
        return self._abilities

    def execute(self, program: Program) -> Iterator[Snapshot]:
        table = program.table()
        self._worker.ask("HC_BEGIN", _extents(program.mappings))
        self._worker.owner = self
        for step in program.steps:
            yield self._take(step, table)

    def partial(self) -> list[Event]:
        events = self._worker.events()
        return [Event(EVENT_NAMES[k], pfn, refs, bool(dirty)) for k, pfn, refs, dirty in events]

    def _take(self, step: Step, table: Table) -> Snapshot:
        if self._worker.owner is not self:
            raise RuntimeError("another program has started in the worker")
        npages = step.npages_touched(table)
        arguments = step.arguments(table)
        segs, numbers = self._operands(step, *arguments)
        distinct = step.takes_range or step.releases_umem or (step.pins and step.binds_umem)
        op = operation(step.call)
        shared = self._worker.ask(op, segs, npages, *numbers, distinct=distinct)
        outcome: Any = shared.returned if step.returns else None
        if step.binds_umem and outcome >= 0:
            outcome = Region(self._regions, outcome)
            self._regions += 1
        returned = step.bind(table, arguments, outcome)
        heads, maybe_pinned = decoded(self._worker.heads())
        warnings = FFI.string(shared.warnings)
        return Snapshot(
            returned=returned,
            heads=heads,
            acquired=shared.acquired,
            released=shared.released,
            warnings=tuple(warnings.decode(errors="replace").splitlines()) if warnings else (),
            puts=shared.puts,
            dirty_locks=shared.dirty_locks,
            maybe_pinned=maybe_pinned,
            events=self.partial(),
        )

    def _operands(
        self, step: Step, first: Any, *rest: Any
    ) -> tuple[Sequence[Segment], Sequence[int]]:
        """*segs* and *arg* of `Worker.ask` for *step*, whose arguments are *first* and *rest*."""
        if step.releases_umem:
            return (), (first.number, *rest)
        made = (self._regions,) if step.binds_umem else ()
        if step.needs is Need.FREE:
            (orders,) = rest
            extents = side_by_side(orders, first[0])
            return [Segment(e.pfn, e.count, order=e.order, refs=1) for e in extents], first[:1]
        if step.binds_umem and not step.pins:
            segs = [Segment(page, length) for page, length in first]
        else:
            segs = segments([first] if isinstance(first, int) else first)
        return segs, (*made, *(-1 if number is None else signed(number) for number in rest))


@frozen
class Region:
    """A memory region, which the worker knows by its *number*."""

    number: int
    sg_nents: int


def _extents(mappings: Sequence[Mapping]) -> list[Segment]:
    """The extents of *mappings*, lowest frame first."""
    found = []
    for m in mappings:
        kind = KIND_OF.get(m.kind, KINDS["HC_KIND_PLAIN"])
        found += [Segment(e.pfn, e.count, order=e.order, refs=m.refs, kind=kind) for e in m.extents]
    return sorted(found)
