# SPDX-License-Identifier: MIT

"""The failure report, plain text of at most 100 columns, and commands that repeat a failure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from attrs import evolve, frozen

from model.errors import BadInput
from model.program import Program
from model.semantics import DEFAULT
from properties.candidates import CANDIDATE
from properties.judging.finding import Finding, Row
from properties.judging.ledger import Ledger
from properties.reports.pagemap import in_words, page_map, runs_in_words
from properties.reports.visible import visible

#: Maximum width of a report, in columns.
WIDTH = 98

#: Maximum number of characters of a value in the table.
MAX_VALUE_WIDTH = 30

#: Maximum number of lists, such as scatterlist entries, with a page map.
MAX_LISTS_SHOWN = 4

HEADINGS = {
    "agreement": "DIVERGED",
    "ledger": "REFERENCE WRONG",
    "invariants": "INVARIANT BROKEN",
    "laws": "LAW BROKEN",
    "cost": "DEARER",
}

#: Headings of findings that say what became of the candidate.
HEADINGS_OF = {"no_progress": "NO END", "exited": "CRASHED", "killed": "CRASHED"}


@frozen
class Failure:
    """A program that fails, and how to repeat the failure.

    :param smallest: How far the program was reduced, in words.
    :param saved: The file that keeps it.
    :param replay: The command that replays it.
    :param found: The command that found it.
    """

    program: Program
    finding: Finding
    smallest: str = ""
    saved: str = ""
    replay: str = ""
    found: str = ""

    def kept(self, path: Path, candidate: str, trouble: str = "") -> Failure:
        """The failure, with *path* as the file that keeps the program.

        :param trouble: Why the file could not be written; empty if it was written.
        """
        cost = "lookups" if self.finding.what == "lookups" else "strict"
        again = command("replay", file=str(path), candidate=candidate, cost=cost)
        return evolve(self, saved=trouble or str(path), replay="" if trouble else again)

    def lines(self) -> list[str]:
        """The lines of the report."""
        lines = [*explained(self.program, self.finding), ""]
        lines += self.program.text().splitlines()
        known = {"saved": self.saved, "replay": self.replay, "found by": self.found}
        footer = [self.smallest] if self.smallest else []
        footer += [f"{word:9}{text}" for word, text in known.items() if text]
        return [*map(visible, [*lines, "", *footer] if footer else lines)]


def explained(program: Program, finding: Finding) -> list[str]:
    """The lines about *finding*: its summary, the values side by side, and page maps."""
    heading = HEADINGS[finding.oracle]
    if finding.what.startswith("raised"):
        heading = "RAISED"
    heading = HEADINGS_OF.get(finding.what, heading)
    title = f"{heading} at step {finding.index + 1} of {len(program.steps)}: {finding.summary}"
    semantics = f"semantics {program.semantics.version}"
    lines = wrap(title, WIDTH, subsequent_indent="  ")
    if len(lines[-1]) + len(semantics) < WIDTH:
        lines[-1] += semantics.rjust(WIDTH - 1 - len(lines[-1]))
    else:
        lines.append(f"  {semantics}")
    lines += _table(finding.rows, finding.sides)
    lines += [f"  {note}"[:100] for note in finding.notes]
    drawn = _map(program, finding)
    return [*lines, "", *drawn] if drawn else lines


def _table(rows: Sequence[Row], sides: tuple[str, str]) -> list[str]:
    if not rows:
        return []
    where = max(len(row.where) for row in rows)
    what = max(len(row.what) for row in rows)
    order = 10 if any(row.order is not None for row in rows) else 0
    lead = 2 + (where + 2 if where else 0) + order + what
    columns = ([row.expected for row in rows], [row.shown for row in rows])
    wide = [max(14, *(len(_value(value)) + 2 for value in column)) for column in columns]
    lines = [f"{'':{lead}}{sides[0]:>{wide[0]}}{sides[1]:>{wide[1]}}"]
    for row in rows:
        place = f"{row.where:{where}}  " if where else ""
        rank = f"order {row.order}" if row.order is not None else ""
        values = f"{_value(row.expected):>{wide[0]}}{_value(row.shown):>{wide[1]}}"
        lines.append(f"  {place}{rank:{order}}{row.what:{what}}{values}")
    return lines


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:MAX_VALUE_WIDTH]


def _map(program: Program, finding: Finding) -> list[str]:
    """Page maps of the failing step, its runs, and the candidate's puts."""
    try:
        ledger = Ledger.after(program, program.steps[: finding.index])
    except BadInput:
        return []  # an earlier step breaks the contract
    lines = [f"  {line}" for line in step_maps(program, finding.index, ledger)]
    words = runs_in_words(finding.runs) if finding.runs else ""
    if words and finding.puts is not None and finding.puts != finding.runs:
        words += f"; the candidate took {in_words(finding.puts) or 'none'}"
    return lines + wrap(words, WIDTH, initial_indent="  ", subsequent_indent="  ")


def step_maps(program: Program, index: int, ledger: Ledger) -> list[str]:
    """The page maps of the first MAX_LISTS_SHOWN lists that step *index* names."""
    step = program.steps[index]
    if step.releases_umem:
        (name,) = step.uses()
        region = ledger.umems.get(name)
        lists: Sequence[Sequence[int]] = region.entries if region else []
    else:
        try:
            lists = [pages.resolve(ledger.table) for pages in step.lists()]
        except BadInput:
            return []
    lines = []
    for i, pages in enumerate(lists[:MAX_LISTS_SHOWN]):
        lines += page_map(ledger, pages, "list" if len(lists) == 1 else f"sg {i}")
    return lines


def command(
    name: str,
    *words: str,
    file: str = "",
    candidate: str = CANDIDATE,
    version: str | None = None,
    cost: str = "strict",
) -> str:
    """The command line ``headcount NAME FILE OPTIONS WORDS``, without options at their default."""
    parts = ["headcount", name, *([file] if file else [])]
    parts += ["--candidate", candidate] if candidate != CANDIDATE else []
    parts += ["--semantics", version] if version and version != DEFAULT.version else []
    parts += ["--cost", cost] if cost != "strict" else []
    return shlex.join([*parts, *words])
