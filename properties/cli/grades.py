# SPDX-License-Identifier: MIT

"""The table of ``headcount faults``: the results of each search on each fault."""

from collections.abc import Sequence
from operator import attrgetter
from statistics import median

from properties.cli.console import console
from properties.faults import Fault
from properties.grading.grade import Grade

#: Maximum number of searches in a table that also shows interquartile ranges.
MOST_SPREAD = 2

#: A failing program of at most this many steps counts as short; users mostly see short ones.
SHORT_STEPS = 50


def show(
    chosen: Sequence[Fault],
    how: Sequence[str],
    grades: dict[tuple[str, str], Grade],
    unit: str = "steps",
) -> list[str]:
    """Print the table; return the faults whose rows are bad.

    A row is bad if no search finds the fault on every seed, or if a search reports an equivalent.

    :param unit: Unit of the effort until the first failure: steps, programs or seconds.
    """
    short = [name.rpartition(":")[2] for name in how]
    # With three or more searches, interquartile ranges do not fit into 100 columns.
    spreads = len(how) <= MOST_SPREAD
    wide = 24 if spreads else 13
    cells = f"solved {unit} (IQR)" if spreads else unit
    console.print(f"{'fault':<25}" + "".join(f"{s[:11]:>{wide}}" for s in short) + "  smallest")
    console.print(" " * 25 + f"{cells:>{wide}}" * len(how) + "  or proved")
    alarms = []
    for fault in chosen:
        mine = [grades[fault.name, search] for search in how]
        cells = "".join(f"{_cell(grade, unit, spreads):>{wide}}" for grade in mine)
        solved = sum(len(g.solved) for g in mine)
        reduced = [(found, g.is_smallest(found)) for g in mine for found in g.reduced]
        small = sum(smallest for _, smallest in reduced)
        proved = sum(found.proved for found, _ in reduced)
        tail = f"  {small}/{len(reduced)}, {proved}" if reduced else ""
        bad = bool(solved) if fault.equivalent else not any(g.whole for g in mine)
        if bad:
            alarms.append(fault.name)
        mark = "*" if fault.long else "=" if fault.equivalent else " "
        console.print(f"{fault.name:<24}{mark}{cells}{tail}", style="red" if bad else None)
    console.print("* long   = equivalent: must survive")
    for search, name in zip(how, short, strict=True):
        _print_summary(name, [grades[f.name, search] for f in chosen if not f.equivalent])
    if alarms:
        console.print(f"[bold red]not solved, or false alarm:[/] {', '.join(alarms)}", markup=True)
    return alarms


def _cell(grade: Grade, unit: str, spreads: bool) -> str:
    if not grade.results:
        return ""
    solved = f"{len(grade.solved)}/{len(grade.results)}"
    spread = grade.spread(attrgetter(unit))
    if spread is None:
        return f"{solved} {'-':>4}" + " " * 12 * spreads
    low, middle, high = map(_brief, spread)
    return f"{solved} {middle:>4}" + f" {f'({low}-{high})':>11}" * spreads


def _brief(n: float) -> str:
    """*n* in at most four characters: 0.04, 7.5, 950, 2.3k, 12k, 1.2M."""
    if n < 9.95 and n != int(n):
        return f"{n:.2f}" if n < 0.995 else f"{n:.1f}"
    unit, name = (1_000, "k") if n < 999_500 else (1_000_000, "M")
    if n < 999.5:
        return f"{n:.0f}"
    return f"{n / unit:.{int(n < 9.95 * unit)}f}{name}"


def _print_summary(name: str, grades: Sequence[Grade]) -> None:
    trials = [r for g in grades for r in g.results]
    solved = [r for g in grades for r in g.solved]
    if not trials:
        return
    whole = sum(g.whole for g in grades)
    tried = sum(bool(g.results) for g in grades)
    reached = sum(r.reached is not None for r in trials)
    diverged = sum(r.diverged is not None for r in trials)
    console.print(
        f"{name:<10}{len(solved):,} of {len(trials):,} trials solved, {whole} of {tried} "
        f"faults on every seed"
    )
    if reached:
        console.print(
            f"{'':<10}fault reached in {reached:,}, state diverged in {diverged:,}, "
            f"reported in {len(solved):,}"
        )
    if solved:
        console.print(
            f"{'':<10}median {median(r.programs for r in solved):,.0f} programs, "
            f"{median(r.steps for r in solved):,.0f} steps, "
            f"{median(r.seconds for r in solved):.3f} s to the first failure"
        )
    founds = [(found, g.is_smallest(found)) for g in grades for found in g.reduced]
    short = [pair for pair in founds if pair[0].first <= SHORT_STEPS]
    if founds:
        console.print(f"{'':<10}reduced (median)")
    for which, some in ((f"of up to {SHORT_STEPS} steps", short), ("of any length", founds)):
        if some:
            console.print(
                f"{'':<12}{which}: {median(f.executions for f, _ in some):.0f} programs, "
                f"{1000 * median(f.seconds for f, _ in some):.0f} ms; "
                f"{100 * sum(at for _, at in some) / len(some):.1f} % at the smallest known, "
                f"{100 * sum(f.proved for f, _ in some) / len(some):.0f} % proved"
            )
