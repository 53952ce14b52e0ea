# SPDX-License-Identifier: MIT

"""The search exhaustive: every program of a scope, but of equivalent programs only one.

Most bugs show in programs with few pages and few calls. Within such a scope enumeration
either finds a failing program or proves that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attrs import evolve, frozen

from model import mapping
from model.candidate import Candidate
from model.errors import BadInput
from model.pagelist import PageList
from model.program import Program
from model.semantics import PMD_ORDER, Semantics
from model.step import Step
from model.steps import STEPS
from properties.enumeration.next_steps import NextSteps
from properties.enumeration.scope import Scope
from properties.judging.applicable import for_ledger_alone
from properties.judging.finding import Finding
from properties.judging.judge import Run, first_finding
from properties.judging.ledger import Ledger
from properties.search import SEED_STRIDE, Search, report_end

#: The scope of each round; each scope has more programs than the one before.
ROUND_SCOPES = (
    Scope(2, compound=2, order=2, listed=2),
    Scope(3, compound=2, order=1, listed=2),
    Scope(2, compound=2, order=2, listed=3),
    Scope(3, compound=2, order=2, listed=2, frames=5),
    Scope(3, compound=2, order=1, listed=3),
)


class Layout:
    """A mapping, with the positions of its heads and which of these are alike.

    Two neighbouring heads of one extent are alike: a program in which their compound pages are
    exchanged behaves in the same way, except as `Node.edge` says.

    :ivar head: For each position, the position of its head.
    :ivar before: For each head, the head before it in its extent, if there is one.
    :ivar order: For each head, the order of its compound page.
    """

    def __init__(self, mapping: mapping.Mapping) -> None:
        self.mapping = mapping
        self.head: list[int] = []
        self.before: dict[int, int] = {}
        self.order: dict[int, int] = {}
        for extent in mapping.extents:
            for nth in range(extent.count):
                head = len(self.head)
                self.order[head] = extent.order
                if nth:
                    self.before[head] = head - (1 << extent.order)
                self.head += [head] * (1 << extent.order)

    def crosses(self, a: int, b: int) -> bool:
        """Whether position *a* is the last of a compound page and *b* the head of another."""
        ends = a + 1 == len(self.head) or self.head[a + 1] == a + 1
        return ends and self.head[b] == b and self.head[a] != b

    def decides(self, pages: PageList) -> bool:
        """Whether *pages* begins in a compound page that no PMD maps, and one follows that has."""
        orders = [self.order[self.head[i]] for _, i in pages.entries()]
        return orders[0] < PMD_ORDER <= max(orders)


@frozen
class Node:
    """A program of the scope, or the beginning of one.

    :param named: Number of pages that its lists name.
    :param uses: For each head, the numbers of the list entries that name its compound page. Entries
        are numbered through the whole program, those of an `unordered` step with one number.
    :param edge: Whether a list names the last page of a compound page, then the head of another, or
        its first page decides at which addresses a huge page lies. Exchanging two compound pages
        may change whether the pages are contiguous, or what the page table entry maps.
    :param ordered: Like heads whose *uses* are the same so far are interchangeable for the next
        entry. True if every entry names the first of such heads.
    """

    layout: Layout
    steps: tuple[Step, ...] = ()
    named: int = 0
    uses: Mapping[int, tuple[int, ...]] = {}
    edge: bool = False
    ordered: bool = True

    @property
    def canonical(self) -> bool:
        """Whether the enumeration includes this program: one of each set of equivalent ones.

        It includes programs with *edge*, and *ordered* ones: all others are equivalent to these.
        """
        return self.edge or self.ordered

    def then(self, step: Step) -> Node:
        """The program followed by *step*."""
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
                # Not ordered: the head before this one is like it and has had the same uses.
                if before is not None and uses.get(before, ()) == now[:-1]:
                    ordered = False
                uses[head] = now
                if previous >= 0 and layout.crosses(previous, i):
                    edge = True
                previous = i
                use += not at_once
            edge = edge or (step.changes_page_table() and layout.decides(pages))
        named = self.named + step.npages_named
        return Node(layout, (*self.steps, step), named, uses, edge, ordered)

    def program(self, scope: Scope) -> Program:
        """The program, in the semantics of *scope*."""
        return Program((self.layout.mapping,), self.steps, scope.semantics)


def nodes(
    scope: Scope, last: str = "", failed: Callable[[Node], bool] = lambda _node: False
) -> Iterator[Node]:
    """Every maximal program of *scope*, but of equivalent programs only one.

    A program is maximal if it has ``scope.steps`` steps or no step can follow. Shorter
    programs are the beginnings of maximal ones and are judged with them.

    :param last: The call of the last step; if not empty, only programs that end with it
        and have ``scope.steps`` steps.
    :param failed: Called with each beginning; a beginning is not continued if this returns True.
    """
    for one in scope.layouts():
        yield from _below(Node(Layout(one)), scope, last, failed)


def _below(node: Node, scope: Scope, last: str, failed: Callable[[Node], bool]) -> Iterator[Node]:
    """The programs of `nodes` that begin with *node*."""
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
    """Judge the program of *node*; returns its Run, and the finding or None.

    :raises BadInput: if the program breaks the contract.
    """
    program = Program((node.layout.mapping,), node.steps, semantics)
    alone = for_ledger_alone(program)
    judged = Run(make(), program.mappings, semantics, alone=alone)
    return judged, first_finding(judged, program)


def exhaustive(search: Search, number: int) -> None:
    """Judge every program of the scope of round *number*; the seed does not matter."""
    round_number = number % SEED_STRIDE
    if round_number < len(ROUND_SCOPES):
        judge_scope(search, evolve(ROUND_SCOPES[round_number], semantics=search.semantics))


def with_calls(scope: Scope, calls: frozenset[str]) -> Scope:
    """*scope* with only those of its calls that are in *calls* and that its semantics have."""
    left = [c for c in scope.calls if c in calls and not STEPS[c].lacked_by(scope.semantics)]
    return evolve(scope, calls=tuple(left))


def judge_scope(search: Search, scope: Scope) -> bool:
    """Judge every program of *scope*; True if all were judged, without a finding.

    The watcher of *search* is notified of each program and can stop the enumeration.
    """
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
