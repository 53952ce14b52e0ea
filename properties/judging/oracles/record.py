# SPDX-License-Identifier: MIT

"""What the oracles look at: one step, and what both sides show of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from model.page import HeadState
from model.steps import STEPS
from properties.judging.finding import Finding


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from model.candidate import Snapshot
    from model.step import Step
    from properties.judging.finding import Row
    from properties.judging.ledger import Ledger
    from properties.judging.past import Past

#: Calls that unpin: the ones whose puts are pins. For `properties.reduce.balance` alone.
UNPINS = frozenset(call for call, cls in STEPS.items() if cls.unpins)

#: A finding keeps no more runs, or puts, than these.
MOST_RUNS = 1 << 14


@define
class Record:
    """One step after it was carried out.

    :param returned: What the ledger says it must have returned, or None.
    :param lists: For a step that unpins, the lists of frames that it unpins,
        each of which the code under test sees as one.
    :param dirties: Whether it is to dirty what it unpins.
    :param before: The state of every head that any step before has touched.
    :param past: What happened to heads in the steps before.
    :param fields: What the candidate shows.
    :param judge: Who says what must be: the reference, or the ledger alone.
    """

    index: int
    step: Step
    reference: Snapshot
    candidate: Snapshot
    ledger: Ledger
    returned: int | None
    lists: list[Sequence[int]]
    dirties: bool
    before: dict[int, HeadState]
    past: Past
    fields: frozenset[str]
    judge: str = "reference"
    _fresh: dict[int, HeadState] = field(factory=dict)
    _runs: list[tuple[int, int]] | None = None

    def state_before(self, page: int) -> HeadState:
        """How *page* was before the step; as its mapping made it if no step touched it."""
        known = self.before.get(page)
        if known is None:
            known = self._fresh.get(page)
        if known is None:
            head = self.ledger.head(page)
            refs = self.ledger.first_refs(page) if head == page else 0
            known = self._fresh[page] = HeadState(refs, 0, dirty=False, allocated=True)
        return known

    def runs(self) -> list[tuple[int, int]]:
        """(head, entries) of each run in the lists that the step unpins."""
        if self._runs is None:
            self._runs = [run for pages in self.lists for run in self.ledger.runs(pages)]
        return self._runs

    def finding(
        self,
        oracle: str,
        what: str,
        summary: str,
        rows: Iterable[Row] = (),
        sides: tuple[str, str] | None = None,
        notes: Iterable[str] = (),
    ) -> Finding:
        """A finding about this step, with its runs and the puts that were taken."""
        ledger = self.ledger
        puts: list[tuple[str, int]] = []
        if self.step.unpins:
            for event in self.candidate.events:
                if event.what == "put" and isinstance(event.refs, int) and len(puts) < MOST_RUNS:
                    puts.append((ledger.name(event.page), event.refs // ledger.each(event.page)))
        runs = [(ledger.name(head), entries) for head, entries in self.runs()[:MOST_RUNS]]
        return Finding(
            oracle,
            what,
            self.index,
            self.step,
            summary,
            tuple(rows),
            sides or (self.judge, "candidate"),
            tuple(runs),
            tuple(puts),
            tuple(notes),
        )
