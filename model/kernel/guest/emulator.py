# SPDX-License-Identifier: MIT

"""The emulator QEMU with a guest: its console, and a port for requests and answers."""

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
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NoReturn

from model.errors import BadInput
from model.kernel.guest.image import Image
from model.memory import NoProgress, Panic

QEMU = "qemu-system-x86_64"

#: Seconds that a boot may take, and seconds without output that count as a hang. As
#: long as steps finish, the agent writes something every second.
BOOT_SECONDS = 120.0
SILENT_SECONDS = 20.0

#: Console output that shows an error in the kernel.
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

#: Maximum number of console lines in an error message.
CONSOLE_LINES = 4


def emulator() -> str:
    """The path of QEMU, or BadInput if it is not installed."""
    qemu = shutil.which(QEMU)
    if qemu is None:
        msg = f"kernel-guest needs {QEMU}: apt install --no-install-recommends qemu-system-x86"
        raise BadInput(msg)
    return qemu


class Ended(Exception):
    """The guest has ended, or its answer is not as expected."""


class Killed(Ended):
    """QEMU was killed by a signal from outside."""


class Emulator:
    """A process of QEMU; it ends no later than the thread that started it.

    It uses TCG only: even where ``/dev/kvm`` opens, a kernel may not boot with KVM (seen with
    a KVM module that interprets the guest).

    :param memory: Memory in MiB.
    :param words: More words for the kernel command line.
    :param count: Whether the guest's clock counts instructions, one per nanosecond.
    :raises BadInput: if QEMU is not installed.
    """

    def __init__(
        self, image: Image, memory: int, words: Sequence[str] = (), *, count: bool = False
    ) -> None:
        qemu = emulator()
        self._port, port = socket.socketpair()
        self._console, console = socket.socketpair()
        line = ["console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", *words]
        accelerator = "tcg,thread=single" if count else "tcg"
        command = [
            qemu,
            *("-accel", accelerator, "-m", str(memory), "-smp", "1"),
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
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the emulator
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
        """Wait until the agent is ready, or raise Ended."""
        try:
            (line,) = self.talk(b"", 1, BOOT_SECONDS)
        except NoProgress:
            line = ""
        if line != "ready":
            self.close()
            raise Ended(f"the guest did not boot: {self._tail() or 'no console output'}")

    def talk(self, request: bytes, lines: int, seconds: float = SILENT_SECONDS) -> list[str]:
        """Send *request*; return the next *lines* lines of answers.

        :param seconds: Maximum time without output.
        :raises NoProgress: if there is no output for that time.
        :raises Panic: if the console shows an error in the kernel.
        :raises Ended: if the guest ends; the message is the last lines of its console.
        """
        try:
            return self._talk(request, lines, seconds)
        except BaseException:
            # A late answer would be taken for the answer to the next request.
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
                raise NoProgress("the call does not return")
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
        for _ in range(20):  # wait for the last console output
            self._listen()
            time.sleep(0.01)
        self._alarm()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if (self._process.returncode or 0) < 0:
            msg = f"QEMU was killed by {signal.Signals(-self._process.returncode).name}"
            raise Killed(msg)
        error = self._tail()
        if not error:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            error = "".join(_lines(self._errors.read())[-1:])
        raise Ended(f"the guest ended: {error or 'no console output'}")

    def _alarm(self) -> None:
        """Raise Panic with the lines of new console output that show an error in the kernel."""
        whole = self._said.rfind(b"\n") + 1  # the last line may be incomplete
        lines = _lines(self._said[self._alarmed : whole])
        found = [line for line in lines if any(alarm in line for alarm in ALARMS)]
        self._alarmed = max(self._alarmed, whole)
        if found:
            raise Panic(" | ".join(found[:CONSOLE_LINES]))

    def _tail(self) -> str:
        return " | ".join(_lines(self._said)[-CONSOLE_LINES:])

    @property
    def running(self) -> bool:
        """Whether the guest is still running."""
        return self._end.alive and self._process.poll() is None

    def close(self) -> None:
        """Stop the guest."""
        self._end()


def _lines(said: bytes) -> list[str]:
    """The lines of the console output *said*, without time stamps."""
    lines = said.decode(errors="replace").splitlines()
    return [text for line in lines if (text := re.sub(r"^\[ *[\d.]+\] *", "", line).strip())]


def _follow(parent: int) -> None:  # pragma: no cover - in the process that becomes QEMU
    """Make this process end with its parent, even if that is killed (``PR_SET_PDEATHSIG``)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _stop(process: subprocess.Popen[bytes], ends: Sequence[socket.socket | IO[bytes]]) -> None:
    process.kill()
    process.wait()
    for end in ends:
        end.close()
