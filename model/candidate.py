# SPDX-License-Identifier: MIT

"""What can carry out a program and show what came of each step."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED, Memory
from model.semantics import KINDS, MAX_ORDER, SEMANTICS
from model.steps import STEPS


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from model.mapping import Mapping as Pages
    from model.page import Event, HeadState
    from model.program import Program
    from model.step import Step, Table

#: Everything a snapshot can show of a step, in the order in which a report
#: names what differs.
FIELDS = (
    "returned",
    "pincount",
    "refcount",
    "dirty",
    "allocated",
    "maybe_dma_pinned",
    NR_FOLL_PIN_ACQUIRED,
    NR_FOLL_PIN_RELEASED,
    "warnings",
)

#: No bound but those that programs have anyway.
UNBOUNDED = 1 << 64


@frozen
class Abilities:
    """What a candidate can be asked.

    :param name: What a person calls it.
    :param semantics: Versions whose way of counting it follows.
    :param calls: Steps it can carry out.
    :param kinds: Kinds of mapping it can make.
    :param orders: Orders of compound pages it can make.
    :param fields: What its snapshots show, of `FIELDS`.
    :param listed: Pages that a list may name that the call is given as an array.
    :param span: Frames that may lie between the lowest and the highest.
    :param oddities: What it is known to do otherwise (`properties.judging.oddities`).
    :param orders_of: Orders that it can make of a kind, where they are fewer than *orders*.
    :param room: Pages that it has of a kind, where that has an end.
    :param named: Pages that any step may name.
    :param refs: How often it can map a page.
    :param mixes: If given, pages can be had side by side, so that a range goes from one to the
        other, only within a kind, and pages of other orders only in these kinds.
    :param changes: Whether a page table can change under ``pin_user_pages_fast_only()``.
    :param timed: Whether it ends a step that does not return by itself.
    :param whole: Whether it is much faster on programs that it is given as a whole.
    """

    name: str
    semantics: frozenset[str] = frozenset(SEMANTICS)
    calls: frozenset[str] = frozenset(STEPS)
    kinds: frozenset[str] = frozenset(KINDS)
    orders: frozenset[int] = frozenset(range(MAX_ORDER + 1))
    fields: frozenset[str] = frozenset(FIELDS)
    listed: int = UNBOUNDED
    span: int = UNBOUNDED
    oddities: tuple[str, ...] = ()
    orders_of: Mapping[str, frozenset[int]] = MappingProxyType({})
    room: Mapping[str, int] = MappingProxyType({})
    named: int = UNBOUNDED
    refs: int = UNBOUNDED
    mixes: frozenset[str] | None = None
    changes: bool = True
    timed: bool = False
    whole: bool = False

    def makes(self, kind: str) -> frozenset[int]:
        """The orders of compound pages of *kind* that it can make."""
        return self.orders & self.orders_of.get(kind, self.orders)

    def lacks(self, mappings: Sequence[Pages]) -> str:
        """Why it cannot make *mappings*; empty if it can."""
        pages: Counter[str] = Counter()
        for mapping in mappings:
            kind = mapping.kind
            if kind not in self.kinds:
                return f"{self.name} has no {kind} mappings"
            orders = self.makes(kind)
            for extent in mapping.extents:
                if extent.order not in orders:
                    what = "compound pages" if kind not in self.orders_of else f"{kind} pages"
                    return f"{self.name} has no {what} of order {extent.order}"
            if mapping.refs > self.refs:
                return f"{self.name} maps no page {mapping.refs} times"
            pages[kind] += mapping.npages
            if pages[kind] > self.room.get(kind, UNBOUNDED):
                return f"{self.name} has room for {self.room[kind]} {kind} pages, no more"
        return "" if self.mixes is None else self._beside(mappings, self.mixes)

    def _beside(self, mappings: Sequence[Pages], mixes: frozenset[str]) -> str:
        """Which pages of *mappings* lie side by side that it cannot have so; empty if none."""
        lying = sorted((e.pfn, e.stop, m.kind, e.order) for m in mappings for e in m.extents)
        for (_, stop, kind, order), (pfn, _, other, next_order) in pairwise(lying):
            if stop == pfn and (kind != other or (order != next_order and kind not in mixes)):
                return f"{self.name} has no {kind} page beside a {other} page (at {pfn:#x})"
        return ""


class Unavailable(Exception):
    """A candidate cannot be had at all, through no fault of the program."""


@frozen
class Snapshot:
    """What a candidate shows after one step.

    :param returned: The number the call gave back, if it gives one.
    :param heads: At least the frames whose state the step changed, by the
        frame that the program gives them.
    :param maybe_pinned: Those of *heads* of which ``page_maybe_dma_pinned()``
        says yes.
    :param acquired: NR_FOLL_PIN_ACQUIRED since the program began.
    :param released: NR_FOLL_PIN_RELEASED since the program began.
    :param warnings: WARNs that the step set off.
    :param puts: Puts of references it took.
    :param dirty_locks: Times it locked a page to dirty it.
    :param events: The journal of the step, where the candidate keeps one.
    """

    returned: int | None
    heads: dict[int, HeadState]
    acquired: int
    released: int
    warnings: tuple[str, ...] = ()
    puts: int = 0
    dirty_locks: int = 0
    maybe_pinned: frozenset[int] = frozenset()
    events: Sequence[Event] = field(default=(), repr=False)


class Candidate(Protocol):
    """Anything that can carry out a program."""

    @property
    def abilities(self) -> Abilities:
        """What it can be asked."""

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Carry out *program* from its beginning: a snapshot for each step.

        It goes on where steps have been appended since the last snapshot. It may carry
        out all steps that there are before it shows the first: who gives it a whole
        program has seen to it that the program keeps the contract.

        :raises Unavailable: if it cannot be had.
        """


class InProcess:
    """A candidate in this very process: a method for each call, on a `Memory`.

    A subclass has a method for each of its calls. Pages are frame numbers;
    numbers of pages are as wide as ``unsigned long``.
    """

    journal = True
    memory: Memory
    _table: Table

    @property
    def abilities(self) -> Abilities:
        """Everything: it runs on the models' own memory."""
        return Abilities(type(self).__name__)

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Carry out *program*, each step when its snapshot is asked for."""
        self.memory = Memory(program.semantics, program.mappings, journal=self.journal)
        self._table = program.table()
        for step in program.steps:
            yield self._take(step)

    def partial(self) -> Sequence[Event]:
        """The journal of a step that did not come to its end."""
        memory = getattr(self, "memory", None)
        return memory.events if isinstance(memory, Memory) else ()

    def _take(self, step: Step) -> Snapshot:
        memory = self.memory
        memory.begin_step(step.npages_touched(self._table))
        arguments = step.arguments(self._table)
        outcome = getattr(self, step.call)(*arguments)
        returned = step.bind(self._table, arguments, outcome)
        heads, maybe_pinned = memory.looks()
        return Snapshot(
            returned,
            heads,
            memory.stats[NR_FOLL_PIN_ACQUIRED],
            memory.stats[NR_FOLL_PIN_RELEASED],
            tuple(memory.warnings),
            memory.puts,
            memory.dirty_locks,
            maybe_pinned,
            memory.events,
        )

    # What the world does to pages is the same for all of them.

    def _heads(self, pages: Sequence[int]) -> dict[int, None]:
        """The heads of *pages*, each once, in their order."""
        return dict.fromkeys(map(self.memory.compound_head, pages))

    def map(self, pages: Sequence[int]) -> None:
        """Map each compound page of *pages* once more."""
        for head in self._heads(pages):
            self.memory.map(head)

    def unmap(self, pages: Sequence[int]) -> None:
        """Unmap each compound page of *pages* once."""
        for head in self._heads(pages):
            self.memory.unmap(head)
            self._drop(head, 1)

    def set_page_dirty(self, pages: Sequence[int]) -> None:
        """Write to each compound page of *pages* through a mapping."""
        for head in self._heads(pages):
            self.memory.set_dirty(head, dirty=True)

    def clean(self, pages: Sequence[int]) -> None:
        """Write each compound page of *pages* back."""
        for head in self._heads(pages):
            self.memory.set_dirty(head, dirty=False)

    def get_page(self, pages: Sequence[int], n: int) -> None:
        """Take *n* plain references on each of *pages*."""
        for page in pages:
            self.memory.page_ref_add(self.memory.compound_head(page), n)

    def put_page(self, pages: Sequence[int], n: int) -> None:
        """Drop *n* plain references on each of *pages*."""
        for page in pages:
            self._drop(self.memory.compound_head(page), n)

    def alloc_pages(self, pages: Sequence[int], orders: Sequence[int]) -> None:
        """Make new compound pages of *orders* of the free frames *pages*."""
        self.memory.rebuild(pages[0], orders, refs=1, dirty=False)

    def split_huge_page(self, pages: Sequence[int]) -> int:
        """Split the compound page of ``pages[0]`` into single ones; -EBUSY if it is held.

        Held is a head with other references than its mappings'. Each single
        page inherits the mappings and the dirty flag (``__split_huge_page_tail``).
        """
        memory = self.memory
        head = memory.compound_head(pages[0])
        maps = memory.page_mapcount(head)
        if memory.page_ref_count(head) != maps:
            return -16
        orders = [0] * memory.compound_nr(head)
        memory.rebuild(head, orders, refs=maps, dirty=memory.page_dirty(head))
        return 0

    def _drop(self, head: int, n: int) -> None:
        if self.memory.page_ref_sub_and_test(head, n):
            self.memory.free(head)
