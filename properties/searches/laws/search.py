# SPDX-License-Identifier: MIT

"""The search: programs are drawn, and gone on with in all ways of a law."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.mapping import Mapping
from model.steps import PinUserPages
from properties.judging.judge import Run, beyond
from properties.search import attempt
from properties.searches.laws.case import Case, longest
from properties.searches.laws.equations import LAWS
from properties.searches.laws.ways import unequal
from properties.strategies import among, one_in
from properties.strategies.dice import Dice
from properties.strategies.layouts import draw_layout, draw_small, small_orders
from properties.strategies.lists import draw_stretch
from properties.strategies.needs import possible
from properties.strategies.short import Short
from properties.strategies.steps import Steps


if TYPE_CHECKING:
    from model.abilities import Abilities
    from model.program import Program
    from model.step import Step
    from properties.search import Search
    from properties.searches.laws.equations import Law
    from properties.searches.laws.ways import Ways

#: Programs of one round that ways begin with, and the most steps of one.
PREFIXES = 16
MOST_STEPS = 12

#: Forms of `Short`, and calls of `Steps`, that a program begins with.
SHORT = (
    *("pin", "pin", "pin", "pin_again", "pin_two", "pin_fast", "register", "unpin_part"),
    *("unpin_dirty", "unpin_range", "unpin_one", "map", "unmap", "unmap", "write", "clean", "get"),
)
RICH = ("split_huge_page", "alloc_pages", "put_page", "unmap", "ib_umem", "ib_umem_release")


def equalities(search: Search, number: int) -> None:
    """Draw some programs from *number*, and from each go on in the ways of a law."""
    dice = Dice(number)
    for _ in range(PREFIXES):
        if search.watcher.enough():
            return
        beginning = _Beginning(search, dice)
        if not beginning.draw(dice.randrange(MOST_STEPS + 1)):
            return
        ways = beginning.ways(among(dice, tuple(LAWS.values())))
        if ways and not beginning.compare(ways):
            return


class _Beginning:
    """A program that is drawn, and judged, until ways part."""

    def __init__(self, search: Search, dice: Dice) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._dice = dice
        self._run = Run(candidate, _layout(dice, search, abilities), search.semantics)
        self._steps = Steps(self._run.ledger)
        self._short = Short(self._run.ledger, self._steps)
        self._abilities = abilities

    def _able(self, step: Step) -> bool:
        """Whether the candidate can carry *step* out, and the version has it."""
        lacking = self._search.semantics.lacks(step.call)
        return not lacking and not beyond(step, self._abilities)

    def draw(self, steps: int) -> bool:
        """Begin with about so many steps, and a pin; whether all is right so far."""
        for _ in range(steps):
            step = self._draw()
            if step and self._able(step) and not self._step(self._run, step):
                return False
        ledger = self._run.ledger
        if ledger.pinned:
            return True
        pin = self._pin()
        return not self._able(pin) or self._step(self._run, pin)

    def ways(self, law: Law) -> Ways | None:
        """The ways of *law* from here, as far as the candidate can go them."""
        ways = law(Case(self._dice, self._run, self._steps))
        if ways is None or not ways.start.steps:
            return None
        able = [w for w in ways.ways if all(map(self._able, w.steps))]
        return evolve(ways, ways=tuple(able)) if len(able) > 1 else None

    def compare(self, ways: Ways) -> bool:
        """Judge each way, then compare how they end; whether all is right."""
        run: Run | None = self._run
        for way in ways.ways:
            if not way.steps:
                continue
            if run is None:
                run = self._again(ways.start)
            if run is None:
                return False
            for step in way.steps:
                if not self._step(run, step):
                    return False
                if run.met:
                    return True  # this way meets what the candidate is known for
            if self._search.strict and run.dearer:
                self._search.watcher.found(run.so_far, run.dearer)
                return False
            self._search.watcher.ended(run)
            run = None
        found = unequal(ways, self._search.candidate)
        if found:
            self._search.watcher.found(*found)
        return found is None

    def _draw(self) -> Step | None:
        if one_in(self._dice, 6):
            call = among(self._dice, RICH)
            if not possible(call, self._run.ledger, self._steps):
                return None
            drawn: Step | None = getattr(self._steps, call)(self._dice)
            return drawn
        if one_in(self._dice, 4):
            return self._pin()
        form = among(self._dice, SHORT)
        if form.startswith("unpin") and self._short.empty:
            return self._pin()
        step: Step | None = getattr(self._short, form)(self._dice)
        return step

    def _pin(self) -> Step:
        most = longest(self._dice)
        mapping = among(self._dice, self._run.ledger.mappings)
        pages = draw_stretch(self._dice, mapping, longest=most)
        return PinUserPages(handle=self._steps.name("h"), pages=pages)

    def _step(self, run: Run, step: Step) -> bool:
        """Let *run* take *step*; whether nothing was found, as where it made no sense."""
        taken = attempt(self._search, run, step)
        if taken is None:
            return True
        if run is self._run:
            self._steps.taken(step)
            self._short.taken(step)
        finding, _ = taken
        if finding:
            self._search.watcher.found(run.so_far, finding)
        return finding is None

    def _again(self, start: Program) -> Run | None:
        """*start* once more, for another way to go on; None if now something is found."""
        run = Run(self._search.candidate(), start.mappings, start.semantics)
        for step in start.steps:
            finding = run.step(step)
            if finding:
                self._search.watcher.found(run.so_far, finding)
                return None
        return run


def _layout(dice: Dice, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """Two to six small compound pages side by side; now and then any layout."""
    orders = small_orders(search, abilities)
    if not orders or one_in(dice, 4):
        return draw_layout(dice, search, abilities)
    return (Mapping("a", "driver", draw_small(dice, orders)),)
