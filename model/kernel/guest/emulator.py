# SPDX-License-Identifier: MIT

"""The machine: QEMU, a console that is watched, and a port to talk through."""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NoReturn

from model.errors import BadInput
from model.memory import NoProgress, Panic


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.kernel.guest.image import Image

QEMU = "qemu-system-x86_64"

#: Seconds until a machine must have come up, and without a byte from it until it hangs.
#: It says something at least every second while steps come to their end.
BOOT_SECONDS = 120.0
SILENT_SECONDS = 20.0

#: What a machine prints when something is wrong with its kernel.
ALARMS = (
    "BUG: ",
    "BUG at ",
    "Oops",
    "Kernel panic",
    "general protection fault",
    "Bad page ",
    "Unable to handle kernel",
    "unable to handle page fault",
    "refcount_t: ",
    "detected stall",
    "list_add corruption",
    "list_del corruption",
)

#: Lines of the console that are told of a machine that ended.
TOLD = 4


def emulator() -> str:
    """Where the emulator is installed.

    :raises BadInput: if it is not.
    """
    qemu = shutil.which(QEMU)
    if qemu is None:
        msg = f"kernel-guest boots with {QEMU}: apt install --no-install-recommends qemu-system-x86"
        raise BadInput(msg)
    return qemu


class Ended(Exception):
    """The machine is not there any more, or does not say what it should."""


class Killed(Ended):
    """Somebody else has ended the machine."""


class Emulator:
    """One machine from power-on to power-off, at the latest that of the thread that made it.

    TCG alone: that ``/dev/kvm`` opens does not mean that a kernel runs in it (seen where a
    module interprets the guest, which never came up).

    :param memory: MiB.
    :param words: More for the kernel's command line.
    :param count: Whether the machine's clock counts instructions, one a nanosecond.
    :raises BadInput: if there is no QEMU.
    """

    def __init__(
        self,
        image: Image,
        memory: int,
        words: Sequence[str] = (),
        *,
        processors: int = 1,
        count: bool = False,
    ) -> None:
        qemu = emulator()
        self._port, port = socket.socketpair()
        self._console, console = socket.socketpair()
        line = ["console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", *words]
        accelerator = "tcg,thread=single" if count else "tcg"
        command = [
            qemu,
            *("-accel", accelerator, "-m", str(memory), "-smp", str(processors)),
            *("-cpu", "qemu64,+pdpe1gb", "-machine", "pc"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd)),
            *("-append", " ".join(line)),
            *("-chardev", f"socket,id=console,fd={console.fileno()}"),
            *("-serial", "chardev:console"),
            *("-chardev", f"socket,id=port,fd={port.fileno()}"),
            *("-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=port,name=headcount"),
        ]
        if count:
            command += ["-icount", "shift=0,sleep=off"]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the machine
        parent = os.getpid()
        self._process = subprocess.Popen(  # noqa: S603 - the emulator
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=(port.fileno(), console.fileno()),
            preexec_fn=lambda: _follow(parent),  # noqa: PLW1509 - one system call, no locks
        )
        port.close()
        console.close()
        for end in (self._port, self._console):
            end.setblocking(False)
        self._end = weakref.finalize(
            self, _stop, self._process, (self._port, self._console, self._errors)
        )
        self._said = b""
        self._heard = b""
        self._alarmed = 0

    def boot(self) -> None:
        """Wait until the agent is there.

        :raises Ended: if it does not come.
        """
        try:
            (line,) = self.talk(b"", 1, BOOT_SECONDS)
        except NoProgress:
            line = ""
        if line != "ready":
            self.close()
            msg = f"the machine did not come up: {self._tail() or 'it said nothing'}"
            raise Ended(msg)

    def talk(self, request: bytes, lines: int, seconds: float = SILENT_SECONDS) -> list[str]:
        """Send *request*; so many lines that come back.

        :param seconds: How long it may say nothing.
        :raises NoProgress: if it says nothing for so long.
        :raises Panic: if its kernel says that something is wrong.
        :raises Ended: if it ends before, with what its console said.
        """
        try:
            return self._talk(request, lines, seconds)
        except BaseException:
            # What it would say next is not what is waited for.
            self.close()
            raise

    def _talk(self, request: bytes, lines: int, seconds: float) -> list[str]:
        unsent = memoryview(request)
        deadline = time.monotonic() + seconds
        while self._heard.count(b"\n") < lines:
            writing = [self._port] if unsent else []
            left = max(0.0, deadline - time.monotonic())
            ready, writable, _ = select.select([self._port, self._console], writing, [], left)
            if not ready and not writable:
                self._alarm()
                msg = "does not return"
                raise NoProgress(msg)
            if self._console in ready:
                self._listen()
            try:
                if writable:
                    unsent = unsent[self._port.send(unsent[: 1 << 16]) :]
                heard = self._port.recv(1 << 18) if self._port in ready else b""
            except ConnectionError:
                self._gone()
            if self._port in ready:
                if not heard:
                    self._gone()
                self._heard += heard
                deadline = time.monotonic() + seconds
        self._listen()
        self._alarm()
        *found, self._heard = self._heard.split(b"\n", lines)
        return [line.decode() for line in found]

    def _listen(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            self._said += self._console.recv(1 << 16)

    def _gone(self) -> NoReturn:
        for _ in range(20):  # what it said last may still be on its way
            self._listen()
            time.sleep(0.01)
        self._alarm()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if (self._process.returncode or 0) < 0:
            msg = f"the machine was ended by {signal.Signals(-self._process.returncode).name}"
            raise Killed(msg)
        told = self._tail()
        if not told:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            told = "".join(_lines(self._errors.read())[-1:])
        msg = f"the machine ended: {told or 'it said nothing'}"
        raise Ended(msg)

    def _alarm(self) -> None:
        """See that the console says nothing that is alarming.

        :raises Panic: with its lines, if it does.
        """
        whole = self._said.rfind(b"\n") + 1  # the rest of a line may be on its way
        lines = _lines(self._said[self._alarmed : whole])
        found = [line for line in lines if any(alarm in line for alarm in ALARMS)]
        self._alarmed = max(self._alarmed, whole)
        if found:
            msg = " | ".join(found[:TOLD])
            raise Panic(msg)

    def _tail(self) -> str:
        return " | ".join(_lines(self._said)[-TOLD:])

    @property
    def running(self) -> bool:
        """Whether it was not ended yet, by whomever."""
        return self._end.alive and self._process.poll() is None

    def close(self) -> None:
        """Pull the plug."""
        self._end()


def _lines(said: bytes) -> list[str]:
    """What a console *said*, without the time that stands before each line."""
    lines = said.decode(errors="replace").splitlines()
    return [text for line in lines if (text := re.sub(r"^\[ *[\d.]+\] *", "", line).strip())]


def _follow(parent: int) -> None:  # pragma: no cover - in the process that becomes QEMU
    """Have this process ended with its parent, also if that is killed (``PR_SET_PDEATHSIG``)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _stop(process: subprocess.Popen[bytes], ends: Sequence[socket.socket | IO[bytes]]) -> None:
    process.kill()
    process.wait()
    for end in ends:
        end.close()
