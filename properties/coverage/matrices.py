# SPDX-License-Identifier: MIT

"""Combinations that a run really visited: three tables, over what calls unpin.

A matrix is data: how to name its rows and columns, which of its cells there
can be, and a function that reads off one step the cells that it is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from properties.judging.oracles.record import Record


class Cell(NamedTuple):
    """One combination: of which matrix, and where in it."""

    matrix: str
    row: str
    column: str


@frozen
class Matrix:
    """What of two things is to be combined.

    :param rows: What stands to the left of each row.
    :param impossible: Cells that no step can be in.
    :param read: The (row, column) of each cell that a step is in.
    """

    name: str
    title: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    read: Callable[[Record], Iterable[tuple[str, str]]]
    impossible: frozenset[tuple[str, str]] = frozenset()

    def cells(self) -> list[Cell]:
        """Every cell that a step can be in."""
        return [
            Cell(self.name, row, column)
            for row in self.rows
            for column in self.columns
            if (row, column) not in self.impossible
        ]

    def lines(self, counts: Mapping[Cell, int]) -> list[str]:
        """The table with *counts* in it: a dot where there are none, a bar where none can be."""
        body = [[self.across, *self.columns]]
        for row in self.rows:
            shown = [self._shown(counts, row, column) for column in self.columns]
            body.append([row, *shown])
        left = max(len(line[0]) for line in body)
        width = max(len(text) for line in body for text in line[1:]) + 2
        return [
            self.title,
            *(
                "  " + line[0].ljust(left) + "".join(text.rjust(width) for text in line[1:])
                for line in body
            ),
        ]

    def _shown(self, counts: Mapping[Cell, int], row: str, column: str) -> str:
        if (row, column) in self.impossible:
            return "-"
        count = counts.get(Cell(self.name, row, column), 0)
        return f"{count:,}" if count else "."


#: So many runs of one call are looked at, and so many pages of a run.
LOOKED_AT = 4
PAGES_LOOKED_AT = 16

SINGLE, SMALL, HUGE = ("0", "1"), ("2", "3 to 8"), ("9", "10 to 17", "18")
_ORDERS = ("0", "1", "2", *["3 to 8"] * 6, "9", *["10 to 17"] * 8, *["18"] * 46)
STARTS = ("head", "first tail", "middle", "last tail")
ENDS = ("single page", "head", "middle", "last tail")
HEADS = ("1", "2", "3", "4 or more")
SHAPES = ("single entry", "whole compound page", "part", "repeated", "interleaved", "backwards")
DIRT = ("not asked", "asked, clean", "asked, dirty")


def _starts(record: Record) -> Iterable[tuple[str, str]]:
    """The order and the offset of a range's first page."""
    first = record.lists[0][0]
    order = record.ledger.order(first)
    offset = first - record.runs()[0][0]
    column = STARTS[2]
    if offset < 2:
        column = STARTS[offset]
    elif offset == (1 << order) - 1:
        column = STARTS[3]
    return ((_ORDERS[order], column),)


def _ends(record: Record) -> Iterable[tuple[str, str]]:
    """Where in its compound page a range's last page lies, and how many heads it visits."""
    runs = record.runs()
    last = record.lists[0][-1]
    order = record.ledger.order(last)
    offset = last - runs[-1][0]
    if not order:
        row = ENDS[0]
    elif not offset:
        row = ENDS[1]
    else:
        row = ENDS[3 if offset == (1 << order) - 1 else 2]
    return ((row, HEADS[min(len(runs), 4) - 1]),)


def _shapes(record: Record) -> Iterable[tuple[str, str]]:
    """The shape of each run, and whether its head is dirtied and was dirty."""
    found = []
    ledger, runs = record.ledger, record.runs()
    looked_at = runs[:LOOKED_AT]
    among_runs = [head for head, _ in looked_at]
    interleaved = len(set(among_runs)) < len(among_runs) and len(record.lists) == 1
    pages = record.lists[0]
    at = 0
    for number, (head, entries) in enumerate(looked_at):
        column = DIRT[0]
        if record.dirties:
            column = DIRT[2 if record.state_before(head).dirty else 1]
        if interleaved and among_runs.count(head) > 1:
            row = SHAPES[4]
        elif entries == 1:
            row = SHAPES[0]
        elif number and len(record.lists) > 1:
            # Runs of a later list: those of a region, which are ranges.
            row = SHAPES[1 if entries == 1 << ledger.order(head) else 2]
        else:
            row = _shape(
                pages[at : at + min(entries, PAGES_LOOKED_AT)], entries, ledger.order(head)
            )
        found.append((row, column))
        at += entries
    return found


def _shape(pages: Sequence[int], entries: int, order: int) -> str:
    """What a run looks like that begins with *pages*."""
    if pages[1] == pages[0] - 1:
        return SHAPES[5]
    if not isinstance(pages, range) and len(set(pages)) < len(pages):
        return SHAPES[3]
    return SHAPES[1 if entries == 1 << order else 2]


MATRICES = (
    Matrix(
        "starts",
        "ranges: the order of the first compound page, and where in it they start",
        "order",
        (*SINGLE, *SMALL, *HUGE),
        STARTS,
        _starts,
        frozenset(
            [("0", column) for column in STARTS[1:]] + [("1", column) for column in STARTS[2:]]
        ),
    ),
    Matrix(
        "ends",
        "ranges: where in the last compound page they end, and how many they visit",
        "end",
        ENDS,
        HEADS,
        _ends,
    ),
    Matrix(
        "shapes",
        "runs: their shape, and whether the call is to dirty them and they were dirty",
        "run",
        SHAPES,
        DIRT,
        _shapes,
    ),
)

#: Every cell that a step can be in.
CELLS = tuple(cell for matrix in MATRICES for cell in matrix.cells())

_READ = {
    (matrix.name, row, column): Cell(matrix.name, row, column)
    for matrix in MATRICES
    for row in matrix.rows
    for column in matrix.columns
}


def cells(record: Record) -> set[Cell]:
    """The cells that the step of *record* is in; none if it unpins nothing."""
    if not record.lists or not record.runs():
        return set()
    matrices = MATRICES if record.step.takes_range else MATRICES[2:]
    return {
        _READ[matrix.name, row, column]
        for matrix in matrices
        for row, column in matrix.read(record)
    }
