# SPDX-License-Identifier: MIT

"""Candidates: they carry out a program and show a snapshot of the pages after each step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import wraps
from inspect import Parameter, signature
from types import FunctionType
from typing import Any, ClassVar

from attrs import define, evolve, field

from model.abilities import USUAL_CALLS, Abilities
from model.honoured import abilities_of
from model.memory import (
    NR_FOLL_PIN_ACQUIRED,
    NR_FOLL_PIN_RELEASED,
    ArgumentChanged,
    Memory,
)
from model.page import Event, HeadState
from model.pagelist import NULL
from model.program import Program
from model.step import Step, Table, shown
from model.steps import STEPS

#: The calls that have flags: the number of arguments before these, and *self*. A race follows them.
OTHERS = {
    call: len([name for name in names if name != "race"])
    for call, names in ((c, [a.name for a in shown(cls)]) for c, cls in STEPS.items())
    if "flags" in names
}


class Unavailable(Exception):
    """The candidate cannot run on this host, for example without QEMU."""


@define(kw_only=True)
class Snapshot:
    """What a candidate shows after one step.

    :param returned: The number that the call returned; None if it returns none.
    :param heads: State by frame, at least of each head whose state the step changed.
        Frames are numbered as in the program, even if a kernel uses others.
    :param acquired: NR_FOLL_PIN_ACQUIRED since the program began.
    :param released: NR_FOLL_PIN_RELEASED since the program began.
    :param warnings: Texts of the WARNs during the step.
    :param puts: Number of puts of references during the step.
    :param dirty_locks: Number of times the step locked a page to dirty it.
    :param maybe_pinned: Those of *heads* for which ``page_maybe_dma_pinned()`` is true.
    :param events: The journal of the step, where the candidate keeps one.
    :param ran: Names of counters of the candidate's code that this and few earlier steps changed.
    :param nmap: Number of entries of the region that the step made, as the device sees them.
    :param longest: The longest of its entries, in bytes.
    :param lookups: `Memory.operations_of_step`, where a candidate was asked for it.
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
    ran: Sequence[str] = field(default=(), repr=False)
    nmap: int | None = None
    longest: int | None = None
    lookups: int | None = None


class Candidate(ABC):
    """Carries out programs. Subclasses define `abilities` and `execute`; the rest has defaults."""

    @property
    @abstractmethod
    def abilities(self) -> Abilities:
        """What programs the candidate can run, and what it shows of them."""

    @abstractmethod
    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Carry out *program* from its beginning; yield a snapshot after each step.

        Steps may be appended to *program* meanwhile; they are carried out, too. A candidate
        with `Abilities.takes_whole_programs` gets complete programs that keep the contract,
        and may carry out all steps before it yields the first snapshot.

        :raises Unavailable: if the candidate cannot run on this host.
        """

    @property
    def operations(self) -> int:
        """Number of memory operations in the last program; 0 if they are not counted."""
        return 0

    def partial(self) -> Sequence[Event]:
        """The journal of the last step, even if it did not finish; empty if none is kept."""
        return ()

    def missing_calls(self) -> list[str]:
        """Calls in `abilities` that the candidate has no code for."""
        return []


class InProcess(Candidate):
    """A candidate in this process: a subclass has a method for each call, which uses `memory`.

    Pages are passed as frame numbers, *npages* as ``unsigned long``, so -errno is very large.
    """

    journal = True
    #: Whether snapshots have `Snapshot.lookups`.
    shows_lookups = False
    #: The attributes of mappings that the class honours. A sketch that overrides a part of a pin
    #: honours those that it names here, and none unless it does: it may not know them.
    attributes: ClassVar[Collection[str]] = ()
    memory: Memory
    #: The memory that `execute` made. A sketch may replace `memory`, but not this.
    _memory: Memory | None = None
    _table: Table

    def __init_subclass__(cls) -> None:
        """Let a class have pin calls without *gup_flags*, which sketches up to 0.2.0 have.

        These may come from a class that is no candidate, beside one that is.
        """
        super().__init_subclass__()
        for call, others in OTHERS.items():
            owner = next((base for base in cls.__mro__ if call in base.__dict__), cls)
            method = getattr(cls, call, None)
            new = owner is cls or not issubclass(owner, InProcess)
            if new and isinstance(method, FunctionType) and not _takes(method, others):
                setattr(cls, call, _first(method, others))

    @property
    def abilities(self) -> Abilities:
        calls = frozenset(call for call in STEPS if callable(getattr(self, call, None)))
        return evolve(abilities_of(type(self)), calls=USUAL_CALLS | calls)

    def execute(self, program: Program) -> Iterator[Snapshot]:
        self.memory = Memory(program.semantics, program.mappings, journal=self.journal)
        self._memory = self.memory
        self._table = program.table()
        for step in program.steps:
            yield self._take(step)

    @property
    def operations(self) -> int:
        return self._memory.operations if self._memory else 0

    def partial(self) -> Sequence[Event]:
        return self._memory.events if self._memory else ()

    def missing_calls(self) -> list[str]:
        return sorted(c for c in self.abilities.calls if not callable(getattr(self, c, None)))

    def _take(self, step: Step) -> Snapshot:
        memory, table = self.memory, self._table
        memory.begin_step(step.npages_touched(table))
        arguments = step.arguments(table)
        if step.takes_folios:
            arguments = (self._folios(arguments[0]), *arguments[1:])
        given = arguments[0]
        kept = given.copy() if isinstance(given, list) else given
        outcome = getattr(self, step.call)(*arguments)
        if given is not kept and given != kept:
            raise ArgumentChanged
        returned = step.bind(table, arguments, outcome)
        heads, maybe_pinned = memory.looks()
        stats = memory.stats
        snapshot = Snapshot(
            returned=returned,
            heads=heads,
            acquired=stats[NR_FOLL_PIN_ACQUIRED],
            released=stats[NR_FOLL_PIN_RELEASED],
            warnings=tuple(memory.warnings),
            puts=memory.puts,
            dirty_locks=memory.dirty_locks,
            maybe_pinned=maybe_pinned,
            events=memory.events,
        )
        if step.binds_umem:
            snapshot.nmap = _number(outcome, "nmap")
            snapshot.longest = _number(outcome, "longest")
        if self.shows_lookups:
            snapshot.lookups = memory.operations_of_step
        return snapshot

    def _folios(self, pages: Any) -> Any:
        """The folios, which are heads, of *pages*: a frame, or a list of frames and NULL."""
        head = self.memory.compound_head
        if isinstance(pages, int):
            return head(pages)
        folios = {page: page if page == NULL else head(page) for page in set(pages)}
        return [folios[page] for page in pages]

    # Steps outside of GUP, the same for every candidate in this process.

    def _heads(self, pages: Sequence[int]) -> dict[int, None]:
        """The heads of *pages*, each once, in the sequence of *pages*."""
        return dict.fromkeys(map(self.memory.compound_head, pages))

    def map(self, pages: Sequence[int]) -> None:
        """Map each compound page of *pages* once more."""
        for head in self._heads(pages):
            self.memory.add_mapping(head)

    def unmap(self, pages: Sequence[int]) -> None:
        """Unmap each compound page of *pages* once, and drop that mapping's reference."""
        for head in self._heads(pages):
            self.memory.drop_mapping(head)
            self._drop(head, 1)

    def set_page_dirty(self, pages: Sequence[int]) -> None:
        """Set the dirty flag of each compound page of *pages*, as writes through a mapping do."""
        for head in self._heads(pages):
            self.memory.set_dirty(head, dirty=True)

    def clean(self, pages: Sequence[int]) -> None:
        """Clear the dirty flag of each compound page of *pages*, as writeback does."""
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
        """Turn the free frames *pages* into compound pages of *orders*, each mapped once."""
        self.memory.rebuild(pages[0], orders, refs=1, dirty=False)

    def split_huge_page(self, pages: Sequence[int]) -> int:
        """Split the compound page of ``pages[0]`` into single ones, or return -EBUSY.

        The page is busy if it has references besides those of its mappings. Each single page
        inherits the mappings and the dirty flag (``__split_huge_page_tail``).
        """
        memory = self.memory
        head = memory.compound_head(pages[0])
        if memory.page_ref_count(head) != self.refs_of_split(head):
            return -16
        maps = memory.page_mapcount(head)
        orders = [0] * memory.compound_nr(head)
        dirty, migrated = memory.page_dirty(head), memory.migrated(head)
        memory.rebuild(head, orders, refs=maps, dirty=dirty, migrated=migrated)
        return 0

    def refs_of_split(self, head: int) -> int:
        """The number of references that *head* must have to be split: one for each mapping."""
        return self.memory.page_mapcount(head)

    def _drop(self, head: int, n: int) -> None:
        if self.memory.page_ref_sub_and_test(head, n):
            self.memory.free(head)


def _takes(method: Callable[..., Any], position: int) -> bool:
    """Whether *method* takes *gup_flags* at *position*, from 0.

    An optional parameter there whose name does not end in ``flags`` is the method's own.
    """
    parameters = [*signature(method).parameters.values()]
    if any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters):
        return True
    positional = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    there = [parameter for parameter in parameters if parameter.kind in positional][position:]
    return bool(there) and (there[0].name.endswith("flags") or there[0].default is Parameter.empty)


def _first(method: Callable[..., Any], number: int) -> Callable[..., Any]:
    """*method*, called without what follows its first *number* arguments, or is *gup_flags*."""

    @wraps(method)
    def called(*arguments: Any, **named: Any) -> Any:
        named.pop("gup_flags", None)
        return method(*arguments[:number], **named)

    return called


def counted(method: Callable[..., Any], tick: Callable[[], object]) -> Callable[..., Any]:
    """*method*, which calls *tick* first. Reports leave the frames of this file out."""

    @wraps(method)
    def called(*arguments: Any, **named: Any) -> Any:
        tick()
        return method(*arguments, **named)

    return called


def _number(outcome: Any, name: str) -> int | None:
    """The attribute *name* of *outcome*, if that is a number: a sketch has regions of its own."""
    value = getattr(outcome, name, None)
    return value if isinstance(value, int) else None
