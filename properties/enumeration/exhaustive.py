# SPDX-License-Identifier: MIT

"""Every program of a scope, up to the names of compound pages that are alike.

A bug is mostly in reach of few pages and few calls. There enumeration finds it
for sure, or says that it is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from model.errors import BadInput
from model.program import Program
from model.steps import STEPS
from properties.enumeration.next_steps import NextSteps
from properties.enumeration.scope import Scope
from properties.judging.judge import Run, first_finding
from properties.judging.ledger import Ledger
from properties.search import SEED_STRIDE, report_end


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from model import mapping
    from model.candidate import Candidate
    from model.semantics import Semantics
    from model.step import Step
    from properties.judging.finding import Finding
    from properties.search import Search

#: What each round of the search enumerates: more than the one before.
LADDER = (
    Scope(2, compound=2, order=2, listed=2),
    Scope(3, compound=2, order=1, listed=2),
    Scope(2, compound=2, order=2, listed=3),
    Scope(3, compound=2, order=2, listed=2, frames=5),
    Scope(3, compound=2, order=1, listed=3),
)


class Layout:
    """A mapping, and which of its pages are heads, the last of theirs, and alike."""

    def __init__(self, mapping: mapping.Mapping) -> None:
        self.mapping = mapping
        #: For each page the page of its head.
        self.head: list[int] = []
        #: For each head the one before it that is alike: a neighbour of its order.
        self.before: dict[int, int] = {}
        for extent in mapping.extents:
            for nth in range(extent.count):
                head = len(self.head)
                if nth:
                    self.before[head] = head - (1 << extent.order)
                self.head += [head] * (1 << extent.order)

    def crosses(self, a: int, b: int) -> bool:
        """Whether *a* is the last page of a compound page and *b* the first of another."""
        ends = a + 1 == len(self.head) or self.head[a + 1] == a + 1
        return ends and self.head[b] == b and self.head[a] != b


@frozen
class Node:
    """The beginning of a program.

    :param named: Pages that its lists name.
    :param uses: For each head that they name when it was used, as numbers: a
        set uses all of its heads at once.
    :param edge: Whether a list goes from the last page of a compound page to
        the first of another, so that it matters which of them is which.
    :param ordered: Whether of heads that were alike up to a use the first are used.
    """

    layout: Layout
    steps: tuple[Step, ...] = ()
    named: int = 0
    uses: Mapping[int, tuple[int, ...]] = {}
    edge: bool = False
    ordered: bool = True

    @property
    def canonical(self) -> bool:
        """Whether it stands for itself: no exchange of what is alike gives another.

        Crossing an edge is kept by every exchange, so a program that crosses
        none is the same as the one that uses the first of what is alike.
        """
        return self.edge or self.ordered

    def then(self, step: Step) -> Node:
        """The program that goes on with *step*."""
        uses, edge, ordered = dict(self.uses), self.edge, self.ordered
        layout = self.layout
        at_once = step.unordered
        use = self.named
        for pages in step.lists():
            previous = -1
            for _, i in pages.entries():
                head = layout.head[i]
                before = layout.before.get(head)
                now = (*uses.get(head, ()), use)
                # Up to this use the one before may have been just the same, and is left out.
                if before is not None and uses.get(before, ()) == now[:-1]:
                    ordered = False
                uses[head] = now
                if previous >= 0 and layout.crosses(previous, i):
                    edge = True
                previous = i
                use += not at_once
        named = self.named + step.npages_named
        return Node(layout, (*self.steps, step), named, uses, edge, ordered)

    def program(self, scope: Scope) -> Program:
        """It, to be kept."""
        return Program((self.layout.mapping,), self.steps, scope.semantics)


def nodes(
    scope: Scope, last: str = "", failed: Callable[[Node], bool] = lambda _node: False
) -> Iterator[Node]:
    """Every program of *scope* that has all its steps, or that none can follow, up to symmetry.

    A program is judged step by step, so one that is the beginning of another
    is judged with it.

    :param last: If given, the call of the last step, and only programs that have all steps.
    :param failed: Is asked of each beginning; nothing goes on from one that failed.
    """
    for mapping in scope.layouts():
        yield from _below(Node(Layout(mapping)), scope, last, failed)


def _below(node: Node, scope: Scope, last: str, failed: Callable[[Node], bool]) -> Iterator[Node]:
    if node.steps and failed(node):
        return
    depth = len(node.steps)
    final = depth + 1 == scope.steps
    try:
        ledger = Ledger.after(node.program(scope), node.steps)
    except BadInput:
        return
    following = NextSteps(scope, node.layout.mapping, ledger, depth + 1, scope.named - node.named)
    stuck = True
    for call in scope.calls:
        if final and last not in ("", call):
            continue
        for step in following.steps(call):
            stuck = False
            child = node.then(step)
            if final:
                if child.canonical:
                    yield child
            else:
                yield from _below(child, scope, last, failed)
    if stuck and not last and node.steps and node.canonical:
        yield node


def run(
    node: Node, semantics: Semantics, make: Callable[[], Candidate]
) -> tuple[Run, Finding | None]:
    """Judge the program of *node*: the run, and the finding, if there is one.

    :raises BadInput: if the program breaks the contract.
    """
    program = Program((node.layout.mapping,), node.steps, semantics)
    judged = Run(make(), program.mappings, semantics)
    return judged, first_finding(judged, program)


def exhaustive(search: Search, number: int) -> None:
    """Judge all programs of the scope of round *number*; scopes do not depend on the seed."""
    rung = number % SEED_STRIDE
    if rung < len(LADDER):
        everything(search, evolve(LADDER[rung], semantics=search.semantics))


def with_calls(scope: Scope, calls: frozenset[str]) -> Scope:
    """*scope* without the calls that are not among *calls*, or that its semantics lack."""
    left = [c for c in scope.calls if c in calls and not STEPS[c].lacked_by(scope.semantics)]
    return evolve(scope, calls=tuple(left))


def everything(search: Search, scope: Scope) -> bool:
    """Judge every program of *scope*; False if there was a finding or the watcher ended it."""
    watcher = search.watcher
    scope = with_calls(scope, search.candidate().abilities.calls)
    for node in nodes(scope):
        if watcher.enough():
            return False
        try:
            judged, finding = run(node, search.semantics, search.candidate)
        except BadInput:
            watcher.rejected(node.steps[-1].call)
            continue
        watcher.step(judged, set())
        if finding:
            watcher.found(judged.so_far, finding)
        if finding or not report_end(search, judged):
            return False
    return True
