# SPDX-License-Identifier: MIT

"""A booted kernel as a candidate: turns steps into requests, and answers into snapshots."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot
from model.kernel.guest.answer import CALLS, Answer, answer
from model.kernel.guest.guest import Guest
from model.kernel.guest.layout import Layout
from model.kernel.source.segments import signed
from model.memory import NoProgress, Panic
from model.page import Event, decoded
from model.program import Program
from model.semantics import BIAS
from model.step import FOLL_LONGTERM, FOLL_WRITE, Step
from model.world import Map

#: Flags of calls beside FOLL_WRITE and FOLL_LONGTERM, as in inside/headcount.h.
EMPTY, MISUSE = 4, 16


class KernelGuest(Candidate):
    """Runs programs in a guest. Starting a program ends the previous one.

    :param slow: Kinds and orders of pages whose pins must not use GUP-fast.
    """

    def __init__(
        self, guest: Guest, abilities: Abilities, slow: frozenset[tuple[str, int]]
    ) -> None:
        self._abilities = abilities
        self._guest = guest
        self._slow = slow

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """Execute *program*: all steps in one request, or step by step.

        Programs of misuse, and programs whose steps are still being drawn, go step by step. If
        the one request fails, the program is repeated step by step to see which step fails.
        """
        if program.misuse or not isinstance(program.steps, tuple):
            yield from self._stepwise(program)
            return
        with suppress(NoProgress, Panic):
            yield from self._whole(program)
            return
        stepwise = self._stepwise(program)
        for _ in program.steps[:-1]:
            yield next(stepwise)
        last = next(stepwise)
        try:
            self._whole(program)
        except (NoProgress, Panic) as err:
            raise type(err)(f"{err} (only with all steps in one request)") from None
        yield last

    def _whole(self, program: Program) -> list[Snapshot]:
        translation = _Translation(program, self._slow)
        calls = [translation.call(step) for step in program.steps]
        lines, left = self._guest.whole([*translation.layout.requests()], calls)
        if left:
            raise Panic(f"after the last step: {left}")
        answers = zip(program.steps, map(answer, lines), strict=True)
        return [translation.snapshot(step, result) for step, result in answers]

    def _stepwise(self, program: Program) -> Iterator[Snapshot]:
        translation = _Translation(program, self._slow)
        requests = [*translation.layout.requests()]
        for step in program.steps:
            line = self._guest.one(self, requests, translation.call(step))
            requests = []
            yield translation.snapshot(step, answer(line))


class _Translation:
    """Translates the steps of one program into requests, and the answers back."""

    def __init__(self, program: Program, slow: frozenset[tuple[str, int]]) -> None:
        self.layout = Layout(program.mappings)
        self._slow = slow
        self._table = program.table()
        self._misuse = MISUSE if program.misuse else 0

    def call(self, step: Step) -> str:
        """The request for *step*, one line; binds the name that *step* makes."""
        arguments = step.arguments(self._table)
        line = f"{CALLS[step.call]} {self._operands(step, *arguments)}"
        # How many pages a pin gets is not known yet, so its handle is bound to its whole list.
        # Programs that keep the contract use no more than was pinned.
        step.bind(self._table, arguments, len(arguments[0]) if step.makes else None)
        return line

    def _operands(self, step: Step, first: Any, *rest: Any) -> str:
        """The request without the call's name, for *step* with arguments *first* and *rest*."""
        if step.binds_handle:
            return self._gup(step, first, rest[-1])
        if step.unpins:
            return self._unpin(step, first, *rest)
        if step.undoes == Map.call:
            heads = dict.fromkeys(map(self.layout.head, first))
            return " ".join(f"{number} {order}" for number, order in heads)
        flags, n = (self._misuse, *rest) if rest else (0, 0)
        return f"{flags} {n} {self.layout.words(first)}"

    def _gup(self, step: Step, pages: Sequence[int], gup_flags: int) -> str:
        # Without FOLL_PIN, FOLL_LONGTERM is an error (6.1: a WARN, and -EINVAL).
        flags = gup_flags & (FOLL_WRITE | FOLL_LONGTERM if step.pins else FOLL_WRITE)
        kinds = self.layout.kinds(pages)
        fast = not step.slow_path
        if step.slow_path and step.pins and not gup_flags:
            # About half of the pins use pin_user_pages_fast(), whose page table walk is different.
            fast = bool(pages) and self.layout.number(pages[0]) % 2 == 0
        fast = fast and not kinds & self._slow
        return f"{flags} {int(fast)} {self.layout.words(pages)}"

    def _unpin(self, step: Step, page: Any, npages: int = 1, make_dirty: bool = False) -> str:
        (named,) = step.lists()
        pages = [page] if step.takes_one_page else named.resolve(self._table)
        given = 0 if npages == len(pages) else signed(npages)
        flags = int(make_dirty) | self._misuse
        if step.takes_range and not pages:
            pages = [page]
            flags |= EMPTY
        return f"{flags} {given} {self.layout.words(pages)}"

    def snapshot(self, step: Step, result: Answer) -> Snapshot:
        """The snapshot after *step* from the agent's answer *result*, in the program's frames."""
        heads, maybe_pinned = decoded([self.layout.pfn(n), *rest] for n, *rest in result.heads)
        events: list[Event] = []
        for event, times in result.events:
            pfn = self.layout.pfn(event.page)
            _, order = self.layout.head(pfn)
            # The agent counts pins; a pin of an order-0 page, with no pincount, is 1024 references.
            refs = event.refs * (BIAS if event.what == "put" and not order else 1)
            events += [event._replace(page=pfn, refs=refs)] * times
        counted = Counter(event.what for event in events if step.unpins)
        return Snapshot(
            returned=result.returned if step.makes else None,
            heads=heads,
            acquired=result.acquired,
            released=result.released,
            warnings=result.warnings,
            puts=counted["put"],
            dirty_locks=counted["dirty"],
            maybe_pinned=maybe_pinned,
            events=events,
        )
