# SPDX-License-Identifier: MIT

"""Runs a candidate so that whatever the candidate does becomes a Snapshot or a NoSnapshot."""

import signal
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from model.candidate import Candidate, Snapshot, Unavailable
from model.candidate import __file__ as candidate_file
from model.memory import ArgumentChanged, NoProgress, Oops
from model.memory import __file__ as memory_file
from model.program import Program
from model.step import Step
from properties.judging.watchdog import NO_RETURN, Hang, Watchdog

#: No call returns a number outside of the 64-bit integers, signed or unsigned.
LARGEST = 1 << 63

#: Number of innermost stack frames of an exception to look at.
MOST_FRAMES = 50


@frozen
class NoSnapshot:
    """Why a candidate gave no snapshot.

    :param what: What happened: the first part of the finding's signature.
    :param summary: One line that says what happened.
    :param notes: The stack frames of the exception in the candidate's own files, innermost last.
    """

    what: str
    summary: str
    notes: tuple[str, ...] = ()


class Guarded:
    """Runs one program on a candidate that may raise, exit, never return, or end early."""

    def __init__(self, candidate: Candidate, program: Program) -> None:
        self._candidate = candidate
        self._program = program
        self._snapshots: Iterator[Snapshot] | None = None
        self._watchdog = Watchdog()
        self._timed = candidate.abilities.timed

    def step(self, step: Step, npages: int) -> Snapshot | NoSnapshot:
        """The snapshot after *step*, or why the candidate gave none.

        :param npages: Number of pages that the step visits, for the time limit.
        :raises Unavailable: if the candidate cannot run on this host.
        """
        try:
            if not self._timed:
                self._watchdog.watch(npages)
            try:
                return self._step(step)
            finally:
                self._watchdog.rest()
        except Hang:
            # A second tick may have kept `_step` from ending the watch.
            self._watchdog.rest()
            return NoSnapshot("no_progress", f"{step.call} {NO_RETURN}")

    def run(self) -> Iterator[Snapshot | NoSnapshot]:
        """The snapshot after each step; if a step gives none, yield why, and stop."""
        for step in self._program.steps:
            shown = self.step(step, step.npages_visited)
            yield shown
            if isinstance(shown, NoSnapshot):
                return

    def _step(self, step: Step) -> Snapshot | NoSnapshot:
        call = step.call
        try:
            if self._snapshots is None:
                # Start here, so that a candidate that cannot start fails at its first step.
                self._snapshots = iter(self._candidate.execute(self._program))
            shown = next(self._snapshots)
            if isinstance(shown, Snapshot | NoSnapshot):
                return _checked(shown, call)
            return NoSnapshot("no_snapshot", f"{call} gave {type(shown).__name__}, not a snapshot")
        except NoProgress as err:
            empty = any(e.what == "put" and not e.refs for e in self.partial().events)
            why = "a run of 0 pages makes no progress" if empty else str(err)
            return NoSnapshot("no_progress", f"{call}: {why}", _where(err))
        except Oops as err:
            return NoSnapshot("oops", f"{call} leaves its pages: {err}", _where(err))
        except ArgumentChanged:
            changed = f"{call} changed the list of pages that it was given"
            return NoSnapshot("argument_changed", changed)
        except StopIteration:
            return NoSnapshot("no_snapshot", f"the candidate ended before {call}")
        except (Hang, Unavailable):
            raise
        except BaseException as err:
            if isinstance(err, KeyboardInterrupt) and not _alone():
                raise
            name = type(err).__name__
            return NoSnapshot(f"raised_{name}", f"{call} raised {name}: {said(err)}", _where(err))

    def partial(self) -> Snapshot:
        """A snapshot of a step that did not finish: the first 1,000 events of its journal."""
        try:
            events = self._candidate.partial()[:1000]
        except Exception:
            events = ()
        return Snapshot(returned=None, heads={}, acquired=0, released=0, events=events)


def _alone() -> bool:
    """Whether nobody interrupts this process: only the candidate can have raised it itself."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def _checked(shown: Snapshot | NoSnapshot, call: str) -> Snapshot | NoSnapshot:
    """*shown*, unless it is a snapshot whose number is none that a call can return."""
    if isinstance(shown, NoSnapshot):
        return shown
    for name in ("returned", "nmap", "longest"):
        number = getattr(shown, name)
        if number is not None and type(number) is not int:
            # A class of the candidate's own may compare as it likes, or not at all.
            setattr(shown, name, int.__index__(number))
    returned = shown.returned
    if returned is not None and not -LARGEST <= returned < 2 * LARGEST:
        bits = returned.bit_length()
        return NoSnapshot("no_snapshot", f"{call} returned a number of {bits:,} bits")
    return shown


def said(err: BaseException) -> str:
    """The message of *err* in one line of at most 200 characters, even if ``str(err)`` raises."""
    try:
        text = str(err)
    except Exception:
        text = "something that cannot be shown"
    return " ".join(text.encode(errors="replace").decode().split())[:200]


def _where(err: BaseException) -> tuple[str, ...]:
    """The last four stack frames of *err* in the candidate's own files, innermost last."""
    # Of a deep recursion only the innermost frames are looked at: there may be millions.
    deep = deque(traceback.walk_tb(err.__traceback__), maxlen=MOST_FRAMES)
    frames = traceback.StackSummary.extract(iter(deep))
    ours = {__file__, candidate_file, memory_file}
    kernel = str(Path(candidate_file).parent / "kernel")
    return tuple(
        f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}"
        for frame in frames
        if frame.filename not in ours and not frame.filename.startswith(kernel)
    )[-4:]
