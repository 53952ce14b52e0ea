# SPDX-License-Identifier: MIT

"""The combinations: coverage points in three matrices, read off steps that unpin."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product

from attrs import field, frozen

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
    #: The name of each combination as a coverage point.
    names: dict[tuple[str, str], str] = field(init=False, eq=False, repr=False)

    @names.default
    def _names(self) -> dict[tuple[str, str], str]:
        pairs = product(self.rows, self.columns)
        return {(row, column): f"{self.name}: {row}, {column}" for row, column in pairs}

    def points(self) -> list[str]:
        """The coverage points of all possible combinations."""
        return [name for pair, name in self.names.items() if pair not in self.impossible]

    def counts(self, reached: Mapping[str, int]) -> list[list[int | None]]:
        """How often each combination was *reached*, by rows; None if it is impossible."""

        def count(row: str, column: str) -> int | None:
            if (row, column) in self.impossible:
                return None
            return reached.get(self.names[row, column], 0)

        return [[count(row, column) for column in self.columns] for row in self.rows]

    def lines(self, reached: Mapping[str, int]) -> list[str]:
        """The table of `counts`: "." for a count of 0, "-" for an impossible combination."""
        body = [[self.across, *self.columns]]
        for row, counts in zip(self.rows, self.counts(reached), strict=True):
            body.append([row, *("-" if n is None else f"{n:,}" if n else "." for n in counts)])
        left = max(len(name) for name, *_ in body)
        width = max(len(cell) for _, *cells in body for cell in cells) + 2
        lines = [self.title]
        for name, *cells in body:
            lines.append(f"  {name:{left}}" + "".join(f"{cell:>{width}}" for cell in cells))
        return lines


#: Maximum number of runs of one step, and of pages of a run, that are examined.
MAX_RUNS_EXAMINED = 4
MAX_RUN_PAGES_EXAMINED = 16

_ORDERS = ("0", "1", "2", *["3 to 8"] * 6, "9", *["10 to 17"] * 8, *["18"] * 46)


def _starts(record: Record) -> Iterator[tuple[str, str]]:
    """The order of a range's first compound page, and the offset at which the range starts."""
    first = record.ledger.unpinned[0][0]
    order = record.ledger.order(first)
    # Later keys win: the only tail of a compound page of order 1 is called its first tail.
    places = {(1 << order) - 1: "last tail", 1: "first tail", 0: "head"}
    yield _ORDERS[order], places.get(first - record.ledger.unpinned_runs[0][0], "middle")


def _ends(record: Record) -> Iterator[tuple[str, str]]:
    """Where in its compound page a range's last page lies, and how many heads the range has."""
    runs = record.ledger.unpinned_runs
    last = record.ledger.unpinned[0][-1]
    order = record.ledger.order(last)
    places = {0: "head", (1 << order) - 1: "last tail"}
    end = places.get(last - runs[-1][0], "middle") if order else "single page"
    yield end, "4 or more" if len(runs) >= 4 else str(len(runs))


def _shapes(record: Record) -> Iterator[tuple[str, str]]:
    """The shape of each run, and whether its head is to be dirtied and was dirty before."""
    runs = record.ledger.unpinned_runs[:MAX_RUNS_EXAMINED]
    heads = [head for head, _ in runs]
    pages = record.ledger.unpinned[0]
    several = len(record.ledger.unpinned) > 1
    at = 0
    for number, (head, entries) in enumerate(runs):
        order = record.ledger.order(head)
        shape = "whole compound page" if entries == 1 << order else "part"
        if not several and heads.count(head) > 1:
            shape = "interleaved"
        elif entries == 1:
            shape = "single entry"
        elif number == 0 or not several:
            # If there are several lists (mostly a region's entries), only the first run's pages are
            # compared with each other.
            some = pages[at : at + min(entries, MAX_RUN_PAGES_EXAMINED)]
            if some[1] == some[0] - 1:
                shape = "backwards"
            elif not isinstance(some, range) and len(set(some)) < len(some):
                shape = "repeated"
        dirt = "not asked"
        if record.ledger.dirties:
            dirt = "asked, dirty" if record.state_before(head).dirty else "asked, clean"
        yield shape, dirt
        at += entries


MATRICES = (
    Matrix(
        "starts",
        "ranges: the order of the first compound page, and where in it they start",
        "order",
        tuple(dict.fromkeys(_ORDERS)),
        ("head", "first tail", "middle", "last tail"),
        _starts,
        # A page of order 0 has no tails, one of order 1 only the first.
        frozenset({("0", "first tail"), *product("01", ("middle", "last tail"))}),
    ),
    Matrix(
        "ends",
        "ranges: where in the last compound page they end, and how many they visit",
        "end",
        ("single page", "head", "middle", "last tail"),
        ("1", "2", "3", "4 or more"),
        _ends,
    ),
    Matrix(
        "shapes",
        "runs: their shape, and whether the call is to dirty them and they were dirty",
        "run",
        ("single entry", "whole compound page", "part", "repeated", "interleaved", "backwards"),
        ("not asked", "asked, clean", "asked, dirty"),
        _shapes,
    ),
)

#: The coverage points of all matrices.
COMBINATIONS = tuple(point for matrix in MATRICES for point in matrix.points())


def combinations(record: Record) -> set[str]:
    """The combinations that the step of *record* is in; empty if it unpins nothing."""
    if not record.ledger.unpinned_runs:
        return set()
    matrices = MATRICES if record.step.takes_range else MATRICES[2:]
    return {matrix.names[pair] for matrix in matrices for pair in matrix.read(record)}
