# SPDX-License-Identifier: MIT

"""Agreement: all fields of the candidate equal the reference's; the reference's are legal."""

from collections.abc import Iterator

from attrs import evolve

from model.abilities import FIELDS
from model.candidate import Snapshot
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from properties.judging.finding import Finding, Row, differing, first_rows, state_rows
from properties.judging.oracles.record import Record

#: Maximum number of warnings in the notes of a finding.
MAX_WARNINGS = 3


def agreement(record: Record) -> Finding | None:
    """A finding if candidate and reference differ."""
    ours, theirs = record.reference, record.candidate
    if (
        ours.heads == theirs.heads
        and ours.maybe_pinned == theirs.maybe_pinned
        and ours.returned == theirs.returned
        and (ours.nmap == theirs.nmap or None in (ours.nmap, theirs.nmap))
        and ours.acquired == theirs.acquired
        and ours.released == theirs.released
        and bool(ours.warnings) == bool(theirs.warnings)
    ):
        return None
    rows = [row for row in _rows(record) if row.what in record.fields]
    rows.sort(key=lambda row: FIELDS.index(row.what))
    if not rows:
        return None
    what = rows[0].what
    shown, notes = first_rows([_named(row, record) for row in rows])
    if any(row.what == "warnings" for row in rows):
        # The rows of a finding have no room for the text of warnings.
        notes += [f"warns: {warning}" for warning in theirs.warnings[:MAX_WARNINGS]]
    summary = f"{shown[0].what} after {record.step.call}"
    return record.finding("agreement", what, summary, shown, notes=notes)


def _rows(record: Record) -> Iterator[Row]:
    ours, theirs = record.reference, record.candidate
    # Candidates word warnings differently, so only whether there is a warning is compared.
    unknown = None in (ours.nmap, theirs.nmap)
    both_warn = ours.warnings and theirs.warnings
    yield from differing(
        (
            ("returned", ours.returned, theirs.returned),
            ("nmap", ours.nmap, ours.nmap if unknown else theirs.nmap),
            (NR_FOLL_PIN_ACQUIRED, ours.acquired, theirs.acquired),
            (NR_FOLL_PIN_RELEASED, ours.released, theirs.released),
            ("warnings", _some(ours.warnings), _some((ours if both_warn else theirs).warnings)),
        )
    )
    shows_pinned = "maybe_dma_pinned" in record.fields
    for page in sorted(ours.heads.keys() | theirs.heads.keys()):
        expected = ours.heads.get(page) or record.state_before(page)
        shown = theirs.heads.get(page) or record.state_before(page)
        if expected != shown:
            yield from state_rows(record.ledger, page, expected, shown)
        elif shows_pinned and page in ours.heads and page in theirs.heads:
            yield from _pinned(record, page, page in ours.maybe_pinned, theirs)


def _named(row: Row, record: Record) -> Row:
    """*row*; what the step returned is called sg_nents if it is the size of a region."""
    numbers = (record.reference.returned, record.candidate.returned)
    if row.what == "returned" and record.step.returns == "entries" and all(map(_is_size, numbers)):
        return evolve(row, what="sg_nents")
    return row


def _is_size(returned: int | None) -> bool:
    """Whether a call that returned *returned* did not fail."""
    return returned is not None and returned >= 0


def _some(warnings: tuple[str, ...]) -> str:
    """The first of *warnings*, or "none"; the number of warnings is not compared."""
    return warnings[0] if warnings else "none"


def _pinned(record: Record, page: int, expected: bool, snapshot: Snapshot) -> Iterator[Row]:
    shown = page in snapshot.maybe_pinned
    if expected != shown:
        name, order = record.ledger.name(page), record.ledger.order(page)
        yield Row(name, order, "maybe_dma_pinned", expected, shown)


def legal(record: Record) -> Finding | None:
    """A finding if the reference shows a state that the ledger does not allow.

    Candidate and reference can share a mistake; the ledger is a third opinion.
    """
    ledger, reference = record.ledger, record.reference
    if (
        _legal_heads(record)
        and ledger.acquired == reference.acquired
        and ledger.released == reference.released
        and ledger.warned == bool(reference.warnings)
        and record.returned in (None, reference.returned)
    ):
        return None
    rows = [*_illegal_rows(record)]
    summary = f"{rows[0].what} after {record.step.call}: the reference breaks the ledger"
    what = f"ledger_{rows[0].what}"
    return record.finding("ledger", what, summary, rows, ("ledger", "reference"))


def _legal_heads(record: Record) -> bool:
    """Whether every head that the reference shows is in the state that the ledger requires."""
    looks, pinned = record.ledger.looks, record.reference.maybe_pinned
    for page, state in record.reference.heads.items():
        if looks(page) != (state, page in pinned):
            return False
    return True


def _illegal_rows(record: Record) -> Iterator[Row]:
    ledger, reference = record.ledger, record.reference
    for page, state in reference.heads.items():
        must, pinned = ledger.looks(page)
        yield from state_rows(ledger, page, must, state)
        yield from _pinned(record, page, pinned, reference)
    returned = reference.returned
    yield from differing(
        (
            (NR_FOLL_PIN_ACQUIRED, ledger.acquired, reference.acquired),
            (NR_FOLL_PIN_RELEASED, ledger.released, reference.released),
            ("returned", returned if record.returned is None else record.returned, returned),
            ("warnings", ledger.warned, bool(reference.warnings)),
        )
    )
