# SPDX-License-Identifier: MIT

"""Candidates that misbehave: they end their process, never end a step, print, or sweep away.

Each is told by a finding, or agrees if it counts right all the same; `ANSWERS` says which.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
import threading
import time

from model.memory import Memory
from model.optimised import Optimised


class Prints(Optimised):
    """Right, but prints."""

    def unpin_user_page(self, page):
        print("debug", page)  # noqa: T201
        super().unpin_user_page(page)


class PrintsRaw(Optimised):
    """Right, but writes to the file descriptor of standard output."""

    def unpin_user_page(self, page):
        os.write(1, b"raw debug\n")
        super().unpin_user_page(page)


class PrintsWhenMade(Optimised):
    """Right, but prints when it is made."""

    def __init__(self):
        print("made")  # noqa: T201


class SleepsForever(Optimised):
    """Sleeps for an hour."""

    def unpin_user_page(self, page):
        time.sleep(3600)


class Exits(Optimised):
    """Calls ``sys.exit()``."""

    def unpin_user_page(self, page):
        sys.exit(0)


class EndsProcess(Optimised):
    """Ends its process as if all were well."""

    def unpin_user_page(self, page):
        os._exit(0)


class Segfaults(Optimised):
    """Reads at address 0."""

    def unpin_user_page(self, page):
        ctypes.string_at(0)


class KillsItself(Optimised):
    """Sends itself the signal that nobody can catch."""

    def unpin_user_page(self, page):
        os.kill(os.getpid(), signal.SIGKILL)


class SetsAlarm(Optimised):
    """Has the signal of an alarm end its process."""

    def unpin_user_page(self, page):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGALRM)


class ClosesAll(Optimised):
    """Closes all files, and goes on."""

    def unpin_user_page(self, page):
        os.closerange(3, 256)
        super().unpin_user_page(page)


class Loops(Optimised):
    """Never ends, in Python."""

    def unpin_user_page(self, page):
        while True:
            pass


class LoopsSwallowing(Optimised):
    """Never ends, and swallows whatever is raised into it."""

    def unpin_user_page(self, page):
        while True:
            try:
                while True:
                    pass
            except BaseException:  # noqa: S110 - that is what it is about
                pass


class LoopsInC(Optimised):
    """Never ends, inside of one function in C."""

    def unpin_user_page(self, page):
        sum(itertools.repeat(0))


class Refuels(Optimised):
    """Never ends, and lifts its limit of operations."""

    def unpin_user_page(self, page):
        while True:
            self.memory._fuel = 10**9
            self.memory.compound_head(page)


class Recurses(Optimised):
    """Calls itself for ever."""

    def unpin_user_page(self, page):
        self.unpin_user_page(page)


class RecursesDeep(Optimised):
    """The same, with the limit of recursion put off."""

    def unpin_user_page(self, page):
        sys.setrecursionlimit(10**9)
        self.unpin_user_page(page)


class Allocates(Optimised):
    """Takes memory without end."""

    def unpin_user_page(self, page):
        hoard = []
        while True:
            hoard.append(bytearray(1_000_000_000))


class Interrupts(Optimised):
    """Raises what Ctrl-C raises."""

    def unpin_user_page(self, page):
        raise KeyboardInterrupt


class EndsGenerator(Optimised):
    """Raises what ends a generator."""

    def unpin_user_page(self, page):
        raise GeneratorExit


class Stops(Optimised):
    """Raises what ends an iterator."""

    def unpin_user_page(self, page):
        raise StopIteration


class ReturnsHuge(Optimised):
    """Returns a number of a hundred thousand digits."""

    def pin_user_pages(self, pages):
        super().pin_user_pages(pages)
        return 10**100_000


class IsGenerator(Optimised):
    """Has a ``yield`` too many: nothing happens."""

    def unpin_user_page(self, page):
        super().unpin_user_page(page)
        yield


class GoesElsewhere(Optimised):
    """Changes the working folder, and is wrong."""

    def unpin_user_page(self, page):
        os.chdir("/")


class LeavesThreads(Optimised):
    """Right, and leaves a thread that ends in an hour."""

    def unpin_user_page(self, page):
        threading.Thread(target=time.sleep, args=(3600,)).start()
        super().unpin_user_page(page)


class WorksInThread(Optimised):
    """Right: it works in another thread, and waits for it."""

    def unpin_user_page(self, page):
        thread = threading.Thread(target=super().unpin_user_page, args=(page,))
        thread.start()
        thread.join()


class Forks(Optimised):
    """Right: but a child goes on as if it were the parent."""

    def unpin_user_page(self, page):
        os.fork()
        super().unpin_user_page(page)


class SwapsMemory(Optimised):
    """Puts another memory in the place of its own."""

    def unpin_user_page(self, page):
        self.memory = Memory(self.memory.semantics, ())


class HidesChanges(Optimised):
    """Wrong, and forgets which pages it touched."""

    def unpin_user_page(self, page):
        self.memory.touched.clear()


class FailsLater(Optimised):
    """Cannot be made for the fifth time."""

    made = 0

    def __init__(self):
        FailsLater.made += 1
        if FailsLater.made > 4:
            raise RuntimeError("four were enough")


#: For each of them the first part of the finding's signature; empty if it agrees.
ANSWERS = {
    Prints: "",
    PrintsRaw: "",
    PrintsWhenMade: "",
    SleepsForever: "no_progress",
    Exits: "raised_SystemExit",
    EndsProcess: "exited",
    Segfaults: "killed",
    KillsItself: "killed",
    SetsAlarm: "killed",
    ClosesAll: "exited",
    Loops: "no_progress",
    LoopsSwallowing: "no_progress",
    LoopsInC: "no_progress",
    Refuels: "no_progress",
    Recurses: "raised_RecursionError",
    RecursesDeep: "no_progress",
    Allocates: "raised_MemoryError",
    Interrupts: "raised_KeyboardInterrupt",
    EndsGenerator: "raised_GeneratorExit",
    Stops: "raised_RuntimeError",
    ReturnsHuge: "no_snapshot",
    IsGenerator: "refcount",
    GoesElsewhere: "refcount",
    LeavesThreads: "",
    WorksInThread: "",
    Forks: "",
    SwapsMemory: "refcount",
    HidesChanges: "refcount",
    FailsLater: "",
}
