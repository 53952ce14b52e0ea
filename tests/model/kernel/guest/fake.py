# SPDX-License-Identifier: MIT

"""What stands in for QEMU: it answers as it is told to, and has no kernel.

``$HEADCOUNT_FAKE`` names a file of lines ``REQUEST => ANSWER``. A request is matched by how it
begins, and ``#2`` behind that means the second such. Of an answer, ``!console TEXT`` says
something on the console first (``!part TEXT`` without the end of the line), ``!die`` and
``!kill`` end the machine, ``!silent`` answers nothing.

The first program behind ``room`` is the trial of the probes: all is heard, unless a line
``trial REQUEST => ANSWER`` says otherwise.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

ANSWERS = [
    line.split(" => ", 1)
    for line in Path(os.environ["HEADCOUNT_FAKE"]).read_text().splitlines()
    if " => " in line
]
#: What every request of the trial hears.
HEARD = "= 1 0 0 e g0:1:0*1 p0:1:0*1 d0:0:0*1 f0:0:0*1 w calls.c:1"
USUAL = (
    ("ready", "ready"),
    ("settle", "= 0 0 0"),
    ("end", ". 0 "),
    ("begin", ""),
    ("room", ". 0 "),
    ("place", ""),
    ("driver", ""),
    ("area", ""),
    ("absent", ". 0 "),
)
QUIET = {"settle", "end", "place", "driver", "absent"}


def end(what):
    """The socket that stands for *what*."""
    (number,) = re.findall(rf"socket,id={what},fd=(\d+)", " ".join(sys.argv))
    return socket.socket(fileno=int(number))


def reply(request):
    """Answer *request*."""
    first = request.partition(" ")[0]
    heard[first] = heard.get(first, 0) + 1
    for start, answer in (*ANSWERS, *USUAL):
        begins, _, which = start.partition("#")
        if not request.startswith(begins) or which not in {"", str(heard[first])}:
            continue
        for part in answer.split(" ; "):
            if part.startswith("!console "):
                console.sendall(part.removeprefix("!console ").encode() + b"\n")
            elif part.startswith("!part "):
                console.sendall(part.removeprefix("!part ").encode())
            elif part == "!kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif part.startswith("!die"):
                sys.stderr.write(part.removeprefix("!die "))
                sys.exit(1)
            elif part and part != "!silent":
                port.sendall(part.encode() + b"\n")
        return
    port.sendall(f"! {request} is no request\n".encode())


def trial(lines):
    """Answer the requests of the trial, whose first one was ``begin``."""
    ours = [(start[6:], answer) for start, answer in ANSWERS if start.startswith("trial ")]
    for line in lines:
        request = line.rstrip("\n")
        first = request.partition(" ")[0]
        usual = dict(USUAL)[first] if first in QUIET else HEARD
        answer = next((answer for start, answer in ours if request.startswith(start)), usual)
        if answer:
            port.sendall(answer.encode() + b"\n")
        if first == "absent":
            return


heard = {}
port, console = end("port"), end("console")
console.sendall(b"[    0.1] hello\n")
reply("ready")
requests = port.makefile()
before = ""
for line in requests:
    if before.startswith("room ") and line == "begin\n":
        trial(requests)
    else:
        reply(line.rstrip("\n"))
    before = line
