# SPDX-License-Identifier: MIT

"""Cost: at most one put for each run, and one dirty lock for each clean head.

A candidate that agrees and takes more is right but dearer: what the series is
for was lost. State alone cannot show that (order 1 was not batched in v2 of
the series, and no count differed). Fewer puts are fine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from properties.judging.finding import Finding
    from properties.judging.oracles.record import Record


#: Entries of a run from which on it may be put in parts: from twice as many the
#: product of count and bias does not fit into an ``int``, as put_compound_head() of
#: 5.13 multiplies them.
MOST_AT_ONCE = 1 << 20


def cost(record: Record) -> Finding | None:
    """The finding that the candidate took more puts, or locks, than suffice."""
    if not record.step.unpins:
        return None
    shown = record.candidate
    if shown.puts > 1:
        enough = _puts(record)
        if shown.puts > enough:
            return _dearer(record, "puts", shown.puts, enough)
    if shown.dirty_locks:
        clean = {head for head, _ in record.runs() if not record.state_before(head).dirty}
        if shown.dirty_locks > len(clean):
            return _dearer(record, "dirty_locks", shown.dirty_locks, len(clean))
    return None


def _puts(record: Record) -> int:
    if not record.ledger.semantics.batched:
        return sum(map(len, record.lists))
    return sum(-(-entries // MOST_AT_ONCE) for _, entries in record.runs())


def _dearer(record: Record, what: str, took: int, enough: int) -> Finding:
    noun = {"puts": "put", "dirty_locks": "dirty lock"}[what]
    summary = f"{took} {noun}{'s' * (took != 1)} where {enough} suffice{'s' * (enough == 1)}"
    return record.finding("cost", what, f"{record.step.call}: {summary}")
