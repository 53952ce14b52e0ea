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

from attrs import frozen

from model.mapping import Mapping
from model.steps import STEPS
from properties.judging.applicable import beyond
from properties.judging.judge import Run
from properties.search import attempt, report_end
from properties.strategies.dice import Dice
from properties.strategies.layouts import draw_layout, draw_small, small_orders
from properties.strategies.needs import possible
from properties.strategies.short import PINNING, UNPINNING, Short
from properties.strategies.steps import Steps


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model.abilities import Abilities
    from model.step import Step
    from properties.judging.finding import Finding
    from properties.search import Search

#: Steps of one program where compound pages are few and small, so that heads meet
#: often, and where they may be any. There it is rather the layout that matters.
LENGTHS = (100, 200, 200, 500, 500, 1_000, 2_000, 5_000)
BRIEF = (50, 100, 200, 200, 500)

#: Of so many programs one is on few small compound pages.
SMALL_ONE_IN = 3

#: Steps of a program of `long`.
LONG = 100_000

#: What can be drawn is weighed anew after so many steps.
WEIGH_EVERY = 256

#: After so many draws without a step there is nothing left that could be drawn.
IDLE = 4_096

#: A short form that last met what was met least weighs so much more, a rich one by one.
FAVOUR = 8

#: So many calls, drawn for each program, have rich forms that weigh so many times as
#: much: programs that do a few things often meet what a mixture of all does not
#: (Groce et al., "Swarm testing", ISSTA 2012).
SWARM = 3
SWARM_WEIGHT = 12

#: Forms of `properties.strategies.short`, and how often each is drawn at first.
SHORT = {
    "pin": 20,
    "pin_across": 4,
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
    "unpin_nothing": 1,
    "release": 4,
    "map": 3,
    "unmap": 3,
    "write": 3,
    "clean": 3,
    "get": 3,
    "put": 3,
}

#: In a program of more pages, rich forms that name many pages are drawn more rarely, by
#: the factor of pages beyond this number: they cost as much more.
SMALL = 512
MOST_SCALE = 32


@frozen
class _Form:
    """A way to draw a step.

    :param call: What a step of `properties.strategies.steps` calls; empty for short ones.
    :param weight: How often it is drawn at first, beside the others.
    """

    name: str
    draw: Callable[[Dice], Step | None]
    weight: int
    call: str = ""


def soak(search: Search, number: int, steps: int = 0) -> None:
    """Run one long program drawn from *number*; the watcher hears of what fails.

    :param steps: How long it is to be; if 0, that is drawn too.
    """
    dice = Dice(number)
    small = dice.randrange(SMALL_ONE_IN) == 0
    lengths = LENGTHS if small else BRIEF
    length = steps or lengths[dice.randrange(len(lengths))]
    _Soak(search, dice, small=small).run(length)


def long(search: Search, number: int) -> None:
    """The same, but with a history as long as leaks, wrap-around and what builds up need."""
    soak(search, number, LONG)


class _Soak:
    def __init__(self, search: Search, dice: Dice, *, small: bool) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._abilities = abilities
        self._dice = dice
        mappings = _layout(dice, search, abilities, small=small)
        self._run = Run(candidate, mappings, search.semantics)
        self._steps = Steps(self._run.ledger)
        self._short = Short(self._run.ledger, self._steps)
        self._calls = {
            c: None for c in sorted(abilities.calls) if not STEPS[c].lacked_by(search.semantics)
        }
        self._forms = [*self._drawn()]
        self._met: Counter[str] = Counter()
        self._last: dict[str, set[str]] = {}
        self._wheel: Sequence[int] = ()

    def _drawn(self) -> Iterator[_Form]:
        """The forms, and how often each is drawn in this program."""
        npages = sum(m.npages for m in self._run.program.mappings)
        scale = 1 if npages <= SMALL else min(npages // SMALL, MOST_SCALE)
        for name, weight in SHORT.items():
            yield _Form(name, getattr(self._short, name), weight * scale)
        calls = [*self._calls]
        often = {calls[self._dice.randrange(len(calls))] for _ in range(SWARM if calls else 0)}
        for call in calls:
            cls = STEPS[call]
            weight = cls.draw_weight * (scale if cls.names_few else 1)
            weight *= SWARM_WEIGHT if call in often else 1
            yield _Form(f"{call}()", getattr(self._steps, call), weight, call)

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
                self._search.watcher.found(self._run.so_far, finding)
                return
        report_end(self._search, self._run)

    def _step(self) -> Finding | None:
        form = self._forms[self._wheel[self._dice.randrange(len(self._wheel))]]
        name, draw = form.name, form.draw
        if name in PINNING:
            if self._short.crowded:
                name, draw = "unpin", self._short.unpin
        elif name in UNPINNING and self._short.empty:
            name, draw = "pin", self._short.pin
        if form.call and not possible(form.call, self._run.ledger, self._steps):
            return None
        step = draw(self._dice)
        if step is None or step.call not in self._calls or beyond(step, self._abilities):
            return None
        taken = attempt(self._search, self._run, step)
        if taken is None:
            return None
        finding, reached = taken
        self._steps.taken(step)
        self._short.taken(step)
        if reached:
            for situation in reached:
                self._met[situation] += 1
            self._last[name] = reached
        return finding

    def _weigh(self) -> None:
        """Let what was met least be met more: draw the forms that lead there more often."""
        rare = sorted(self._met.values())[: max(1, len(self._met) // 4)]
        limit = rare[-1] if rare else 0
        wheel: list[int] = []
        for i, form in enumerate(self._forms):
            weight = form.weight
            if any(self._met[s] <= limit for s in self._last.get(form.name, ())):
                weight += 1 if form.call else FAVOUR
            wheel += [i] * weight
        self._wheel = wheel


def _layout(
    dice: Dice, search: Search, abilities: Abilities, *, small: bool
) -> tuple[Mapping, ...]:
    """A small layout of small orders, if that is asked for and there are any; else any."""
    orders = small_orders(search, abilities) if small else []
    if not orders:
        return draw_layout(dice, search, abilities)
    extents = draw_small(dice, orders)
    refs = 1 + (dice.randrange(8) == 0)
    return (Mapping("a", "driver", extents, min(refs, abilities.refs)),)
