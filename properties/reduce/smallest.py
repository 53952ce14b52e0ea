# SPDX-License-Identifier: MIT

"""Proves that a failing program is the smallest: tries every smaller one of its scope.

Smaller means fewer steps, then fewer compound pages, then a lower sum of orders,
then fewer pages named. Texts, which `model.program.Program.size` compares last, are
not compared. First all programs of its own calls are tried, then those with any other
call. Programs of one step less are also tried outside the scope, with lists that name a
few pages more.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial

from attrs import define, evolve, field

from model.abilities import Abilities
from model.attributes import PLAIN
from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program
from model.steps import STEPS, Pin
from properties.enumeration.exhaustive import Node, nodes, run
from properties.enumeration.scope import Scope, one_step_less, scope_of, with_every_call
from properties.judging.applicable import beyond
from properties.judging.finding import Finding
from properties.judging.judge import judge
from properties.reduce import Reduced, reduce
from properties.reduce.again import why_not
from properties.search import forget

#: Maximum number of smaller programs to try: a minute or two.
MAX_TRIES = 100_000

#: Maximum number of smaller programs to try for a report that has to appear within seconds.
MAX_TRIES_FOR_REPORT = 20_000

#: A program counts as one more try for each PAGES_PER_TRY pages that it names.
PAGES_PER_TRY = 256

#: Programs of fewer steps get a part of what may be spent, and those outside the scope one of what
#: is left then: 1/SHARE each.
SHARE_OF_FEWER_STEPS = 4
SHARE_OUTSIDE = 2

#: Progress is reported after this many tries.
TRIES_PER_WORD = 1_000

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
    :param progress: Called with the number of tries, after about each thousand.
    """
    if not reduced.repeats or reduced.cut or not most or reduced.finding.what == "lookups":
        # Too many look-ups need a long range, which has too many smaller ones to try them all.
        return reduced
    if not _fails(reduced, make):
        # It failed only after the other programs that were tried in reducing it.
        why = why_not(reduced.program, reduced.finding.signature, make)
        return evolve(reduced, repeats=False, why=why)
    if any(mapping.attributes != PLAIN for mapping in reduced.program.mappings):
        return reduced  # scopes have no attributes, and no flags
    proof = _Proof(reduced.program, reduced.finding, make, most, progress)
    proof.run()
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
        proved=proof.proved,
        every_call=proof.every_call,
    )


def _fails(reduced: Reduced, make: Callable[[], Candidate]) -> bool:
    """Whether the program of *reduced* fails again; of one that does not end that is not tried."""
    if reduced.finding.what == "no_progress":
        return True
    found = judge(reduced.program, make()).worst
    return found is not None and found.signature == reduced.finding.signature


class _Spent(Exception):
    """Raised when no more programs may be tried."""


@define
class _Proof:
    """Tries programs smaller than *program*, which is the smallest failing one so far.

    :ivar proved: Whether all smaller programs of the scope of *program* were tried that have only
        calls of *program*.
    :ivar every_call: Whether those with other calls were tried, too.
    :ivar own: Number of programs tried that have only calls of *program*.
    :ivar others: Number of those that have other calls.
    :ivar spent: What was spent of *most*; the beginnings of programs count, too.
    """

    program: Program
    finding: Finding
    make: Callable[[], Candidate]
    most: int
    progress: Callable[[int], None]
    proved: bool = False
    every_call: bool = False
    own: int = 0
    others: int = 0
    spent: int = 0
    abilities: Abilities = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.abilities = self.make().abilities

    @property
    def tried(self) -> int:
        """Number of programs that were tried: of those that are proved not to fail, if any are."""
        return self.own if self.proved and not self.every_call else self.own + self.others

    def run(self) -> None:
        """Try smaller programs until none fails, or too many were tried."""
        while found := self._found():
            program, self.finding = found
            self.program = evolve(program, comments=self.program.comments)

    def _found(self) -> tuple[Program, Finding] | None:
        """A program smaller than `program` that fails in the same way; None if none was found."""
        self.proved = self.every_call = False
        self.own = self.others = 0
        own = scope_of(self.program)
        every = with_every_call(own, self._calls())
        if (own.highest + 1) ** own.compound > self.most:
            # The scope has more layouts than the number of programs that may be tried.
            return None
        # Programs of fewer steps come first: they are few, and so much smaller.
        most = self._share(SHARE_OF_FEWER_STEPS)
        found, fewer = self._first(evolve(every, steps=own.steps - 1), most)
        if found:
            return found
        if not fewer:
            self.own = 0
        found, self.proved = self._first(own, self.most, own.steps if fewer else 1)
        if found or not self.proved:
            return found
        tried = self.own, self.others
        found, _ = self._first(one_step_less(own), self._share(SHARE_OUTSIDE))
        self.own, self.others = tried
        if fewer and not found:
            found, self.every_call = self._first(every, self.most, own.steps, {*own.calls})
        return found

    def _share(self, part: int) -> int:
        """What may be `spent` in the end, if 1/*part* of what is left is spent."""
        return self.spent + (self.most - self.spent) // part

    def _calls(self) -> list[str]:
        """The calls that the candidate has, in the kernel version of `program`."""
        semantics = self.program.semantics
        return [
            call
            for call, cls in STEPS.items()
            if call in self.abilities.calls and not cls.lacked_by(semantics)
        ]

    def _first(
        self, scope: Scope, most: int, least: int = 1, known: AbstractSet[str] = frozenset()
    ) -> tuple[tuple[Program, Finding] | None, bool]:
        """The first smaller program of *scope* that fails, and whether that or all were tried.

        :param most: How much may be `spent` in the end.
        :param least: Minimum number of steps.
        :param known: Programs that have only these calls were tried before.
        """
        try:
            return next(self._smaller(scope, most, least, known), None), True
        except _Spent:
            return None, False

    def _smaller(
        self, scope: Scope, most: int, least: int, known: AbstractSet[str]
    ) -> Iterator[tuple[Program, Finding]]:
        """Smaller programs of *scope* that fail with the same signature, each with its finding."""
        steps, compound, orders, named = self.program.size().counts
        kinds = {"driver"} & self.abilities.kinds
        split = any(step.regroups and step.takes_one_page for step in self.program.steps)
        if split or not kinds:
            # Pages of kind driver cannot be split.
            kinds |= {mapping.kind for mapping in self.program.mappings}
        layouts = [m for kind in sorted(kinds) for m in evolve(scope, kind=kind).layouts()]
        own = {step.call for step in self.program.steps} | {Pin.call}
        for length in range(least, scope.steps + 1):
            for mapping in layouts:
                size = (mapping.ncompound, sum(e.order * e.count for e in mapping.extents))
                if length == steps and size > (compound, orders):
                    continue
                room = scope.named
                if (length, *size) == (steps, compound, orders):
                    room = min(room, named - 1)
                if room < 0 or self.abilities.lacks((mapping,)):
                    continue
                self._spend(1, most)
                part = evolve(scope, steps=length, named=room, mappings=(mapping,))
                for node in nodes(part, self.finding.step.call, partial(self._failed, most)):
                    calls = {step.call for step in node.steps}
                    if calls <= known:
                        continue
                    try:
                        found = self._judge(most, node)
                    except BadInput:
                        continue
                    self.own += calls <= own
                    self.others += not calls <= own
                    if found and found.signature == self.finding.signature:
                        program = node.program(scope)
                        yield evolve(program, steps=program.steps[: found.index + 1]), found

    def _spend(self, tries: int, most: int) -> None:
        """Count *tries*, and tell the progress; raise `_Spent` if *most* is spent already."""
        if self.spent >= most:
            raise _Spent
        before = self.spent
        self.spent += tries
        if before // TRIES_PER_WORD < self.spent // TRIES_PER_WORD:
            self.progress(self.spent)

    def _judge(self, most: int, node: Node) -> Finding | None:
        """Execute the program of *node*, unless *most* is spent; the finding, or None.

        :raises BadInput: if it breaks the contract, or the candidate cannot carry it out.
        """
        self._spend(1 + node.named // PAGES_PER_TRY, most)
        reason = beyond(node.steps[-1], self.abilities)
        if reason:
            raise BadInput(reason)
        judged, found = run(node, self.program.semantics, self.make)
        found = found or judged.dearer
        if found and found.what == "no_progress":
            self.spent += TRIES_PER_HANG
        return found

    def _failed(self, most: int, node: Node) -> bool:
        """Whether *node* fails or breaks the contract; then its continuations are not tried."""
        try:
            found = self._judge(most, node)
        except BadInput:
            return True
        return found is not None and found.oracle != "cost"
