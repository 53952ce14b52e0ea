# SPDX-License-Identifier: MIT

"""The search laws: draw a prefix, run every variant of a law after it, compare the ends.

A law names step sequences with the same lasting effect: unpinning a list in one call, in two
parts, page by page or in another order, as a list, a range or a region. Comparing the final
states needs no reference, so the search also finds mistakes that candidate, reference and ledger
share.

Each variant is judged first like any other program. A finding of an oracle is reported as usual,
because it can be judged again and reduced; only if no oracle finds anything is a difference
between variants reported as a broken law.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.abilities import Abilities
from model.mapping import Mapping
from model.program import Program
from model.step import Step
from model.steps import Pin
from properties.judging.applicable import beyond
from properties.judging.judge import Run, first_finding
from properties.search import Search, attempt, report_end
from properties.searches.laws.comparison import Comparison, difference
from properties.searches.laws.equations import LAWS
from properties.searches.laws.prefix import Prefix, draw_max_entries
from properties.strategies.dice import Dice, among, one_in
from properties.strategies.layouts import draw_layout, draw_small
from properties.strategies.lists import draw_stretch
from properties.strategies.short import UNPINNING, ShortSteps
from properties.strategies.steps import RandomSteps

if TYPE_CHECKING:
    from properties.searches.laws.equations import Law

#: Number of prefixes in one round.
PREFIXES = 16

#: Maximum number of draws for one prefix; a pin may follow them.
MAX_PREFIX_STEPS = 12

#: Forms of `ShortSteps` that prefixes consist of; repeated ones are drawn more often.
SHORT_FORMS = (
    *("pin", "pin", "pin", "pin_again", "pin_two", "pin_fast", "register", "unpin_part"),
    *("unpin_dirty", "unpin_range", "unpin_one", "map", "unmap", "unmap", "write", "clean", "get"),
)

#: Calls of `RandomSteps` that prefixes may contain; one draw in six is one of these.
RICH_CALLS = ("split_huge_page", "alloc_pages", "put_page", "unmap", "ib_umem", "ib_umem_release")


def laws(search: Search, number: int) -> None:
    """Draw PREFIXES prefixes from *number*, check one law after each; stop at a finding."""
    dice = Dice(number)
    for _ in range(PREFIXES):
        if search.watcher.enough():
            return
        trial = _Trial(search, dice)
        if not trial.draw_prefix(dice.randrange(MAX_PREFIX_STEPS + 1)):
            return
        comparison = trial.draw_variants(among(dice, tuple(LAWS.values())))
        if comparison and not trial.compare(comparison):
            return


class _Trial:
    """One prefix, judged step by step while it is drawn, and the variants after it."""

    def __init__(self, search: Search, dice: Dice) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._dice = dice
        self._run = Run(candidate, _layout(dice, search, abilities), search.semantics)
        self._steps = RandomSteps(self._run.ledger)
        self._short = ShortSteps(self._run.ledger, self._steps)
        self._abilities = abilities

    def _applicable(self, step: Step) -> bool:
        """Whether the kernel version has the call of *step*, and the candidate can carry it out."""
        lacking = step.lacked_by(self._search.semantics)
        return not lacking and not beyond(step, self._abilities)

    def draw_prefix(self, draws: int) -> bool:
        """Draw up to *draws* steps, and a pin if no page is pinned; False if there is a finding."""
        for _ in range(draws):
            step = self._draw()
            if step and self._applicable(step) and not self._step(self._run, step):
                return False
        ledger = self._run.ledger
        if ledger.pinned:
            return True
        pin = self._pin()
        return not self._applicable(pin) or self._step(self._run, pin)

    def draw_variants(self, law: Law) -> Comparison | None:
        """The applicable variants of *law* after the prefix; None if fewer than two."""
        comparison = law(Prefix(self._dice, self._run, self._steps))
        if comparison is None or not comparison.prefix.steps:
            return None
        left = [v for v in comparison.variants if all(map(self._applicable, v.steps))]
        return evolve(comparison, variants=tuple(left)) if len(left) > 1 else None

    def compare(self, comparison: Comparison) -> bool:
        """Judge each variant, then compare their ends; False if something was found.

        The search goes on without a comparison if a variant triggers a known oddity.
        """
        run: Run | None = self._run
        for variant in comparison.variants:
            if not variant.steps:
                continue
            if run is None:
                run = self._rerun(comparison.prefix)
            if run is None:
                return False
            for step in variant.steps:
                if not self._step(run, step):
                    return False
                if run.met:
                    return True  # a known oddity: the ends may differ
            if not report_end(self._search, run):
                return False
            run = None
        found = difference(comparison, self._search.candidate)
        if found:
            self._search.watcher.found(*found)
        return found is None

    def _draw(self) -> Step | None:
        """The next step of the prefix; None if the drawn call or form makes no sense now."""
        if one_in(self._dice, 6):
            call = among(self._dice, RICH_CALLS)
            if not self._steps.possible(call):
                return None
            drawn: Step | None = getattr(self._steps, call)(self._dice)
            return drawn
        if one_in(self._dice, 4):
            return self._pin()
        form = among(self._dice, SHORT_FORMS)
        if form in UNPINNING and self._short.empty:
            return self._pin()
        step: Step | None = getattr(self._short, form)(self._dice)
        return step

    def _pin(self) -> Step:
        """A step that pins neighbouring pages."""
        max_entries = draw_max_entries(self._dice)
        mapping = among(self._dice, self._run.ledger.mappings)
        pages = draw_stretch(self._dice, mapping, longest=max_entries)
        return Pin(handle=self._steps.name("h"), pages=pages)

    def _step(self, run: Run, step: Step) -> bool:
        """Run and judge *step*; False if something was found.

        A step that breaks the contract or triggers a known oddity is skipped.
        """
        taken = attempt(self._search, run, step)
        if taken is None:
            return True
        if run is self._run:
            self._steps.taken(step)
            self._short.taken(step)
        if taken.finding:
            self._search.watcher.found(run.so_far, taken.finding)
        return taken.finding is None

    def _rerun(self, prefix: Program) -> Run | None:
        """A new Run that has carried out *prefix*; None if that gave a finding this time."""
        run = Run(self._search.candidate(), prefix.mappings, prefix.semantics)
        finding = first_finding(run, prefix)
        if finding:
            self._search.watcher.found(run.so_far, finding)
        return None if finding else run


def _layout(dice: Dice, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """Two to six small compound pages side by side, or one time in four any layout."""
    small = () if one_in(dice, 4) else draw_small(dice, search, abilities)
    return small or draw_layout(dice, search, abilities)
