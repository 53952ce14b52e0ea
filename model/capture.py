# SPDX-License-Identifier: MIT

"""Mappings from a live machine: how compound pages really lie in memory.

Read from files of the kernel (fs/proc/page.c, fs/proc/task_mmu.c; told in
Documentation/admin-guide/mm/pagemap.rst) that take no lock: what changes
meanwhile may show as an incomplete compound page, and is left out. Layouts
only: nothing is known of counts, so that every head has refs=1.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from model.errors import BadInput
from model.kpageflags import pieces, present
from model.mapping import MAX_SCATTERED, Extent, Mapping
from model.program import HEADER, mapping_lines
from model.semantics import KINDS


if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROC = Path("/proc")

HEADLESS = "of a compound page whose head is not mapped"
SURPLUS = "beyond the limit"

#: Extents in one mapping. Each takes 35 bytes of its line at most (orders 16,
#: brackets 5, frame 14), and a line may have `model.program.LINE_LIMIT`.
MAX_EXTENTS = 100


@frozen
class Capture:
    """A layout: the mappings that were found; where, when and how many.

    :param mappings: Named p0, p1, ... in the order they were found.
    :param comments: Lines for the top of the file.
    """

    mappings: tuple[Mapping, ...]
    comments: tuple[str, ...]

    def text(self) -> str:
        """The layout file: `model.parse.parse_layout` gives the same mappings."""
        lines = [HEADER, *(f"# {c}".rstrip() for c in self.comments)]
        return "\n".join(lines + mapping_lines(self.mappings)) + "\n"


class _Run(NamedTuple):
    """What makes a mapping once it has a name."""

    kind: str
    extents: list[Extent]

    def add(self, extent: Extent) -> None:
        """Put *extent* at the end, into the last one where it continues that."""
        last = self.extents[-1] if self.extents else None
        if last and (last.stop, last.order) == (extent.pfn, extent.order):
            self.extents[-1] = Extent(last.pfn, last.order, last.count + extent.count)
        else:
            self.extents.append(extent)

    def npages(self) -> int:
        return sum(e.stop - e.pfn for e in self.extents)

    def cut(self) -> Iterator[_Run]:
        """The same in parts, each small enough for a mapping and its line."""
        part, left = _Run(self.kind, []), MAX_SCATTERED
        for extent in self.extents:
            left -= extent.stop - extent.pfn
            if part.extents and (left < 0 or len(part.extents) == MAX_EXTENTS):
                yield part
                part, left = _Run(self.kind, []), MAX_SCATTERED - (extent.stop - extent.pfn)
            part.extents.append(extent)
        yield part


def capture_machine(when: str, *, proc: Path = PROC, limit: int | None = None) -> Capture:
    """All memory of this machine: frames rise, a mapping is adjacent ones of a kind.

    :param when: The date, for the comments.
    :param proc: Where procfs is mounted.
    :param limit: At most so many mappings, chosen to differ; all if None.
    :raises BadInput: without /proc/kpageflags, if this is not root, or if no
        page is left.
    """
    runs: list[_Run] = []
    seen = 0
    left: Counter[str] = Counter()
    for what, extent in pieces(proc):
        seen = extent.stop
        if what in KINDS:
            if not runs or (runs[-1].kind, runs[-1].extents[-1].stop) != (what, extent.pfn):
                runs.append(_Run(what, []))
            runs[-1].add(extent)
        else:
            left[what] += extent.count
    return _capture(f"captured {when} from a live machine", seen, runs, left, limit)


def capture_process(pid: int, when: str, *, proc: Path = PROC, limit: int | None = None) -> Capture:
    """The pages of one process by address: a mapping is what a VMA holds of a kind.

    Frames rise, fall and scatter as they really do; pages that are not
    present, or of another kind, leave no gap. A compound page is kept whole
    where its head is mapped first, even if less of it is mapped there.

    :param pid: The process; better one that sleeps.
    :param when: The date, for the comments.
    :param proc: Where procfs is mounted.
    :param limit: At most so many mappings, chosen to differ; all if None.
    :raises BadInput: if there is no such process, without /proc/kpageflags,
        if this is not root, or if no page is left.
    """
    vmas = present(pid, proc)
    wanted = set(chain.from_iterable(vmas))
    left: Counter[str] = Counter()
    heads: dict[int, tuple[str, int]] = {}
    for what, extent in pieces(proc):
        found = wanted.intersection(range(extent.pfn, extent.stop))
        if what not in KINDS:
            left[what] += len(found)
            continue
        for pfn in found:
            head = pfn >> extent.order << extent.order
            if head in wanted:
                heads[head] = what, extent.order
            else:
                left[HEADLESS] += 1
    runs: list[_Run] = []
    for frames in vmas:
        of_kind: dict[str, _Run] = {}
        for pfn in frames:
            # Taken out, so that no compound page lies in two places.
            kind, order = heads.pop(pfn, ("", 0))
            if kind:
                of_kind.setdefault(kind, _Run(kind, [])).add(Extent(pfn, order, 1))
        runs += of_kind.values()
    origin = f"captured {when} from a process of a live machine"
    return _capture(origin, len(wanted), runs, left, limit)


def _capture(
    origin: str, seen: int, found: list[_Run], left: Counter[str], limit: int | None
) -> Capture:
    if limit is not None and limit < 1:
        msg = f"limit={limit} is below 1"
        raise BadInput(msg)
    parts = [part for run in found for part in run.cut()]
    if not parts:
        msg = "no page that could be pinned"
        raise BadInput(msg)
    runs = _varied(parts, limit or len(parts))
    left[SURPLUS] = sum(run.npages() for run in parts) - sum(run.npages() for run in runs)
    kept: Counter[tuple[str, int]] = Counter()
    for kind, extents in runs:
        for extent in extents:
            kept[kind, extent.order] += extent.count
    system = os.uname()
    comments = [
        f"{origin}: {system.sysname} {system.release}, {system.machine}",
        f"{seen} frames seen; {len(runs)} of {len(parts)} mappings kept",
    ]
    for kind, counted in groupby(sorted(kept.items()), key=lambda item: item[0][0]):
        orders = ", ".join(f"{count} of order {order}" for (_, order), count in counted)
        comments.append(f"{kind}: {orders}")
    reasons = ", ".join(f"{count} {why}" for why, count in sorted(left.items()) if count)
    comments.append(f"frames left out: {reasons or 'none'}")
    mappings = (Mapping(f"p{i}", kind, tuple(e)) for i, (kind, e) in enumerate(runs))
    return Capture(tuple(mappings), tuple(comments))


def _varied(runs: Sequence[_Run], limit: int) -> list[_Run]:
    """At most *limit* of *runs*, in their order, so that they differ.

    The kinds take turns. Within one, those come first that mix most orders,
    and a second of the same orders and size only after one of each.
    """
    alike: Counter[tuple[str, frozenset[int], int]] = Counter()
    ranked = []
    for i, run in enumerate(runs):
        orders = frozenset(e.order for e in run.extents)
        likeness = run.kind, orders, run.npages().bit_length()
        ranked.append((alike[likeness], -len(orders), i))
        alike[likeness] += 1
    taken: Counter[str] = Counter()
    turns = []
    for _, _, i in sorted(ranked):
        turns.append((taken[runs[i].kind], i))
        taken[runs[i].kind] += 1
    return [runs[i] for i in sorted(i for _, i in sorted(turns)[:limit])]
