# SPDX-License-Identifier: MIT

"""Keeps in every list of a long program only the pages that the program's last step names.

If a failure depends on many earlier steps, dropping these one by one takes tens of
thousands of executions. Here all other pages are removed in one proposal. A removed page may
have the same head as a page that stays. Then steps are added that change the counters of this
head as the uses of the removed page did.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve

from model.errors import BadInput
from model.pagelist import from_entries
from model.program import Program
from model.step import Step
from properties.judging.ledger import Ledger
from properties.reduce.lists import MAX_PAGES_REWRITTEN, CannotRewrite, with_pages
from properties.reduce.standing import Standing, bridge, new_handles

#: If the last step names more pages than this, `projected` raises `CannotRewrite`.
MAX_PAGES_NAMED = 1024

#: Steps that take more plain references than this are removed: they are meant to bring a refcount
#: near 2^31. Failures that need such a refcount are left to `properties.reduce.condense`.
MAX_REFERENCES = 1 << 20


def projected(program: Program) -> Iterator[Program]:
    """*program* with each list reduced to the pages that the last step names.

    Yields a program for each half of these pages, and one for all of them; then the same with
    added steps that unpin single pages, because a call that unpins a list may show the bug too.

    :raises BadInput: if the program breaks the contract.
    :raises CannotRewrite: if the last step names no pages or too many, or if a split or
        an allocation would have another result.
    """
    pages = _named(program)
    half = len(pages) // 2
    parts = (pages[half:], pages[:half], pages) if half else (pages,)
    for one_by_one in (False, True):
        for left in parts:
            yield _Projection(program, left, one_by_one=one_by_one).made()


def _named(program: Program) -> Sequence[int]:
    """The frames that the last step of *program* names."""
    ledger = Ledger.after(program, program.steps[:-1])
    last = program.steps[-1]
    if last.releases_umem or (last.binds_umem and not last.pins):
        raise CannotRewrite
    pages = next(last.lists()).resolve(ledger.table)
    if not 0 < len(pages) <= MAX_PAGES_NAMED:
        raise CannotRewrite
    return pages


class _Projection:
    """Makes from *program* one that names only *pages*, with a ledger of each of these programs."""

    def __init__(self, program: Program, pages: Sequence[int], *, one_by_one: bool) -> None:
        self._program = program
        self._pages = pages
        self._kept = frozenset(pages)
        self._ordered = sorted(self._kept)
        self._one_by_one = one_by_one
        self._whole = Ledger(program.semantics, program.mappings)
        self._small = Ledger(program.semantics, program.mappings)
        self._steps: list[Step] = []
        self._handles = new_handles(step.makes for step in program.steps)

    def made(self) -> Program:
        """The smaller program, which names only the kept pages."""
        fresh = Ledger(self._program.semantics, self._program.mappings)
        around = {fresh.head(page) for page in self._kept if fresh.where(page)}
        *before, last = self._program.steps
        for step in before:
            less: Step | None
            if step.regroups:
                frames = next(step.lists()).resolve(self._whole.table)
                less = None
                if any(fresh.head(page) in around for page in frames):
                    less = self._on(step, frames)
                    self._replace({self._whole.head(page) for page in frames})
            else:
                less = self._only(step)
            self._whole.take(step)
            touched = set(self._whole.touched)
            # Without the other pages the step may break the contract; `_replace` then
            # appends other steps with the same effect.
            with suppress(BadInput):
                if less is not None:
                    self._take(less)
                    touched |= self._small.touched
            self._replace(filter(self._matters, touched))
        self._steps.append(self._on(last, self._pages))
        return evolve(self._program, steps=tuple(self._steps), lines=())

    def _take(self, step: Step) -> None:
        self._small.take(step)
        self._steps.append(step)

    def _matters(self, head: int) -> bool:
        """Whether *head* is a head now, and its compound page contains a kept page."""
        at = bisect_left(self._ordered, head)
        stop = head + (1 << self._whole.order(head))
        if at == len(self._ordered) or self._ordered[at] >= stop:
            return False
        return self._whole.head(head) == head

    def _only(self, step: Any) -> Step | None:
        """*step* with its kept pages only; None if there are none or *step* cannot be reduced."""
        if step.binds_umem or step.releases_umem:
            return None
        if getattr(step, "npages", None) is not None or getattr(step, "n", 0) > MAX_REFERENCES:
            return None
        if step.position:
            step = evolve(step, **{step.position: None})
        frames = next(step.lists()).resolve(self._whole.table)
        kept = [page for page in frames if page in self._kept]
        return self._on(step, kept) if kept else None

    def _on(self, step: Step, frames: Sequence[int]) -> Step:
        """*step* with *frames* as its list, each frame named by its mapping."""
        if len(frames) > MAX_PAGES_REWRITTEN:
            raise CannotRewrite
        places = [place for place in map(self._whole.where, frames) if place]
        return with_pages(step, from_entries(places))

    def _replace(self, heads: Iterable[int]) -> None:
        """Append steps after which the smaller program holds *heads* as the whole program does."""
        whole, small = self._whole, self._small
        changes = [
            (_standing(head, small), _standing(head, whole))
            for head in sorted(heads)
            if small.held(head) != whole.held(head) or small.order(head) != whole.order(head)
        ]
        if any(then.order != now.order or now.alive > then.alive for then, now in changes):
            raise CannotRewrite
        differ = [(then, now) for then, now in changes if then != now and then.alive]
        if differ:
            for step in bridge(differ, next(self._handles), one_by_one=self._one_by_one):
                self._take(step)


def _standing(head: int, ledger: Ledger) -> Standing:
    standing = Standing.of(head, ledger)
    return evolve(standing, gets=min(standing.gets, MAX_REFERENCES))
