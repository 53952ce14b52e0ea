# SPDX-License-Identifier: MIT

"""The record of one step: what reference, candidate and ledger say about it."""

from collections.abc import Iterable
from errno import errorcode
from itertools import islice

from attrs import define, field

from model.candidate import Snapshot
from model.page import HeadState
from model.step import Step
from properties.judging.finding import Finding, Row
from properties.judging.ledger import Ledger

#: Maximum number of runs, and of puts, in a finding.
MAX_RUNS_SHOWN = 1 << 14


@define
class HeadHistory:
    """What earlier steps of a program did to heads, as far as the heads' state does not show it.

    The functions in `properties.coverage` write and read it.

    :param cleaned: Heads that were cleaned while they were pinned.
    :param unpinned: Heads of order 9 or more that lost their last pin and stayed allocated.
    :param again: Heads that were allocated again after they were free.
    """

    cleaned: set[int] = field(factory=set)
    unpinned: set[int] = field(factory=set)
    again: set[int] = field(factory=set)


@define
class Record:
    """The record of one step, which the oracles read.

    A program has one for all its steps, filled anew after each: keep none of it.

    :param index: The step's position in the program, from 0.
    :param reference: The snapshot that the candidate's must equal.
    :param ledger: The ledger after the step.
    :param returned: The number that the call must return according to the ledger, or None.
    :param before: State by head, of each head that an earlier step touched.
    :param fields: The fields that the candidate shows.
    :param unheard: (event, call) of what the candidate's journal lacks.
    :param judge: What gave *reference*: ``reference``, or ``ledger`` if it judges alone.
    """

    index: int
    step: Step
    reference: Snapshot
    candidate: Snapshot
    ledger: Ledger
    returned: int | None
    before: dict[int, HeadState]
    history: HeadHistory
    fields: frozenset[str]
    unheard: frozenset[tuple[str, str]] = frozenset()
    judge: str = "reference"

    def hears(self, event: str) -> bool:
        """Whether the candidate's journal has each *event* of the step's call."""
        if not self.unheard:
            return True
        return self.unheard.isdisjoint({(event, self.step.call), (event, "")})

    def state_before(self, page: int) -> HeadState:
        """The state of *page* before the step."""
        return self.before.get(page) or self.ledger.first_state(page)

    def finding(
        self,
        oracle: str,
        what: str,
        summary: str,
        rows: Iterable[Row] = (),
        sides: tuple[str, str] | None = None,
        notes: Iterable[str] = (),
    ) -> Finding:
        """A finding about this step, with its runs and the candidate's puts."""
        ledger = self.ledger
        events = self.candidate.events if self.step.unpins else ()
        puts = (
            (ledger.name(event.page), event.refs // ledger.each(event.page))
            for event in events
            if event.what == "put" and isinstance(event.refs, int)
        )
        runs = [(ledger.name(head), n) for head, n in ledger.unpinned_runs[:MAX_RUNS_SHOWN]]
        error = self.reference.returned
        if error is not None and error < 0 and error == self.candidate.returned:
            said = f"{self.step.call} returned {error} (-{errorcode[-error]}) on both sides"
            notes = [said, *notes]
        return Finding(
            oracle=oracle,
            what=what,
            index=self.index,
            step=self.step,
            summary=summary,
            rows=tuple(rows),
            sides=sides or (self.judge, "candidate"),
            runs=tuple(runs),
            puts=tuple(islice(puts, MAX_RUNS_SHOWN)) if self.hears("put") else None,
            notes=tuple(notes),
        )
