# SPDX-License-Identifier: MIT

"""The yardstick: a plain state machine as most people would write it, on the same runner."""

from contextlib import suppress

from attrs import evolve
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, placed
from model.pagelist import span
from model.steps import STEPS
from properties.coverage.situations import situations
from properties.judging.finding import diverged
from properties.judging.judge import Run

ORDERS = st.lists(st.sampled_from([0, 1, 2, 3, 9]), min_size=1, max_size=4)
PAGE, LENGTH, HANDLE = st.integers(0, 1023), st.integers(1, 64), st.integers(0, 49)
UNPIN = st.sampled_from(["pages", "pages_dirty_lock", "page_range_dirty_lock"])
QUIET = {"database": None, "verbosity": Verbosity.quiet, "suppress_health_check": list(HealthCheck)}


class Plain(RuleBasedStateMachine):
    """Pins stretches of pages and gives them back, whole handles or their first pages."""

    @initialize(orders=ORDERS)
    def pages(self, orders):
        self.mapping = Mapping("a", "driver", placed(((o, 1) for o in orders), FIRST_PFN))
        self.run = Run(self.search.candidate(), [self.mapping], self.search.semantics)
        self.handles = []

    @rule(page=PAGE, length=LENGTH)
    def pin(self, page, length):
        first, name = page % self.mapping.npages, f"h{len(self.run.steps) + 1}"
        pages = span("a", first, min(first + length, self.mapping.npages))
        self.take("pin_user_pages", handle=name, pages=pages)
        if name in self.run.ledger.table:
            self.handles.append((name, 0, len(self.run.ledger.table[name])))

    @rule(call=UNPIN, at=HANDLE, length=LENGTH, make_dirty=st.booleans())
    def unpin(self, call, at, length, make_dirty):
        if self.handles:
            name, start, stop = self.handles.pop(at % len(self.handles))
            middle = min(start + length, stop)
            more = {"make_dirty": make_dirty} if "dirty" in call else {}
            self.take(f"unpin_user_{call}", pages=span(name, start, middle), **more)
            if middle < stop:
                self.handles.append((name, middle, stop))

    @rule(call=st.sampled_from(["set_page_dirty", "clean", "map", "unmap"]), page=PAGE)
    def world(self, call, page):
        first = page % self.mapping.npages
        self.take(call, pages=span("a", first, first + 1))

    def take(self, call, **arguments):
        try:
            finding = self.run.step(STEPS[call](**arguments))
        except BadInput:
            return
        self.search.watcher.step(self.run, set(situations(self.run.record)))
        if finding:
            program = evolve(self.run.program, steps=tuple(self.run.steps))
            self.search.watcher.found(program, finding)
            raise diverged(finding.signature)(program, finding)

    def teardown(self):
        self.search.watcher.ended(self.run)


def plain(search, number):
    """One run of Hypothesis from the seed *number*; the watcher hears of what fails."""
    machine = seed(number)(type("Yardstick", (Plain,), {"search": search}))
    once = settings(max_examples=25, stateful_step_count=50, phases=[Phase.generate], **QUIET)
    with suppress(AssertionError, Flaky):
        run_state_machine_as_test(machine, settings=settings(once, deadline=None))
