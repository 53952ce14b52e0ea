# SPDX-License-Identifier: MIT

"""Reduces a failing program to the smallest one found that fails in the same way.

Hypothesis shrinks numbers; the passes of this reducer know what steps are. On four
faults, Hypothesis alone ended at the smallest known size in 34 to 44 % of cases,
and Hypothesis followed by a reducer like this one in 94 %. `properties.reduce.passes`
lists the passes, and says how to write one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, evolve, field, frozen

from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program, check
from properties.judging.applicable import effort
from properties.judging.finding import Finding
from properties.judging.judge import judge
from properties.reduce.again import RUNS, why_not
from properties.reduce.condense import condensed
from properties.reduce.lists import CannotRewrite
from properties.reduce.passes import PASSES
from properties.reduce.project import projected
from properties.reduce.proposals import Pass
from properties.search import forget

#: Maximum number of programs to execute in one reduction.
MAX_EXECUTIONS = 5_000

#: Maximum number of page visits (pages that all executed programs name): up to a minute of work.
MAX_VISITS = 20_000_000

#: An execution that a limit of operations ends counts as this many additional page visits.
VISITS_PER_HANG = 50_000

#: Maximum number of executions that are waited for in vain, and the same for a report that has to
#: appear within seconds: each takes half a second. Most are of a smaller program than the last.
MAX_WAITS = 40
MAX_WAITS_FOR_REPORT = 6

#: This many memory operations of a candidate count as one page visit.
OPERATIONS_PER_VISIT = 12

#: The names of findings of `properties.searches.laws` begin with this.
LAW = "law_"


@define
class PassCounts:
    """What one pass did in a reduction.

    :param calls: How often it was called.
    :param tries: Number of programs that it proposed and that were executed.
    :param successes: Number of tries that failed with the same signature.
    :param deletions: Number of steps that the successes removed.
    """

    calls: int = 0
    tries: int = 0
    successes: int = 0
    deletions: int = 0


@frozen
class Reduced:
    """The result of a reduction.

    :param executions: Number of programs executed in the reduction.
    :param repeats: Whether the program failed again when it was executed again.
    :param why: Why it did not, in one line.
    :param tried: Number of smaller programs that `properties.reduce.smallest` judged.
    :param proved: Whether it judged all smaller programs of the scope of *program*, at least all
        of *program*'s own calls.
    :param every_call: Whether it also judged all that have other calls.
    :param cut: Whether the reduction was ended, as it waited too often for programs in vain.
    :param passes: What each pass did, by the name of its function.
    """

    program: Program
    finding: Finding
    executions: int
    repeats: bool = True
    why: str = ""
    tried: int = 0
    proved: bool = False
    every_call: bool = False
    cut: bool = False
    passes: Mapping[str, PassCounts] = field(factory=dict, eq=False, repr=False)

    def text(self) -> str:
        """How small the program is, in one line."""
        if self.finding.what.startswith(LAW):
            return "as it was found: it takes two programs to show it, which are not reduced"
        if not self.repeats:
            return self.why
        if self.cut:
            return "not wholly reduced, as that takes long: headcount reduce goes on"
        if self.proved:
            which = "of its scope" if self.every_call else "of its own calls"
            if not self.tried:
                call = self.finding.step.call
                return f"smallest (proved: no smaller program {which} ends with {call})"
            return f"smallest (proved: none of {self.tried:,} smaller programs {which} fails)"
        text = f"smallest found ({self.executions:,} programs tried in reducing it"
        return text + (f", then {self.tried:,} of its scope)" if self.tried else ")")


def reduce(
    program: Program,
    finding: Finding,
    candidate: Callable[[], Candidate],
    better: Callable[[Program, Finding], object] = forget,
    most: int = MAX_EXECUTIONS,
    passes: Sequence[Pass] = PASSES,
    waits: int = MAX_WAITS,
) -> Reduced:
    """The smallest program found that fails with the signature of *finding*.

    :param better: Called with each smaller failing program as soon as it is found.
    :param most: Maximum number of programs to execute.
    :param passes: The passes to use, in order.
    :param waits: Maximum number of executions that are waited for in vain.
    """
    if finding.what.startswith(LAW):
        return Reduced(program, finding, 0, repeats=False)
    reducer = _Reducer(finding, candidate, better, most, waits)
    start = evolve(program, steps=tuple(program.steps[: finding.index + 1]), lines=())
    if not reducer.fails(start):
        why = why_not(start, finding.signature, candidate)
        return Reduced(program, finding, reducer.executions + RUNS, repeats=False, why=why)
    reducer.shorten_history()
    improved = True
    while improved and not reducer.spent:
        size = reducer.best.size()
        for propose in passes:
            reducer.run(propose)
        improved = reducer.best.size() < size
    return Reduced(
        reducer.best,
        reducer.finding,
        reducer.executions,
        cut=not reducer.waits,
        passes=dict(reducer.passes),
    )


@define
class _Reducer:
    """The state of a reduction: the smallest failing program so far, and what was executed."""

    finding: Finding
    candidate: Callable[[], Candidate]
    better: Callable[[Program, Finding], object]
    most: int
    waits: int
    best: Program = field(init=False)
    executions: int = 0
    visits: int = 0
    tried: set[str] = field(factory=set)
    passes: defaultdict[str, PassCounts] = field(factory=lambda: defaultdict(PassCounts))

    @property
    def spent(self) -> bool:
        """Whether no more programs may be executed."""
        return self.executions >= self.most or self.visits >= MAX_VISITS or not self.waits

    def fails(self, program: Program) -> bool:
        """Whether *program* fails with the same signature; if so, it becomes `best`."""
        candidate = self.candidate()
        try:
            check(program)
            verdict = judge(program, candidate)
        except BadInput:
            return False
        finally:
            self.executions += 1
            self.visits += max(effort(program), candidate.operations // OPERATIONS_PER_VISIT)
        found = verdict.worst
        if found and found.waited:
            self.waits -= 1
        elif found and found.what == "no_progress":
            self.visits += VISITS_PER_HANG
        if found is None or found.signature != self.finding.signature:
            return False
        self.best = evolve(program, steps=tuple(program.steps[: found.index + 1]))
        self.finding = found
        self.better(self.best, found)
        return True

    def run(self, propose: Pass) -> None:
        """Try all programs that the pass *propose* yields."""
        self.passes[propose.__name__].calls += 1
        proposals = propose(self.best)
        answer: Program | None = None
        while not self.spent:
            try:
                program = proposals.send(answer)
            except (StopIteration, CannotRewrite, BadInput):
                return  # no more proposals, or the pass cannot rewrite this program
            answer = self.best if self._accepts(program, propose.__name__) else None

    def shorten_history(self) -> None:
        """Replace the beginning of `best` by a few steps that lead to the same state.

        If the result does not fail, the failure depends on more than that state. Then all lists
        lose the pages that the last step does not name, if the program fails without them.
        """
        window = 1
        filtered = False
        while window * 2 < len(self.best.steps):
            if self._shortened(condensed(self.best, window), "condensed"):
                return
            # Try `projected` before keeping more last steps: `condensed` is equally slow each time.
            if not filtered and self._shortened(projected(self.best), "projected"):
                # Repeat: each success may leave a smaller program to start from.
                while self._shortened(projected(self.best), "projected"):
                    pass
                window = 1
            else:
                window *= 8
            filtered = True

    def _shortened(self, proposals: Iterator[Program], name: str) -> bool:
        """Try *proposals* until one is smaller than `best` and fails; true if there is one."""
        self.passes[name].calls += 1
        try:
            return any(self._accepts(program, name) for program in proposals)
        except (BadInput, CannotRewrite):
            return False

    def _accepts(self, program: Program, name: str) -> bool:
        """Whether *program*, proposed by pass *name*, is smaller than the best, and fails."""
        size = program.size()
        if size >= self.best.size() or size.text in self.tried:
            return False
        self.tried.add(size.text)
        counts = self.passes[name]
        counts.tries += 1
        steps = len(self.best.steps)
        if not self.fails(program):
            return False
        counts.successes += 1
        counts.deletions += steps - len(self.best.steps)
        return True
