# SPDX-License-Identifier: MIT

"""The combinations: coverage points in three matrices, read off steps that unpin."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from properties.judging.oracles.record import Record


@frozen
class Matrix:
    """Combinations of two features of a step: one in the rows, one in the columns.

    :param across: The heading of the column that contains the names of the rows.
    :param read: The (row, column) of each combination that a step is in.
    :param impossible: Combinations that no step can be in.
    """

    name: str
    title: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    read: Callable[[Record], Iterable[tuple[str, str]]]
    impossible: frozenset[tuple[str, str]] = frozenset()

    def point(self, row: str, column: str) -> str:
        """The name of a combination as a coverage point."""
        return f"{self.name}: {row}, {column}"

    def points(self) -> list[str]:
        """The coverage points of all possible combinations."""
        return [
            self.point(row, column)
            for row in self.rows
            for column in self.columns
            if (row, column) not in self.impossible
        ]

    def counts(self, reached: Mapping[str, int]) -> list[list[int | None]]:
        """How often each combination was *reached*, by rows; None if it is impossible."""
        return [
            [
                None
                if (row, column) in self.impossible
                else reached.get(self.point(row, column), 0)
                for column in self.columns
            ]
            for row in self.rows
        ]

    def lines(self, reached: Mapping[str, int]) -> list[str]:
        """The table of `counts`: "." for a count of 0, "-" for an impossible combination."""
        body = [[self.across, *self.columns]]
        for row, counts in zip(self.rows, self.counts(reached), strict=True):
            body.append([row, *("-" if n is None else f"{n:,}" if n else "." for n in counts)])
        left = max(len(line[0]) for line in body)
        width = max(len(text) for line in body for text in line[1:]) + 2
        return [
            self.title,
            *(
                "  " + line[0].ljust(left) + "".join(text.rjust(width) for text in line[1:])
                for line in body
            ),
        ]


#: Maximum number of runs of one step, and of pages of a run, that are examined.
MAX_RUNS_EXAMINED = 4
MAX_RUN_PAGES_EXAMINED = 16

SINGLE, SMALL, HUGE = ("0", "1"), ("2", "3 to 8"), ("9", "10 to 17", "18")
_ORDERS = ("0", "1", "2", *["3 to 8"] * 6, "9", *["10 to 17"] * 8, *["18"] * 46)
STARTS = ("head", "first tail", "middle", "last tail")
ENDS = ("single page", "head", "middle", "last tail")
HEADS = ("1", "2", "3", "4 or more")
SHAPES = ("single entry", "whole compound page", "part", "repeated", "interleaved", "backwards")
DIRT = ("not asked", "asked, clean", "asked, dirty")


def _starts(record: Record) -> Iterable[tuple[str, str]]:
    """The order of a range's first compound page, and the offset at which the range starts."""
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
    looked_at = runs[:MAX_RUNS_EXAMINED]
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
            # A run of a later list is an entry of a region, which is a range.
            row = SHAPES[1 if entries == 1 << ledger.order(head) else 2]
        else:
            row = _shape(
                pages[at : at + min(entries, MAX_RUN_PAGES_EXAMINED)], entries, ledger.order(head)
            )
        found.append((row, column))
        at += entries
    return found


def _shape(pages: Sequence[int], entries: int, order: int) -> str:
    """The shape of a run of *entries* that begins with *pages*, in a compound page of *order*."""
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

#: The coverage points of all matrices.
COMBINATIONS = tuple(point for matrix in MATRICES for point in matrix.points())


def combinations(record: Record) -> set[str]:
    """The combinations that the step of *record* is in; empty if it unpins nothing."""
    if not record.lists or not record.runs():
        return set()
    matrices = MATRICES if record.step.takes_range else MATRICES[2:]
    return {matrix.point(row, column) for matrix in matrices for row, column in matrix.read(record)}
