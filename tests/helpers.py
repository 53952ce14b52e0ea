# SPDX-License-Identifier: MIT

"""What several test files share: paths, programs from text, and watchers that remember."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from model.attributes import PLAIN
from model.optimised import Optimised
from model.parse import parse_program
from model.semantics import SEMANTICS
from model.steps import STEPS
from properties.cli import main
from properties.search import SEED_STRIDE, Search, Tally, Watcher
from properties.searches.registry import TURNS, load
from properties.searches.soak import soak

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
TRACES = TESTS / "traces"
RECORDINGS = TESTS / "recordings"
SKETCHES = TESTS / "sketches.py"
MISBEHAVING = TESTS / "misbehaving.py"
#: A kernel tree of our own, small enough to read.
TOY = TESTS / "model" / "kernel" / "source" / "toy"

#: The first two lines of a trace.
HEADER = '# headcount 1\nsemantics("5.13")\n'


def program(*lines, semantics="5.13"):
    """The program of the statements *lines*, or of one text of several lines, without header."""
    text = "\n".join(line.removesuffix("\n") for line in lines)
    return parse_program(f"{HEADER.replace('5.13', semantics)}{text}\n")


def calls_of(version="5.13"):
    """The calls that kernels of *version* have."""
    return {call for call, cls in STEPS.items() if not cls.lacked_by(SEMANTICS[version])}


def drawn_apart(version="5.13"):
    """Those of them that searches do not draw in the place of another one."""
    return {call for call in calls_of(version) if not STEPS[call].drawn_for}


def text_of(program):
    """The text of *program* without its header."""
    return program.text().removeprefix(HEADER)


def run(*arguments):
    """The result of the command ``headcount`` with *arguments*, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def gone(pid):
    """Whether the process *pid* has ended, or does within a while: the system buries it."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    return False


def plain(program):
    """Whether no mapping of *program* has attributes, and no race is more than an entry's."""
    races = {step.race_kind() for step in program.steps}
    return races <= {"", "entry"} and all(m.attributes == PLAIN for m in program.mappings)


class Last(Watcher):
    """Remembers the last program that came to its end."""

    program = None

    def ended(self, run):
        self.program = run.so_far


def soaked(seed, steps):
    """A random program of *steps* steps."""
    watcher = Last()
    soak(Search(Optimised, watcher=watcher), seed, steps)
    return watcher.program


class Listener(Watcher):
    """Remembers what a search reports.

    :ivar failures: (program, finding) of each failure.
    """

    def __init__(self):
        self.steps = 0
        self.calls = Counter()
        self.reached = Counter()
        self.refused = Counter()
        self.programs = []
        self.failures = []

    def step(self, run, reached):
        self.steps += 1
        self.calls[run.steps[-1].call] += 1
        self.reached.update(reached)

    def rejected(self, call):
        self.refused[call] += 1

    def ended(self, run):
        self.programs.append(run.so_far)

    def found(self, program, finding):
        self.failures.append((program, finding))


def heard_of(searcher, numbers, candidate=Optimised, **where):
    """What the rounds *numbers* of *searcher* told; *where* are more fields of `Search`."""
    listener = Listener()
    search = Search(candidate, watcher=listener, **{"strict": True, **where})
    for number in numbers:
        searcher(search, number)
    return listener


def searched(candidate, seed, rounds):
    """The tally of *rounds* rounds of ``headcount verify``, which ends with a failure."""
    tally = Tally()
    search = Search(candidate, watcher=tally)
    for number in range(rounds):
        load(TURNS[number % len(TURNS)])(search, seed * SEED_STRIDE + number)
        if tally.failure:
            break
    return tally


#: Marks what takes seconds on each of many seeds.
MANY_SEEDS = pytest.mark.skipif(
    os.environ.get("HEADCOUNT_SEEDS") != "long",
    reason="takes many minutes: set HEADCOUNT_SEEDS=long",
)
