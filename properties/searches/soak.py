# SPDX-License-Identifier: MIT

"""The searches soak and long: long random programs, without Hypothesis's engine.

A Hypothesis state machine runs a few hundred steps at most, and its engine takes most of
the time. Here a program has up to thousands of steps, so that leaks, counts that wrap and
pages that are freed and reallocated occur. Drawing a step takes little time compared with
judging it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from attrs import evolve, frozen

from model.abilities import Abilities
from model.step import Step
from model.steps import STEPS
from properties.judging.applicable import beyond
from properties.judging.finding import Finding
from properties.judging.judge import Run
from properties.search import Search, attempt, report_end
from properties.strategies.attributes import (
    ATTRIBUTES_ONE_IN,
    dice_apart,
    draw_fast,
    draw_races,
    with_attributes,
)
from properties.strategies.dice import Dice, one_in
from properties.strategies.layouts import draw_layout, draw_small
from properties.strategies.short import PINNING, UNPINNING, ShortSteps
from properties.strategies.steps import RandomSteps

#: Numbers of steps, of which one is drawn for each program. Programs on layouts that are not
#: small are shorter, so that more of these layouts are tried in the same time.
SMALL_LAYOUT_STEPS = (100, 200, 200, 500, 500, 1_000, 2_000, 5_000)
ANY_LAYOUT_STEPS = (50, 100, 200, 200, 500)

#: One program in SMALL_LAYOUT_ONE_IN has two to six small compound pages.
SMALL_LAYOUT_ONE_IN = 3

#: Number of steps of a program of `long`.
LONG_STEPS = 100_000

#: Number of draws between two computations of the weights of forms.
WEIGH_EVERY = 256

#: Maximum number of draws in a row without a step; then the program ends.
MAX_IDLE_DRAWS = 4_096

#: Extra weight of a form whose last step reached a rare situation; a call whose last step did
#: so gets an extra weight of 1.
RARE_WEIGHT = 8

#: Each program draws up to SWARM_CALLS calls, and their weight in it is multiplied by
#: SWARM_WEIGHT: programs with a few frequent calls find bugs that an even mixture of all
#: calls does not (Groce et al., "Swarm testing", ISSTA 2012).
SWARM_CALLS = 3
SWARM_WEIGHT = 12

#: Initial weights of the forms of `properties.strategies.short`.
SHORT_WEIGHTS = {
    "pin": 20,
    "pin_across": 4,
    "pin_again": 4,
    "pin_strided": 3,
    "pin_two": 8,
    "pin_fast": 6,
    "register": 4,
    "region": 3,
    "unpin": 10,
    "unpin_part": 10,
    "unpin_dirty": 14,
    "unpin_range": 20,
    "unpin_one": 6,
    "unpin_backwards": 4,
    "unpin_between": 8,
    "no_pages": 2,
    "release": 4,
    "map": 3,
    "unmap": 3,
    "write": 3,
    "clean": 3,
    "get": 3,
    "put": 3,
}

#: In layouts of more than SCALE_FROM_PAGES pages, the weights of short forms and of calls
#: that name few pages are multiplied by pages / SCALE_FROM_PAGES, at most by MAX_SCALE,
#: because the other calls name many pages of a large layout and take long.
SCALE_FROM_PAGES = 512
MAX_SCALE = 32


@frozen
class _Form:
    """A way to draw a step: a method of ShortSteps, or a call, drawn by RandomSteps.

    :param draw: Returns a step, or None if none makes sense now.
    :param weight: Its initial weight.
    :param call: The name of the call; empty for a method of ShortSteps.
    """

    name: str
    draw: Callable[[Dice], Step | None]
    weight: int
    call: str = ""


def soak(search: Search, number: int, steps: int = 0) -> None:
    """Draw one long program from *number* and judge it step by step.

    :param steps: Number of steps; if 0, it is drawn too.
    """
    dice = Dice(number)
    small = dice.randrange(SMALL_LAYOUT_ONE_IN) == 0
    lengths = SMALL_LAYOUT_STEPS if small else ANY_LAYOUT_STEPS
    length = steps or lengths[dice.randrange(len(lengths))]
    _Soak(search, dice, number, small=small).run(length)


def long(search: Search, number: int) -> None:
    """Like `soak`, with LONG_STEPS steps, for bugs that need a long history to show."""
    soak(search, number, LONG_STEPS)


class _Soak:
    """One program of the search and the weights of its forms.

    :ivar _last: For each form, the situations that its last step reached.
    :ivar _rare: The forms whose last step led to rare code.
    :ivar _wheel: Indices of forms, each as often as its weight.
    """

    def __init__(self, search: Search, dice: Dice, number: int = 0, *, small: bool) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._abilities = abilities
        #: Whether the candidate cannot do all steps of its calls that are drawn.
        plainly = evolve(abilities, attributes=frozenset(), attributes_of={}, races=frozenset())
        self._bounded = plainly != Abilities(abilities.name, calls=abilities.calls)
        self._dice = dice
        mappings = draw_small(dice, search, abilities) if small else ()
        mappings = mappings or draw_layout(dice, search, abilities)
        more = dice_apart(number)
        if abilities.attributes and one_in(more, ATTRIBUTES_ONE_IN):
            mappings = with_attributes(more, mappings, search.semantics, abilities)
        races = draw_races(more, search.semantics, abilities)
        self._run = Run(candidate, mappings, search.semantics)
        fast = draw_fast(dice_apart(number, 2), search.semantics, abilities)
        self._steps = RandomSteps(self._run.ledger, races, fast)
        self._short = ShortSteps(self._run.ledger, self._steps)
        self._calls = {
            c: None for c in sorted(abilities.calls) if not STEPS[c].lacked_by(search.semantics)
        }
        self._forms = [*self._drawn_forms()]
        self._reached: Counter[str] = Counter()
        self._rare: set[str] = set()
        self._last: dict[str, set[str]] = {}
        self._wheel: Sequence[int] = ()

    def _drawn_forms(self) -> Iterator[_Form]:
        """All forms with their initial weights for this program."""
        npages = sum(m.npages for m in self._run.program.mappings)
        scale = 1 if npages <= SCALE_FROM_PAGES else min(npages // SCALE_FROM_PAGES, MAX_SCALE)
        for name, weight in SHORT_WEIGHTS.items():
            yield _Form(name, getattr(self._short, name), weight * scale)
        calls = [call for call in self._calls if not STEPS[call].drawn_for]
        draws = range(SWARM_CALLS if calls else 0)
        often = {calls[self._dice.randrange(len(calls))] for _ in draws}
        for call in calls:
            cls = STEPS[call]
            weight = cls.draw_weight * (scale if cls.names_few else 1)
            weight *= SWARM_WEIGHT if call in often else 1
            yield _Form(f"{call}()", getattr(self._steps, call), weight, call)

    def run(self, steps: int) -> None:
        """Draw and judge *steps* steps; stop at a finding, or if MAX_IDLE_DRAWS draws give none."""
        draws = drawn = taken = 0
        while taken < steps and draws - drawn < MAX_IDLE_DRAWS:
            if draws % WEIGH_EVERY == 0:
                if self._search.watcher.enough():
                    return
                self._weigh()
            draws += 1
            finding = self._step()
            if len(self._run.steps) > taken:
                taken += 1
                drawn = draws
            if finding:
                self._search.watcher.found(self._run.so_far, finding)
                return
        report_end(self._search, self._run)

    def _step(self) -> Finding | None:
        """Draw a form and a step of it, and judge the step; the finding, if any."""
        form = self._forms[self._wheel[self._dice.randrange(len(self._wheel))]]
        name, draw = form.name, form.draw
        if name in PINNING:
            if self._short.crowded:
                name, draw = "unpin", self._short.unpin
        elif name in UNPINNING and self._short.empty:
            name, draw = "pin", self._short.pin
        if form.call and not self._steps.possible(form.call):
            return None
        step = draw(self._dice)
        if step is None or step.call not in self._calls:
            return None
        if self._bounded and beyond(step, self._abilities):
            return None
        taken = attempt(self._search, self._run, step)
        if taken is None:
            return None
        finding, reached, rare = taken
        self._steps.taken(step)
        self._short.taken(step)
        if rare:
            self._rare.add(name)
        else:
            self._rare.discard(name)
        if reached:
            counts = self._reached
            for situation in reached:
                counts[situation] += 1
            self._last[name] = reached
        return finding

    def _weigh(self) -> None:
        """Give more weight to forms whose last step reached a rare situation or rare code.

        Of the situations reached so far, the quarter that was reached least often is rare.
        """
        rare = sorted(self._reached.values())[: max(1, len(self._reached) // 4)]
        limit = rare[-1] if rare else 0
        wheel: list[int] = []
        for i, form in enumerate(self._forms):
            weight = form.weight
            last = self._last.get(form.name, ())
            if form.name in self._rare or any(self._reached[s] <= limit for s in last):
                weight += 1 if form.call else RARE_WEIGHT
            wheel += [i] * weight
        self._wheel = wheel
