# SPDX-License-Identifier: MIT

"""The worker process, which runs the compiled kernel functions: a program, never imported.

It loads the library once and forks a child on request, so that a new child takes a
millisecond. The child executes steps until it exits, crashes or is killed; then this process
sends the child's exit status on the socket that brought the request.
"""

import os
import socket
import struct
import sys
from contextlib import suppress

import cffi


def main(library: str, memory: int, channel: int, parent: int) -> None:
    """Fork a child for every byte received; send the child's exit status when it has ended.

    This process and the child end with the process *parent*, even if that is killed.

    :param library: Path of the shared library.
    :param memory: File descriptor of the shared memory.
    :param channel: File descriptor of the socket.
    """
    ffi = cffi.FFI()
    ffi.cdef("int hc_serve(int, int); void hc_follow(void);")
    loaded = ffi.dlopen(library)
    loaded.hc_follow()
    if os.getppid() != parent:
        return
    with socket.socket(fileno=channel) as asked:
        while asked.recv(1):
            child = os.fork()
            if child == 0:
                os._exit(loaded.hc_serve(memory, channel))
            _, status = os.waitpid(child, 0)
            with suppress(BrokenPipeError):  # the client has gone
                asked.send(b"d" + struct.pack("i", status))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
