# SPDX-License-Identifier: MIT

"""The client of a worker process: it sends one step at a time through shared memory."""

import mmap
import os
import signal
import socket
import struct
import subprocess
import weakref
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cffi

from model.candidate import Unavailable
from model.kernel.source.coverage import Counters, Counts
from model.kernel.source.cut import SHIM
from model.kernel.source.segments import OPERATIONS, Segment
from model.memory import NoProgress, Oops, Panic

#: Seconds of processor time that a step may take, plus a microsecond per page. After the first
#: timeout the second limit holds, because reducing a program repeats its timeout many times.
#: Atomic operations are limited too: a loop that contains some is stopped much sooner.
SECONDS, SECONDS_AGAIN = 4, 0.5

#: The worker's message for a timeout.
ENDLESS = "does not return"

#: Signals that code gets for what it does itself; others come from outside.
OWN_SIGNALS = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)

FFI = cffi.FFI()
FFI.cdef((SHIM / "shared.h").read_text().replace("HC_CALLS", OPERATIONS))
FFI.cdef("int sched_getcpu(void);")
_LIBC: Any = FFI.dlopen(None)
SIZE = FFI.sizeof("struct hc_shared")
CANNOT_BEGIN: int = _LIBC.HC_CANNOT_BEGIN
#: Values of the shim's enums, by name.
OPS: dict[str, int] = FFI.typeof("enum hc_op").relements
KINDS: dict[str, int] = FFI.typeof("enum hc_kind").relements
ATTRIBUTES: dict[str, int] = FFI.typeof("enum hc_attribute").relements
EVENTS: dict[str, int] = FFI.typeof("enum hc_event_kind").relements
_STATUS: dict[str, int] = FFI.typeof("enum hc_status").relements
_ARRAYS = ("events", "heads", "segs", "ran")
_OFFSETS = {name: FFI.offsetof("struct hc_shared", name) for name in _ARRAYS}
_HEAD = FFI.sizeof("struct hc_head") // 8
_EVENT = FFI.sizeof("struct hc_event") // 8


class Worker:
    """A process with the compiled functions, and its forked child, which executes the steps.

    :param counters: Where the library has its counters of executed lines.
    :param counts: What keeps the counts; without it they are lost.
    """

    def __init__(
        self, library: Path, counters: Counters | None = None, counts: Counts | None = None
    ) -> None:
        self._library = library
        self._counters = counters
        self._counts = counts
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._alive = False
        self._endless = False
        #: The requests of the program, with the one that began it.
        self._said: list[tuple[Any, ...]] = []
        #: The candidate whose program is running.
        self.owner: object = None
        self._end: Callable[[], object] = lambda: None

    def ask(
        self,
        op: str,
        segs: Sequence[Segment] = (),
        npages: int = 0,
        *arg: int,
        distinct: bool = False,
        folios: bool = False,
    ) -> Any:
        """Have the child execute *op*, such as ``HC_GET_PAGE``, on *segs*; return the results.

        :param npages: Pages that the step visits; more pages allow more time and operations.
        :param arg: Arguments of *op*.
        :param distinct: Whether no page is visited twice; this lowers the limit of puts of a page.
        :param folios: Whether the pages stand for their folios.
        :raises Oops: on a bad memory access or BUG.
        :raises NoProgress: if the step does not return.
        :raises Panic: if the process ended in another way, by itself.
        :raises Unavailable: if this machine lacks what the worker needs, or somebody killed it.
        """
        request = (op, segs, npages, arg, distinct, folios)
        if op == "HC_BEGIN":
            self._said = []
        if op != "HC_DUMP":
            self._said.append(request)
        known = self._endless
        try:
            return self._ask(*request)
        except NoProgress:
            if known or not self._endless:
                raise
        # Processor time includes what the machine spends on finding memory: a step of three pages
        # once took 4 s. A step that is endless takes too long the second time as well.
        self._endless = False
        self._set_limit()
        return [self._ask(*again) for again in self._said][-1]

    def _ask(
        self,
        op: str,
        segs: Sequence[Segment],
        npages: int,
        arg: Sequence[int],
        distinct: bool,
        folios: bool,
    ) -> Any:
        if self._process is None or self._pid != os.getpid():
            # A forked process has a worker of its own.
            try:
                self._start()
            except OSError as err:
                self.close()
                raise Unavailable(f"the worker cannot start: {err.strerror}") from None
        request = b"s" if self._alive else b"fs"
        shared = self._shared
        shared.op = OPS[op]
        shared.cpu = _LIBC.sched_getcpu()
        shared.npages = npages
        shared.distinct = distinct
        shared.folios = folios
        shared.nsegs = len(segs)
        if segs:
            flat = [number for seg in segs for number in seg]
            start = _OFFSETS["segs"] // 8
            self._words[start : start + len(flat)] = array("q", flat)
        for i, value in enumerate((*arg, 0)):  # the last argument of some calls may be left out
            shared.arg[i] = value
        try:
            self._channel.send(request)
            self._alive = True
            answer = self._channel.recv(1)
        except ConnectionError:
            answer = b""
        except BaseException:
            # Interrupted, or stopped by a timer: the child may still be inside the step.
            self.close()
            raise
        if answer != b"k":
            self._ended(answer)
        return shared

    def heads(self) -> list[list[int]]:
        """Frame, refcount, pincount and flags (``struct hc_head``) of each head touched."""
        return self._records("heads", self._shared.nheads, _HEAD)

    def events(self) -> list[list[int]]:
        """Kind, frame, references and dirty flag (``struct hc_event``) of each event."""
        return self._records("events", self._shared.nevents, _EVENT)

    def ran(self) -> list[str]:
        """The names of the counters of executed lines (`Counters`) that the step changed.

        Those that many steps of the program changed are left out.
        """
        count = self._shared.nran
        if self._counters is None or not count:
            return []
        start = _OFFSETS["ran"] // 8
        names = self._counters.names
        return [name for i in self._words[start : start + count].tolist() if (name := names[i])]

    def dump(self) -> None:
        """Have the child add its counts of executed lines to their file, if there are any."""
        if self._alive and self._counts and self._pid == os.getpid():
            self.ask("HC_DUMP")

    def _records(self, what: str, count: int, width: int) -> list[list[int]]:
        start = _OFFSETS[what] // 8
        flat = self._words[start : start + count * width].tolist()
        return [flat[i : i + width] for i in range(0, len(flat), width)]

    def _start(self) -> None:
        self._pid = os.getpid()
        self._alive = False
        if isinstance(self._end, weakref.finalize):
            self._end.detach()
        memory = os.memfd_create("headcount")
        try:
            self._start_with(memory)
        finally:
            os.close(memory)

    def _start_with(self, memory: int) -> None:
        os.ftruncate(memory, SIZE)
        self._memory = mmap.mmap(memory, SIZE)
        self._words = memoryview(self._memory).cast("q")
        self._shared = FFI.cast("struct hc_shared *", FFI.from_buffer(self._memory))
        if self._counters:
            self._shared.counters = self._counters.distance
            self._shared.ncounters = len(self._counters.names)
        self._set_limit()
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as stack:
            stack.enter_context(ours)
            words = (self._library, memory, theirs.fileno(), os.getpid())
            self._process = subprocess.Popen(  # noqa: S603 - the library is a program
                [*map(str, words)],
                pass_fds=(memory, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(self._counts.environment if self._counts else {})},
            )
            stack.pop_all()
        self._channel = ours
        # Runs when this worker is garbage collected, or the interpreter exits.
        self._end = weakref.finalize(self, _end, self._process, self._channel)

    def _set_limit(self) -> None:
        """Set the time limit of a step, in tenths of a second."""
        self._shared.tenths = round(10 * (SECONDS_AGAIN if self._endless else SECONDS))

    def _ended(self, answer: bytes) -> None:
        """Raise the exception that `ask` documents for the way in which the child ended."""
        self._alive = False
        if not answer:
            said = self._gone()
            self.close()
            raise Unavailable(said)
        (status,) = struct.unpack("i", self._channel.recv(4))
        shared = self._shared
        said = FFI.string(shared.trouble).decode(errors="replace")
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number not in OWN_SIGNALS:
                self.close()  # the request may lie unread in the channel
                raise Unavailable(killed(number))
            raise Panic(f"the worker was killed by {name_of(number)}")
        if os.WEXITSTATUS(status) == CANNOT_BEGIN:
            raise Unavailable("the worker cannot run here: no memory to share")
        if shared.status == _STATUS["HC_SHORT"]:
            raise Unavailable(f"the worker cannot run here: {said}")
        if shared.status == _STATUS["HC_OOPS"]:
            raise Oops(said)
        if shared.status == _STATUS["HC_STUCK"]:
            if said == ENDLESS:
                self._endless = True
                self._set_limit()
            raise NoProgress(said)
        raise Panic(said or f"the worker exited with status {os.WEXITSTATUS(status)}")

    def _gone(self) -> str:
        """Why the worker process has ended, in words."""
        assert self._process is not None
        status = self._process.wait()
        if status < 0:
            return killed(-status)
        return "the worker cannot start a process: too many of them, or too little memory"

    def close(self) -> None:
        """Stop the process and its child. The next step starts another process."""
        self._end()
        self._process = None
        self._alive = False


def killed(number: int) -> str:
    """What is said of a worker that the signal *number* from outside has ended."""
    reason = ", as the system does if memory runs out" if number == signal.SIGKILL else ""
    return f"the worker was killed by {name_of(number)} from outside{reason}"


def name_of(number: int) -> str:
    """The name of the signal *number*, such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """Stop *process*; its child ends with it (``PR_SET_PDEATHSIG``)."""
    channel.close()
    process.kill()
    process.wait()
