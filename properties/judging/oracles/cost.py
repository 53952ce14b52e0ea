# SPDX-License-Identifier: MIT

"""Cost: at most one put for each run, and one dirty lock for each clean head.

Where a candidate shows how often it looks at pages (``--cost lookups``), a range has few look-ups
for each run too: a call that looks at every page of a range has lost what it is for.

A candidate that agrees but takes more puts or locks is dearer: it misses the purpose of the
series. Counts cannot show this: v2 of the series did not batch pages of order 1, and no count
differed. Fewer puts are fine.
"""

from properties.judging.finding import Finding
from properties.judging.oracles.record import Record

#: A run of up to this many entries must take one put; a longer one may be put in parts. From
#: twice this number on, the number of entries times the bias, which put_compound_head() of
#: 5.13 computes, does not fit into an ``int``.
MAX_ENTRIES_OF_PUT = 1 << 20

#: Look-ups that a range may take for each of its runs. The optimised model takes 8; checks of each
#: run, or a search for its end by halving, take more. One for each page soon takes more than these.
LOOKUPS_OF_RUN = 64


def cost(record: Record) -> Finding | None:
    """A finding if the candidate took more puts or dirty locks than necessary."""
    if not record.step.unpins:
        return None
    shown = record.candidate
    if shown.puts > 1 and record.hears("put"):
        enough = _puts(record)
        if shown.puts > enough:
            return _dearer(record, "puts", shown.puts, enough)
    if shown.dirty_locks and record.hears("dirty"):
        runs = record.ledger.unpinned_runs
        clean = {head for head, _ in runs if not record.state_before(head).dirty}
        if shown.dirty_locks > len(clean):
            return _dearer(record, "dirty_locks", shown.dirty_locks, len(clean))
    if shown.lookups is not None and (record.step.takes_range or record.step.releases_umem):
        enough = LOOKUPS_OF_RUN * _puts(record)
        if shown.lookups > enough:
            return _dearer(record, "lookups", shown.lookups, enough)
    return None


def _puts(record: Record) -> int:
    """The number of puts that suffice for the step."""
    if not record.ledger.semantics.batched:
        return sum(map(len, record.ledger.unpinned))
    return sum(-(-entries // MAX_ENTRIES_OF_PUT) for _, entries in record.ledger.unpinned_runs)


def _dearer(record: Record, what: str, took: int, enough: int) -> Finding:
    noun = {"puts": "put", "dirty_locks": "dirty lock", "lookups": "look-up"}[what]
    summary = f"{took:,} {noun}{'s' * (took != 1)} where {enough} suffice{'s' * (enough == 1)}"
    return record.finding("cost", what, f"{record.step.call}: {summary}")
