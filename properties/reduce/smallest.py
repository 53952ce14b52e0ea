# SPDX-License-Identifier: MIT

"""Proves that a failing program is the smallest: tries every smaller one of its scope.

Smaller means fewer steps, then fewer compound pages, then a lower sum of orders,
then fewer pages named. Texts, which `model.program.Program.size` compares last, are
not compared. Programs of one step less are also tried outside the scope, with lists
that name a few pages more.
"""

from collections.abc import Callable, Iterator

from attrs import define, evolve

from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program
from properties.enumeration.exhaustive import Node, nodes, run
from properties.enumeration.scope import Scope, one_step_less, scope_of
from properties.judging.finding import Finding
from properties.reduce import Reduced, reduce
from properties.search import forget

#: Maximum number of smaller programs to try.
MAX_TRIES = 1_000_000

#: Maximum number of smaller programs to try for a report that has to appear within seconds.
MAX_TRIES_FOR_REPORT = 20_000

#: A program counts as one more try for each PAGES_PER_TRY pages that it names.
PAGES_PER_TRY = 256

#: A program that hangs counts as this many additional tries.
TRIES_PER_HANG = 2_000


def shrunk(
    program: Program,
    finding: Finding,
    make: Callable[[], Candidate],
    better: Callable[[Program, Finding], object] = forget,
    most: int = MAX_TRIES,
    progress: Callable[[int], None] = lambda _tried: None,
) -> Reduced:
    """The smallest program found that fails with *finding*'s signature, with a proof if possible.

    The parameters are those of `reduce` and of `smallest`.
    """
    return smallest(reduce(program, finding, make, better), make, better, most, progress)


def smallest(
    reduced: Reduced,
    make: Callable[[], Candidate],
    better: Callable[[Program, Finding], object] = forget,
    most: int = MAX_TRIES,
    progress: Callable[[int], None] = lambda _tried: None,
) -> Reduced:
    """Try all smaller programs of the scope of *reduced*; the smallest that fails, or *reduced*.

    :param better: Called with the program returned and its finding, if the program is smaller.
    :param most: Maximum number of programs to try; if it is too low, nothing is proved.
    :param progress: Called with the number of programs tried, after each thousand.
    """
    if not reduced.repeats or not most or reduced.finding.what == "lookups":
        # Too many look-ups need a long range, which has too many smaller ones to try them all.
        return reduced
    proof = _Proof(reduced.program, reduced.finding, make, most, progress)
    proved = proof.run()
    executions = reduced.executions
    if proof.program is not reduced.program:
        # The enumeration does not write the plainest names and lists; the passes do.
        again = reduce(proof.program, proof.finding, make)
        executions += again.executions
        proof.program, proof.finding = again.program, again.finding
        better(again.program, again.finding)
    return evolve(
        reduced,
        program=proof.program,
        finding=proof.finding,
        executions=executions,
        tried=proof.tried,
        proved=proved,
    )


class _Spent(Exception):
    """Raised when no more programs may be tried."""


@define
class _Proof:
    """Tries programs smaller than *program*, which is the smallest failing one so far."""

    program: Program
    finding: Finding
    make: Callable[[], Candidate]
    most: int
    progress: Callable[[int], None]
    tried: int = 0
    spent: int = 0

    def run(self) -> bool:
        """Try smaller programs; true if all smaller ones of the scope of `program` were tried.

        In that case `tried` does not count the programs outside the scope.
        """
        while True:
            scope = scope_of(self.program)
            self.tried = 0
            if (scope.highest + 1) ** scope.compound > self.most:
                # The scope has more layouts than the number of programs that may be tried.
                return False
            inside = 0
            found = None
            try:
                found = next(self._smaller(scope), None)
                if not found:
                    inside = self.tried
                    found = next(self._smaller(one_step_less(scope)), None)
            except _Spent:
                if not inside:
                    return False
            if not found:
                self.tried = inside
                return True
            node, self.finding = found
            self.program = evolve(node.program(scope), comments=self.program.comments)

    def _smaller(self, scope: Scope) -> Iterator[tuple[Node, Finding]]:
        """Smaller programs of *scope* that fail with the same signature, each with its finding."""
        steps, compound, orders, named = self.program.size().counts
        kinds = {"driver"}
        if "split_huge_page" in scope.calls:
            # Pages of kind driver cannot be split.
            kinds |= {mapping.kind for mapping in self.program.mappings}
        layouts = [m for kind in sorted(kinds) for m in evolve(scope, kind=kind).layouts()]
        for length in range(1, scope.steps + 1):
            for mapping in layouts:
                size = (mapping.ncompound, sum(e.order * e.count for e in mapping.extents))
                if length == steps and size > (compound, orders):
                    continue
                most = scope.named
                if (length, *size) == (steps, compound, orders):
                    most = min(most, named - 1)
                if most < 0:
                    continue
                self.spent += 1
                part = evolve(scope, steps=length, named=most, mappings=(mapping,))
                for node in nodes(part, self.finding.step.call, self._failed):
                    try:
                        found = self._judge(node)
                    except BadInput:
                        continue
                    if found and found.signature == self.finding.signature:
                        yield evolve(node, steps=node.steps[: found.index + 1]), found

    def _judge(self, node: Node) -> Finding | None:
        """Execute the program of *node* and count the try; the finding, or None."""
        if self.spent >= self.most:
            raise _Spent
        self.tried += 1
        self.spent += 1 + node.named // PAGES_PER_TRY
        if self.tried % 1000 == 0:
            self.progress(self.tried)
        judged, found = run(node, self.program.semantics, self.make)
        found = found or judged.dearer
        if found and found.what == "no_progress":
            self.spent += TRIES_PER_HANG
        return found

    def _failed(self, node: Node) -> bool:
        """Whether *node* fails or breaks the contract; then its continuations are not tried."""
        try:
            found = self._judge(node)
        except BadInput:
            return True
        return found is not None and found.oracle != "cost"
