# SPDX-License-Identifier: MIT

"""What it costs to run compiled functions in a process of their own.

    python tests/benchmarks/isolation.py kernel-source:DIR

The same steps are asked of a worker, and of the library loaded into this very process,
in turn; then lives are ended and begun anew.
"""

from __future__ import annotations

import sys
import time
from array import array
from statistics import median

import cffi

from model.kernel.source.candidate import load
from model.kernel.source.process import FFI, OPS, SIZE, Worker

STEPS = 20_000
ROUNDS = 7
LIVES = 200

SEGS = FFI.offsetof("struct hc_shared", "segs") // 8

PAGES = [(0x1000, 4, 0, 2, 1, 0)]
STEP = ("HC_SET_PAGE_DIRTY", [(0x1000, 8, 1, 0, 0, 0)], 8)


class Within:
    """The library in this process: as `Worker.ask`, without anybody to survive a crash."""

    def __init__(self, library):
        ffi = cffi.FFI()
        ffi.cdef(
            "extern void *hc_shared; extern int64_t hc_fuel;"
            "void hc_reserve(void); void hc_act(void);"
        )
        self._lib = ffi.dlopen(str(library))
        self._memory = FFI.new("char[]", SIZE)
        self._lib.hc_shared = ffi.cast("void *", int(FFI.cast("intptr_t", self._memory)))
        self._shared = FFI.cast("struct hc_shared *", self._memory)
        self._words = memoryview(FFI.buffer(self._memory)).cast("q")
        self._lib.hc_reserve()

    def ask(self, op, segs, npages):
        """Have *op* done on *segs*."""
        shared = self._shared
        shared.op, shared.npages, shared.nsegs = OPS[op], npages, len(segs)
        flat = array("q", [number for seg in segs for number in seg])
        self._words[SEGS : SEGS + len(flat)] = flat
        self._lib.hc_fuel = 1 << 30
        self._lib.hc_act()


def microseconds(asked):
    """A step of *asked*, in microseconds."""
    asked.ask("HC_BEGIN", PAGES, 0)
    began = time.perf_counter()
    for _ in range(STEPS):
        asked.ask(*STEP)
    return (time.perf_counter() - began) / STEPS * 1e6


def milliseconds(worker):
    """A life that is ended by a crash, and the next one, in milliseconds."""
    began = time.perf_counter()
    for _ in range(LIVES):
        try:
            worker.ask("HC_IB_UMEM_RELEASE", (), 1, 5, 0)
        except Exception:
            worker.ask("HC_BEGIN", PAGES)
    return (time.perf_counter() - began) / LIVES * 1e3


def main(candidate):
    """Print the figures."""
    library = load(candidate.removeprefix("kernel-source:")).library.path
    worker, within = Worker(library), Within(library)
    isolated, direct = [], []
    for _ in range(ROUNDS):
        isolated.append(microseconds(worker))
        direct.append(microseconds(within))
    print(f"a step in a worker         {median(isolated):6.1f} us")  # noqa: T201
    print(f"the same in this process   {median(direct):6.1f} us")  # noqa: T201
    print(f"a crash and a fresh life   {milliseconds(worker):6.2f} ms")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
