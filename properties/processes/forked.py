# SPDX-License-Identifier: MIT

"""A forked process that carries out some work, with a channel to its parent.

The parent outlives whatever happens in it, and it never outlives the parent. What it writes to
standard output goes to standard error: standard output is the report's.
"""

from __future__ import annotations

import copyreg
import ctypes
import faulthandler
import gc
import mmap
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any

from model.candidate import Unavailable
from properties.judging.watchdog import BEGUN, PAGES, Watchdog, more_seconds

#: Memory in bytes that a process may use beside what its parent had when it was forked.
MEMORY = 2 << 30

#: Seconds that the exception of a watchdog inside the process gets, before the parent ends it.
GRACE = 1.0

#: Seconds that a step may sleep. A step that waits for a processor does not sleep.
ASLEEP = 3.0

#: The same once some steps are known not to end.
ASLEEP_AGAIN = 0.5

#: Of the seconds between two looks at a step that sleeps, this many count: whoever looks may have
#: been stopped (Ctrl-Z).
MOST_BETWEEN = 1.0

#: Milliseconds that a process may live on after its end of the channel is closed.
CLOSED_TRIES = 500

#: Options of ``prctl()``: the signal that a process gets when its parent ends; and that it, and
#: what it starts, gains no privileges.
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

#: Place in the shared words, after those of the watchdog: whether the process is asked to stop.
STOP = 2

# Semantics and abilities have such mappings, and processes send them to each other.
copyreg.pickle(MappingProxyType, lambda proxy: (_proxy, (dict(proxy),)))

_TICKS = os.sysconf("SC_CLK_TCK")


def _proxy(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


class Crashed(RuntimeError):
    """Headcount's own code raised an exception in a process; the text is its traceback."""


class Stopped(BaseException):
    """Raised in a process that was asked to stop. Candidates do not catch it: no Exception."""


class Forked:
    """A child process.

    :param work: What it does; it is given the channel and the words that both share, and may
        use whatever this process has in memory.
    :param memory: Its limit of memory in bytes, see `MEMORY`; None: no limit.
    """

    def __init__(
        self, work: Callable[[Connection, memoryview], object], memory: int | None = MEMORY
    ) -> None:
        self.channel, theirs = Pipe()
        self.words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")
        self.words[PAGES] = -1
        #: The process that forked it.
        self.parent = os.getpid()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        with warnings.catch_warnings():
            # Threads of a progress bar hold nothing that the child needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            _Expected.fork = True
            self.pid = os.fork()
            _Expected.fork = False
        if not self.pid:
            self.channel.close()
            _live(work, theirs, self.words, self.parent, memory)
        theirs.close()
        self.status: int | None = None
        self._begun = 0
        self._used = self._slept = self._before = 0.0
        self._looked = self._since = monotonic()

    def send(self, message: object) -> None:
        """Send *message*; nothing happens if the process has ended: `ended` tells."""
        if self.status is None:
            with suppress(ConnectionError):
                self.channel.send(message)

    def receive(self) -> Any:
        """The next message; None if the process has ended.

        :raises Crashed: if headcount's own code failed in the process.
        :raises Unavailable: if its work cannot be done on this host.
        """
        if self.status is not None:
            return None
        try:
            message = self.channel.recv()
        except (EOFError, ConnectionError):
            self._wait()
            return None
        if isinstance(message, Crashed | Unavailable):
            self.kill()
            raise message
        return message

    def stuck(self, limit: float, *, known: bool = False) -> bool:
        """Whether the step that is being carried out has passed its limit. Ask now and then.

        :param limit: Seconds of processor time for a step; its pages add some (`more_seconds`).
        :param known: Whether some steps are known not to end, so that nothing else need end them.
        """
        now = monotonic()
        words = self.words
        used, asleep = _looks(self.pid)
        if words[PAGES] < 0 or words[BEGUN] != self._begun:
            self._begun, self._used, self._slept = words[BEGUN], used, 0.0
            self._since = now
        elif asleep and used == self._before:
            self._slept += min(now - self._looked, MOST_BETWEEN)
        self._before, self._looked = used, now
        most = limit + more_seconds(max(words[PAGES], 0)) + (0.0 if known else GRACE)
        asleep_most = ASLEEP_AGAIN if known else ASLEEP
        return words[PAGES] >= 0 and (self._slept > asleep_most or used - self._used > most)

    @property
    def in_step(self) -> float:
        """Seconds, at the last call of `stuck`, since a step began that has not ended; else 0."""
        same = self.words[PAGES] >= 0 and self.words[BEGUN] == self._begun
        return self._looked - self._since if same else 0.0

    def kill(self) -> None:
        """End the process, unless it has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._wait()

    @property
    def signal(self) -> int:
        """The signal that ended the process; 0 if none did."""
        assert self.status is not None
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    @property
    def ended(self) -> str:
        """How the process ended, in words."""
        assert self.status is not None
        if self.signal:
            return f"was killed by {signal.Signals(self.signal).name}"
        return f"exited with status {os.WEXITSTATUS(self.status)}"

    def _wait(self) -> None:
        """Wait for the end of the process, whose channel is closed or which was killed."""
        if self.status is None:
            for _ in range(CLOSED_TRIES):
                done, status = os.waitpid(self.pid, os.WNOHANG)
                if done:
                    break
                sleep(0.001)
            else:
                # It has closed all files, and lives on.
                os.kill(self.pid, signal.SIGKILL)
                _, status = os.waitpid(self.pid, 0)
            self.status = status
        self.channel.close()


def _looks(pid: int) -> tuple[float, bool]:
    """Processor time of *pid* in seconds, and whether it sleeps or is stopped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - ten times a second
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0, False
    return (int(fields[11]) + int(fields[12])) / _TICKS, fields[0] in {b"S", b"D", b"T"}


class _Expected:
    """Whether this process is forking on behalf of headcount, and not of a candidate."""

    fork = False

    @classmethod
    def check(cls) -> None:
        """End a child that a candidate forked: it would do the same work once more."""
        if not cls.fork:
            os._exit(0)


def end_with(parent: int) -> None:
    """End this process when its parent, the process *parent*, ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _live(
    work: Callable[[Connection, memoryview], object],
    channel: Connection,
    words: memoryview,
    parent: int,
    memory: int | None,
) -> None:
    """The whole life of the child: *work*, then its end."""
    code = 1
    try:
        # The parent hears of an interrupt and decides; see also `Guarded`.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        end_with(parent)
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        faulthandler.disable()
        _confine(memory)
        Watchdog.words = words
        os.register_at_fork(after_in_child=_Expected.check)
        gc.freeze()
        work(channel, words)
        code = 0
    except (Stopped, EOFError, ConnectionError):
        code = 0
    except Unavailable as err:
        channel.send(err)
    except MemoryError:
        code = 1
    except BaseException:
        with suppress(OSError):
            channel.send(Crashed(traceback.format_exc()))
    finally:
        # No clean-up of the parent's objects, no wait for threads of the candidate.
        os._exit(code)


def _confine(memory: int | None) -> None:
    """Send standard output to standard error, and limit memory; leave no core file."""
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = sys.stderr
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - of Linux
            has = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = has + memory
        resource.setrlimit(
            resource.RLIMIT_AS,
            (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard),
        )
