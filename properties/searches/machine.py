# SPDX-License-Identifier: MIT

"""The search machine: a Hypothesis state machine with a rule for each call.

A rule draws a step from the ledger's state and judges it with
`properties.judging.judge.Run`. All numbers of a step come from one Random that Hypothesis
can replay and shrink; this is several times as fast as a strategy for each argument.
"""

from contextlib import suppress
from random import Random
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, event, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from model.steps import STEPS
from properties.draws import by_seed_alone
from properties.judging.applicable import beyond
from properties.judging.finding import Finding, diverged
from properties.judging.judge import Run
from properties.search import Search, attempt
from properties.strategies.attributes import (
    ATTRIBUTES_ONE_IN,
    draw_fast,
    draw_races,
    with_attributes,
)
from properties.strategies.dice import one_in
from properties.strategies.layouts import draw_layout
from properties.strategies.steps import RandomSteps

RANDOM = st.randoms(use_true_random=False)

#: Number of programs in one round. After ten programs Hypothesis makes six more programs from
#: each new one by copying parts of it to other places; most of these six only name the same
#: pages again.
PROGRAMS = 10

#: Maximum number of steps of a program.
MAX_STEPS = 50


def _call(name: str) -> Any:
    """A rule that draws a step of the call *name* and judges it."""

    def act(machine: Machine, random: Random) -> None:
        machine.act(name, random)

    def makes_sense(machine: Machine) -> bool:
        return machine.draw.possible(name)

    act.__name__ = name
    act.__doc__ = f"Draw a step of {name}()."
    made = rule(random=RANDOM)(act)
    return precondition(makes_sense)(made) if STEPS[name].needs else made


class Machine(RuleBasedStateMachine):
    """A state machine that judges each step as soon as it is drawn, with a rule for each call.

    Calls that are drawn in the place of another one have no rule of their own.

    :ivar reached: The situations that steps reached.
    :ivar refused: Calls for which, at least once, no step was drawn or carried out.
    """

    search: ClassVar[Search]
    #: The class that judges steps; a benchmark replaces it by one that does nothing.
    runner: ClassVar[type[Run]] = Run

    def __init__(self) -> None:
        super().__init__()
        self.reached: set[str] = set()
        self.refused: set[str] = set()
        self.failed = False

    @initialize(random=RANDOM)
    def mappings(self, random: Random) -> None:
        """Draw the layout and make the Run."""
        search = self.search
        candidate = search.candidate()
        abilities = self.abilities = candidate.abilities
        drawn = draw_layout(random, search, abilities)
        if abilities.attributes and one_in(random, ATTRIBUTES_ONE_IN):
            drawn = with_attributes(random, drawn, search.semantics, abilities)
        races = draw_races(random, search.semantics, abilities) if abilities.races else ("entry",)
        self.run = self.runner(candidate, drawn, search.semantics)
        self.ledger = self.run.ledger
        fast = draw_fast(random, search.semantics, abilities)
        self.draw = RandomSteps(self.ledger, races, fast)

    def act(self, call: str, random: Random) -> None:
        """Draw a step of *call* and judge it; reject *call* if no step can be carried out."""
        step = None
        lacked = STEPS[call].lacked_by(self.run.program.semantics)
        if call in self.abilities.calls and not lacked:
            step = getattr(self.draw, call)(random)
        if step is None or beyond(step, self.abilities):
            self.refused.add(call)
            self.search.watcher.rejected(call)
            return
        taken = attempt(self.search, self.run, step)
        if taken is None:
            self.refused.add(call)
            return
        finding, reached, _ = taken
        self.draw.taken(step)
        self.reached |= reached
        if finding:
            self._fail(finding)

    def _fail(self, finding: Finding) -> None:
        self.failed = True
        program = self.run.so_far
        self.search.watcher.found(program, finding)
        raise diverged(finding.signature)(program, finding)

    def teardown(self) -> None:
        """Report situations, rejected calls and calls carried out to Hypothesis's statistics."""
        if self.failed or not hasattr(self, "run"):
            return
        for name in sorted(self.reached):
            event(f"situation: {name}")
        for name in sorted(self.refused):
            event(f"rejected: {name}")
        for name in sorted({step.call for step in self.run.steps}):
            event(f"call: {name}")
        if self.run.dearer and self.search.strict:
            self._fail(self.run.dearer)
        self.search.watcher.ended(self.run)


for _name, _cls in STEPS.items():
    if not _cls.drawn_for:
        setattr(Machine, _name, _call(_name))


def machine(search: Search) -> type[Machine]:
    """The state machine class of *search*, for Hypothesis; its ``TestCase`` is for pytest."""
    return type("Headcount", (Machine,), {"search": search})


def run_by_seed(drawn: Any, quiet: settings) -> None:
    """Run the state machine class *drawn*; what it draws depends on its seed alone."""
    with by_seed_alone():
        run_state_machine_as_test(drawn, settings=quiet)


def explore(search: Search, number: int, programs: int = PROGRAMS) -> None:
    """Draw *programs* programs from the seed *number* and judge them.

    Hypothesis does not shrink here: `properties.reduce`, which knows steps, takes
    milliseconds where Hypothesis takes seconds.
    """
    quiet = settings(
        max_examples=programs,
        stateful_step_count=MAX_STEPS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    # The watcher already has the findings that are raised. Flaky: a finding did not recur.
    with suppress(AssertionError, Flaky):
        run_by_seed(seed(number)(machine(search)), quiet)
