# SPDX-License-Identifier: MIT

"""From a program that fails to the smallest that fails in the same way.

Hypothesis shrinks numbers; this knows what steps are. Measured on four planted
faults, Hypothesis alone ended at the smallest known size in 34 to 44 % of runs,
and in 94 % with such a reducer after it (QuickCheck's users ask for the same:
remove an action and turn a later one to another variable in one go).

What may be left out or made plainer is in `properties.reduce.passes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from model.errors import BadInput
from model.program import check
from properties.judging.applicable import effort
from properties.judging.judge import judge
from properties.reduce.condense import CannotCondense, condensed
from properties.reduce.cut import CannotCut
from properties.reduce.narrow import narrowed
from properties.reduce.passes import PASSES
from properties.reduce.project import projected
from properties.search import forget


if TYPE_CHECKING:
    from collections.abc import Callable

    from model.candidate import Candidate
    from model.program import Program
    from properties.judging.finding import Finding
    from properties.reduce.rewrite import Pass

#: Programs that are tried at most.
MOST_EXECUTIONS = 5_000

#: Pages that all of them together name at most: a minute's work or few. One that
#: does not end counts as so many as could have been visited meanwhile, and one
#: that takes the square of its pages as one for so many operations.
MOST_VISITS = 20_000_000
VISITS_OF_A_HANG = 50_000
OPERATIONS_OF_A_VISIT = 12


#: What `properties.searches.laws` finds begins with this.
LAW = "law_"

#: Programs of no more steps are not condensed.
SHORT = 12


@frozen
class Reduced:
    """What a reduction came to.

    :param executions: Programs that were carried out on the way.
    :param repeats: Whether the program failed again at all when it was run
        again; a candidate that does not do the same twice may not.
    :param tried: Smaller programs that `properties.reduce.smallest` judged.
    :param proved: Whether those were all there are in the program's scope.
    """

    program: Program
    finding: Finding
    executions: int
    repeats: bool = True
    tried: int = 0
    proved: bool = False

    def text(self) -> str:
        """How small it is, in a line."""
        if self.finding.what.startswith(LAW):
            return "as it was found: it takes two programs to show it, which are not reduced"
        if not self.repeats:
            return "it did not fail again: the candidate does not do the same thing twice"
        if self.proved:
            return f"smallest (proved: none of {self.tried:,} smaller programs of its scope fails)"
        text = f"smallest found ({self.executions:,} programs tried in reducing it"
        return text + (f", {self.tried:,} of its scope in vain)" if self.tried else ")")


def reduce(
    program: Program,
    finding: Finding,
    candidate: Callable[[], Candidate],
    better: Callable[[Program, Finding], object] = forget,
    most: int = MOST_EXECUTIONS,
) -> Reduced:
    """The smallest program found that fails with the signature of *finding*.

    :param better: Is told of each smaller one, as soon as it is found.
    """
    if finding.what.startswith(LAW):
        return Reduced(program, finding, 0, repeats=False)
    reducer = _Reducer(finding, candidate, better, most)
    start = evolve(program, steps=tuple(program.steps[: finding.index + 1]), lines=())
    if not reducer.fails(start):
        return Reduced(program, finding, reducer.executions, repeats=False)
    reducer.condense()
    improved = True
    while improved and not reducer.spent:
        size = reducer.best.size()
        for propose in PASSES:
            reducer.run(propose)
        improved = reducer.best.size() < size
    return Reduced(reducer.best, reducer.finding, reducer.executions)


class _Reducer:
    """Keeps the smallest program so far, and what was tried."""

    def __init__(
        self,
        finding: Finding,
        candidate: Callable[[], Candidate],
        better: Callable[[Program, Finding], object],
        most: int,
    ) -> None:
        self.finding = finding
        self.executions = 0
        self.best: Program
        self._candidate = candidate
        self._better = better
        self._most = most
        self._visits = 0
        self._tried: set[str] = set()

    @property
    def spent(self) -> bool:
        """Whether no more programs may be tried."""
        return self.executions >= self._most or self._visits >= MOST_VISITS

    def fails(self, program: Program) -> bool:
        """Whether *program* fails as it should; if so it is the best from now on."""
        candidate = self._candidate()
        try:
            check(program)
            verdict = judge(program, candidate)
        except BadInput:
            return False
        finally:
            self.executions += 1
            self._visits += max(effort(program), candidate.operations // OPERATIONS_OF_A_VISIT)
        found = verdict.worst
        if found and found.what == "no_progress":
            self._visits += VISITS_OF_A_HANG
        if found is None or found.signature != self.finding.signature:
            return False
        self.best = evolve(program, steps=tuple(program.steps[: found.index + 1]))
        self.finding = found
        self._better(self.best, found)
        return True

    def condense(self) -> None:
        """Put a few steps in the place of a long history, if they do as well.

        Where they do not, the failure depends on more than what is held. Then
        only what happened to the pages that it names is kept, and they may.
        """
        window = 1
        narrow = False
        while window * 2 < len(self.best.steps) and len(self.best.steps) > SHORT:
            if self._condensed(window):
                return
            # Before longer and longer ends are tried, each as slow as the last.
            if not narrow and self._narrowed():
                window = 1
            else:
                window *= 8
            narrow = True

    def _condensed(self, window: int) -> bool:
        try:
            shorter = condensed(self.best, window)
        except (BadInput, CannotCondense):
            return False
        return self._smaller(shorter) and self.fails(shorter)

    def _narrowed(self) -> bool:
        before = self.best
        for propose in (projected, narrowed):
            try:
                # Until nothing more of what it names can go.
                while any(self._smaller(p) and self.fails(p) for p in propose(self.best)):
                    pass
            except (BadInput, CannotCut):
                continue
        return self.best is not before

    def run(self, propose: Callable[[Program], Pass]) -> None:
        """Try all that *propose* has to offer."""
        proposals = propose(self.best)
        answer: Program | None = None
        while not self.spent:
            try:
                program = proposals.send(answer)
            except (StopIteration, CannotCut, BadInput):
                return  # there is no more, or it has no idea of what the program names
            answer = self.best if self._smaller(program) and self.fails(program) else None

    def _smaller(self, program: Program) -> bool:
        size = program.size()
        if size >= self.best.size() or size.text in self._tried:
            return False
        self._tried.add(size.text)
        return True
