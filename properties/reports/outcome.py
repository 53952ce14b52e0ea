# SPDX-License-Identifier: MIT

"""What ``headcount verify`` says at its end: as lines of text, and as a JSON object."""

from collections.abc import Collection, Iterator
from textwrap import wrap
from typing import Any

from attrs import asdict, frozen

from properties.coverage.covered import Coverage
from properties.coverage.mapped import MAPPED, possible
from properties.coverage.matrices import COMBINATIONS, MATRICES
from properties.coverage.points import SITUATIONS
from properties.judging.oddities import ODDITIES
from properties.reports.failure import Failure
from properties.reports.labels import TEXT_WIDTH, labelled
from properties.reports.under_test import Extent
from properties.reports.unheard import NOT_JUDGED, unheard_lines
from properties.search import Search
from properties.verify import Ended


@frozen
class Outcome:
    """The end of a search.

    :param ended: What the search covered, and how it ended.
    :param failure: The reduced failure, if any, which is printed before.
    :param extent: How much of the candidate was under test.
    :param seed: The seed of the searches.
    :param again: The command that repeats the search.
    :param worth: How many of the planted bugs the searches find on every seed within as many steps
        as they took, and how many there are.
    """

    search: Search
    ended: Ended
    failure: Failure | None
    extent: Extent
    seed: int
    again: str
    worth: tuple[int, int]

    @property
    def coverage(self) -> Coverage:
        """What the search covered."""
        return self.ended.coverage

    @property
    def verdict(self) -> str:
        """The verdict on a candidate without a failure, as it is printed."""
        return "interrupted" if self.ended.interrupted else self.extent.lack or "agreed"

    @property
    def style(self) -> str:
        """The style of the first line of `lines`."""
        if self.failure:
            return "bold red"
        return "bold green" if self.verdict == "agreed" else "bold yellow"

    def lines(self, *, uncovered: bool) -> Iterator[str]:
        """The lines to print, but for the failure and the tables of combinations.

        :param uncovered: Whether to list the lines of the candidate that never ran.
        """
        if self.failure:
            yield from labelled("also", map(str, self.ended.also))
        if self.failure and not self.ended.interrupted:
            yield from labelled("ended", self.ended.lost)
            yield from unheard_lines(self.extent.unheard)
            return
        yield from self._searched()
        yield from labelled("ended", self.ended.lost)
        if self.ended.cut:
            more = "all these" if self.ended.begun else f"{self.ended.cut:,} more"
            yield f"cut      {more} steps, in rounds that the end cut short"
        yield from self._oddities()
        yield from self.extent.lines(listed=uncovered)
        if not self.search.captured_only:  # the grades are of random layouts
            found, planted = self.worth
            yield f"worth    {found} of {planted} planted bugs are found within this many steps"

    def _searched(self) -> Iterator[str]:
        coverage, search = self.coverage, self.search
        verdict = self.verdict
        if self.ended.interrupted:
            yield f"{verdict}: there is no verdict, and this much ran"
            verdict = "searched"
        yield (
            f"{verdict:<8} {coverage.programs:,} programs, {coverage.steps:,} steps in "
            f"{coverage.seconds:.1f} s ({rate(coverage)} a second)"
        )
        where = f"semantics {search.semantics.version}, captured layouts"
        yield f"on       {where}{'' if search.captured_only else ' and random ones'}"
        yield (
            f"reached  {reached(coverage, SITUATIONS)} situations, "
            f"{reached(coverage, COMBINATIONS)} combinations"
        )
        for name in coverage.missed(SITUATIONS):
            yield f"         not reached: {name} ({SITUATIONS[name]})"
        if points := self._mapped():
            yield f"mapped   {reached(coverage, points)} attributes of mappings and races"
            for name in coverage.missed(points):
                yield f"         not reached: {name} ({MAPPED[name]})"

    def _mapped(self) -> list[str]:
        """The coverage points of the attributes and races that the candidate can have."""
        return possible(self.extent.mapped - self.search.semantics.lacks)

    def _oddities(self) -> Iterator[str]:
        told = (
            ("skipped", "that would trigger", self.coverage.avoided),
            ("known", "compared but for", self.coverage.corrected),
        )
        for label, what, counts in told:
            for name, count in sorted(counts.items()):
                first = f"{count:,} step{'s' * (count != 1)} {what} the known oddity {name}:"
                yield from labelled(label, [first, *wrap(ODDITIES[name].story, TEXT_WIDTH)])

    def json(self) -> dict[str, Any]:
        """The JSON object, without the failure."""
        coverage = self.coverage
        found, planted = self.worth
        result: dict[str, Any] = {
            "verdict": verdict_of(self.failure, self.extent),
            "programs": coverage.programs,
            "steps": coverage.steps,
            "seconds": round(coverage.seconds, 3),
            "seed": self.seed,
            "repeat": self.again,
            "planted_bugs_found_within": {"found": found, "of": planted},
            "situations": {name: coverage.reached[name] for name in SITUATIONS},
            "mapped": {name: coverage.reached[name] for name in self._mapped()},
            "matrices": [
                {
                    "name": matrix.name,
                    "title": matrix.title,
                    "rows": matrix.rows,
                    "columns": matrix.columns,
                    "counts": matrix.counts(coverage.reached),
                }
                for matrix in MATRICES
            ],
            "around": dict(sorted(coverage.avoided.items())),
            "corrected": dict(sorted(coverage.corrected.items())),
            "deaf": [{**asdict(o), "not_judged": NOT_JUDGED[o.event]} for o in self.extent.unheard],
            "rejected": dict(sorted(coverage.rejected.items())),
            "also": [str(path) for path in self.ended.also],
            "ended": list(self.ended.lost),
            "cut": self.ended.cut,
        }
        return result | ({"under_test": self.extent.json()} if self.extent.under else {})


def verdict_of(failure: Failure | None, extent: Extent) -> str:
    """The verdict as JSON has it: diverges, dearer, agrees, or what is said in place of that."""
    if failure:
        return "dearer" if failure.finding.oracle == "cost" else "diverges"
    return extent.lack or "agrees"


def reached(coverage: Coverage, points: Collection[str]) -> str:
    """``58 of 60``: how many of *points* were reached."""
    return f"{len(points) - len(coverage.missed(points))} of {len(points)}"


def rate(coverage: Coverage) -> str:
    """Steps a second."""
    return f"{coverage.steps / max(coverage.seconds, 1e-6):,.0f}"
