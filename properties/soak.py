# SPDX-License-Identifier: MIT

"""Long random programs, without Hypothesis's engine.

Hypothesis ends a state machine's case after a few hundred steps, and its engine
takes most of the time. Here one program goes on for thousands of steps, so that
a leak, a count that wraps and a page that lived twice are met, and each step
costs what judging it costs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from model.mapping import Mapping
from properties.judge import Run, beyond
from properties.search import attempt
from properties.strategies.dice import Dice
from properties.strategies.layouts import draw_layout, draw_small, small_orders
from properties.strategies.needs import NEEDS, possible
from properties.strategies.short import Short
from properties.strategies.steps import Steps


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.candidate import Abilities
    from model.step import Step
    from properties.finding import Finding
    from properties.search import Search

    Form = Callable[[Dice], Step | None]

#: Steps of one program. Most are short enough to try many layouts.
LENGTHS = (200, 500, 500, 1_000, 1_000, 2_000, 2_000, 5_000)

#: Steps of a program of `long`.
LONG = 100_000

#: What can be drawn is weighed anew after so many steps.
WEIGH_EVERY = 256

#: After so many draws without a step there is nothing left that could be drawn.
IDLE = 4_096

#: A short form that last met what was met least weighs so much more, a rich one by one.
FAVOUR = 8

#: Forms of `properties.strategies.short`, and how often each is drawn at first.
SHORT = {
    "pin": 24,
    "pin_again": 4,
    "pin_strided": 3,
    "pin_two": 8,
    "pin_fast": 4,
    "register": 4,
    "unpin": 10,
    "unpin_part": 10,
    "unpin_dirty": 14,
    "unpin_range": 20,
    "unpin_one": 6,
    "unpin_backwards": 4,
    "unpin_between": 8,
    "release": 4,
    "map": 3,
    "unmap": 3,
    "write": 3,
    "clean": 3,
    "get": 3,
    "put": 3,
}

#: Up to so many pages rich steps are drawn as often as `SHORT` says; beyond, more
#: rarely by as much as there are more pages.
SMALL = 512
MOST_SCALE = 32

TAKING = frozenset({"pin", "pin_again", "pin_strided", "pin_two", "pin_fast"})
GIVING = frozenset(form for form in SHORT if form.startswith("unpin"))


def soak(search: Search, number: int, steps: int = 0) -> None:
    """Run one long program drawn from *number*; the watcher hears of what fails.

    :param steps: How long it is to be; if 0, that is drawn too.
    """
    dice = Dice(number)
    _Soak(search, dice).run(steps or LENGTHS[dice.randrange(len(LENGTHS))])


def long(search: Search, number: int) -> None:
    """The same, but with a history as long as leaks, wrap-around and what builds up need."""
    soak(search, number, LONG)


class _Soak:
    def __init__(self, search: Search, dice: Dice) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._abilities = abilities
        self._dice = dice
        self._run = Run(candidate, _layout(dice, search, abilities), search.semantics)
        self._steps = Steps(self._run.ledger)
        self._short = Short(self._run.ledger, self._steps)
        calls = [c for c in sorted(abilities.calls) if not search.semantics.lacks(c)]
        self._forms: list[tuple[str, Form]] = [(f, getattr(self._short, f)) for f in SHORT]
        self._forms += [(c, getattr(self._steps, c)) for c in calls]
        self._calls = frozenset(calls)
        # Rich steps name many pages where there are many, and cost as much.
        npages = sum(m.npages for m in self._run.program.mappings)
        self._scale = 1 if npages <= SMALL else min(npages // SMALL, MOST_SCALE)
        self._met: Counter[str] = Counter()
        self._last: dict[str, set[str]] = {}
        self._wheel: Sequence[int] = ()

    def run(self, steps: int) -> None:
        """Draw and judge *steps* steps, or until something is found or nothing can be drawn."""
        draws = drawn = 0
        while len(self._run.steps) < steps and draws - drawn < IDLE:
            if draws % WEIGH_EVERY == 0:
                if self._search.watcher.enough():
                    return
                self._weigh()
            draws += 1
            taken = len(self._run.steps)
            finding = self._step()
            if len(self._run.steps) > taken:
                drawn = draws
            if finding:
                self._fail(finding)
                return
        if self._search.strict and self._run.dearer:
            self._fail(self._run.dearer)
        else:
            self._search.watcher.ended(self._run)

    def _step(self) -> Finding | None:
        name, form = self._forms[self._wheel[self._dice.randrange(len(self._wheel))]]
        if name in TAKING:
            if self._short.crowded:
                name, form = "unpin", self._short.unpin
        elif name in GIVING and self._short.empty:
            name, form = "pin", self._short.pin
        if name in NEEDS and not possible(name, self._run.ledger, self._steps):
            return None
        step = form(self._dice)
        if step is None or step.call not in self._calls or beyond(step, self._abilities):
            return None
        taken = attempt(self._search, self._run, step)
        if taken is None:
            return None
        finding, reached = taken
        self._steps.taken(step)
        self._short.taken(step)
        if reached:
            self._met.update(reached)
            self._last[name] = reached
        return finding

    def _weigh(self) -> None:
        """Let what was met least be met more: draw the forms that lead there more often."""
        rare = sorted(self._met.values())[: max(1, len(self._met) // 4)]
        limit = rare[-1] if rare else 0
        wheel: list[int] = []
        for i, (name, _) in enumerate(self._forms):
            weight = SHORT[name] * self._scale if name in SHORT else 1
            if any(self._met[s] <= limit for s in self._last.get(name, ())):
                weight += FAVOUR if name in SHORT else 1
            wheel += [i] * weight
        self._wheel = wheel

    def _fail(self, finding: Finding) -> None:
        self._search.watcher.found(self._run.so_far, finding)


def _layout(dice: Dice, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """A small layout of small orders mostly, so that heads meet often; else any."""
    orders = small_orders(search, abilities)
    if not orders or not dice.randrange(4):
        return draw_layout(dice, search, abilities)
    extents = draw_small(dice, orders)
    refs = 1 + (dice.randrange(8) == 0)
    return (Mapping("a", "driver", extents, refs),)
