# SPDX-License-Identifier: MIT

"""A worker: compiled kernel functions in a process of their own. Run as a program.

It loads the library once and then forks for each life that is asked for, so that a
fresh one costs a millisecond. A life serves steps until it ends, by its own fault or
because it is killed; then this process says so on the same socket.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from contextlib import suppress

import cffi


def main(library: str, memory: int, channel: int, parent: int) -> None:
    """Fork a life for every byte that comes; tell when one has ended, and how.

    All of it ends with the process *parent*, also if that is killed.
    """
    ffi = cffi.FFI()
    ffi.cdef("int hc_serve(int, int); void hc_follow(void);")
    loaded = ffi.dlopen(library)
    loaded.hc_follow()
    if os.getppid() != parent:
        return
    with socket.socket(fileno=channel) as asked:
        while asked.recv(1):
            life = os.fork()
            if life == 0:
                os._exit(loaded.hc_serve(memory, channel))
            _, status = os.waitpid(life, 0)
            with suppress(BrokenPipeError):  # nobody wants to know any more
                asked.send(b"d" + struct.pack("i", status))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
