# SPDX-License-Identifier: MIT

"""Captures mappings from a live machine: the real layout of compound pages in memory.

Sources are /proc/kpageflags and /proc/PID/pagemap (fs/proc/page.c, fs/proc/task_mmu.c; described in
Documentation/admin-guide/mm/pagemap.rst). Reading them takes no lock, so a compound page that
changes meanwhile may look incomplete; then it is left out. Only the layout is captured, no counts:
every head has refs=1.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

from attrs import frozen

from model.errors import BadInput
from model.kpageflags import pieces, present
from model.mapping import MAX_SCATTERED, Extent, Mapping, append_joined
from model.program import HEADER, mapping_lines
from model.semantics import KINDS

PROC = Path("/proc")

HEADLESS = "of a compound page whose head is not mapped"
SURPLUS = "beyond the limit"

#: Maximum number of extents of a captured mapping. Each takes up to 35 bytes of the mapping's
#: line (orders 16, brackets 5, frame 14), whose limit is `model.program.LINE_LIMIT`.
MAX_EXTENTS = 100


@frozen
class Capture:
    """A captured layout.

    :param mappings: Named p0, p1, ... in the order of capture.
    :param comments: Where, when, and how many pages of each kind and order.
    """

    mappings: tuple[Mapping, ...]
    comments: tuple[str, ...]

    def text(self) -> str:
        """The text of the layout file, which `model.parse.parse_layout` reads back."""
        lines = [HEADER, *(f"# {c}".rstrip() for c in self.comments)]
        return "\n".join(lines + mapping_lines(self.mappings)) + "\n"


class _Run(NamedTuple):
    """Kind and extents of a future mapping, or of several if the extents are too many for one."""

    kind: str
    extents: list[Extent]

    def npages(self) -> int:
        return sum(e.stop - e.pfn for e in self.extents)

    def parts(self) -> Iterator[_Run]:
        """Parts of these extents, each of which fits into one mapping and its line in a layout."""
        part = _Run(self.kind, [])
        for extent in self.extents:
            npages = part.npages() + extent.stop - extent.pfn
            if part.extents and (npages > MAX_SCATTERED or len(part.extents) == MAX_EXTENTS):
                yield part
                part = _Run(self.kind, [])
            part.extents.append(extent)
        yield part


def capture_machine(when: str, *, proc: Path = PROC, limit: int | None = None) -> Capture:
    """Capture all memory of this machine: each mapping holds adjacent frames of one kind.

    :param when: The date, for the comments.
    :param proc: Mount point of procfs.
    :param limit: Maximum number of mappings; those kept differ as much as possible. None: all.
    :raises BadInput: without /proc/kpageflags or root privileges, or if no page can be pinned.
    """
    runs: list[_Run] = []
    seen = 0
    left: Counter[str] = Counter()
    for what, extent in pieces(proc):
        seen = extent.stop
        if what in KINDS:
            if not runs or (runs[-1].kind, runs[-1].extents[-1].stop) != (what, extent.pfn):
                runs.append(_Run(what, []))
            append_joined(runs[-1].extents, extent)
        else:
            left[what] += extent.count
    return _capture(f"captured {when} from a live machine", seen, runs, left, limit)


def capture_process(pid: int, when: str, *, proc: Path = PROC, limit: int | None = None) -> Capture:
    """Capture the pages of one process: each mapping holds the pages of one kind in one VMA.

    Pages are in the order of their addresses; pages that are not present or of another kind
    leave no gap in the mapping. A compound page is captured whole at the first address where
    its head is mapped, even if only part of it is mapped there.

    Other parameters and errors are those of `capture_machine`.

    :param pid: The process; it should be sleeping.
    :raises BadInput: if there is no such process.
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
            # `pop` removes the head, so that no compound page gets into two mappings.
            kind, order = heads.pop(pfn, ("", 0))
            if kind:
                run = of_kind.setdefault(kind, _Run(kind, []))
                append_joined(run.extents, Extent(pfn, order, 1))
        runs += of_kind.values()
    origin = f"captured {when} from a process of a live machine"
    return _capture(origin, len(wanted), runs, left, limit)


def _capture(
    origin: str, seen: int, found: list[_Run], left: Counter[str], limit: int | None
) -> Capture:
    if limit is not None and limit < 1:
        raise BadInput(f"limit={limit} is below 1")
    parts = [part for run in found for part in run.parts()]
    if not parts:
        raise BadInput("found no page that can be pinned")
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
    """Up to *limit* of *runs* (future mappings), as different as possible, in the given order.

    Kinds take turns. A kind first gives one of each sort (same orders, about as many pages), those
    with more orders before others; then a second one of each sort, and so on.
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
