# SPDX-License-Identifier: MIT

"""Reads /proc/kpageflags and a process's pagemap (Documentation/admin-guide/mm/pagemap.rst)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import FileIO
from itertools import chain, groupby
from mmap import PAGESIZE
from operator import countOf
from pathlib import Path

from model.errors import BadInput
from model.mapping import MAX_PFN, Extent
from model.progress import tell
from model.semantics import KINDS, MAX_ORDER

#: Flags of a frame in kpageflags (include/uapi/linux/kernel-page-flags.h).
LRU, MMAP, ANON = 1 << 5, 1 << 11, 1 << 12
COMPOUND_HEAD, COMPOUND_TAIL, HUGE = 1 << 15, 1 << 16, 1 << 17

#: Reasons to leave a frame out, and their flags; the first flag that is set decides. The zero
#: page has the flag of reserved pages, too, so its own flag comes first.
LEFT_OUT = {
    "zero page": 1 << 24,
    "no page": 1 << 20,
    "offline": 1 << 23,
    "reserved": 1 << 32,
    "free": 1 << 10,
    "slab": 1 << 7,
    "page table": 1 << 26,
}
UNKNOWN = "neither mapped nor on the LRU"
BROKEN = "not a whole compound page"

#: Bits of an entry of pagemap: whether the page is present, and its frame.
PRESENT, PFN_MASK = 1 << 63, (1 << 55) - 1

#: Bytes of one entry of kpageflags or pagemap, and bytes that one read asks for.
ENTRY, CHUNK = 8, 1 << 20


@cache
def _sort(flags: int) -> tuple[int, str]:
    """(COMPOUND_HEAD, COMPOUND_TAIL or 0; the frame's kind, or the reason to leave it out).

    Cached, because the *flags* of millions of frames have only a few hundred values.
    """
    if flags & COMPOUND_TAIL:
        # The kind follows from the head's flags, which not every kernel repeats in the tails.
        return COMPOUND_TAIL, ""
    return flags & COMPOUND_HEAD, _what(flags)


def _what(flags: int) -> str:
    for why, bit in LEFT_OUT.items():
        if flags & bit:
            return why
    compound = flags & COMPOUND_HEAD
    if flags & HUGE:
        return "hugetlb"
    if flags & ANON:
        return "thp" if compound else "base"
    if flags & LRU:
        return "page-cache"
    return "driver" if compound or flags & MMAP else UNKNOWN


def pieces(proc: Path) -> Iterator[tuple[str, Extent]]:
    """All frames of this host, ascending: (kind, extent) of a compound page or of single pages.

    Frames to leave out have the reason in place of the kind, and order 0.
    """
    pfn, head = 0, ""
    with _opened(proc / "kpageflags") as file:
        flags = chain.from_iterable(_entries(file))
        for sort, run in groupby(map(_sort, flags)):
            part, what = sort
            n = countOf(run, sort)
            tails = n if part == COMPOUND_TAIL else 0
            if head:
                yield _compound(head, pfn - 1, 1 + tails)
            elif tails:
                yield BROKEN, Extent(pfn, 0, n)
            head = ""
            if part == COMPOUND_HEAD:
                head = what
                if n > 1:  # only the last head can have tails
                    yield BROKEN, Extent(pfn, 0, n - 1)
            elif not tails:
                yield what, Extent(pfn, 0, n)
            pfn += n
    if head:
        yield _compound(head, pfn - 1, 1)


def _compound(what: str, pfn: int, npages: int) -> tuple[str, Extent]:
    order = npages.bit_length() - 1
    if what not in KINDS:
        return what, Extent(pfn, 0, npages)
    if npages == 1 or npages != 1 << order or order > MAX_ORDER or pfn % npages:
        return BROKEN, Extent(pfn, 0, npages)
    return what, Extent(pfn, order, 1)


def present(pid: int, proc: Path) -> list[array[int]]:
    """The frames of the present pages of each VMA of process *pid*, ordered by address."""
    # The message is for kernel threads, too, which have no memory of their own.
    gone = f"no such process with memory of its own: {pid}"
    with _opened(proc / str(pid) / "maps", gone) as file:
        spans = [line.split(b" ", 1)[0].split(b"-") for line in file.readlines()]
    vmas = []
    with _opened(proc / str(pid) / "pagemap", gone) as file:
        for span in spans:
            first, stop = (int(address, 16) // PAGESIZE for address in span)
            pages = chain.from_iterable(_entries(file, first, stop - first))
            vmas.append(array("Q", (page & PFN_MASK for page in pages if page & PRESENT)))
            if 0 in vmas[-1]:
                # Without CAP_SYS_ADMIN all frames read as 0; no process has frame 0.
                raise PermissionError
    return vmas


def _entries(file: FileIO, first: int = 0, count: int = MAX_PFN) -> Iterator[array[int]]:
    """Up to *count* 64-bit entries of *file*, from entry *first* on, in large chunks."""
    left = count * ENTRY
    file.seek(first * ENTRY)
    while chunk := file.read(min(CHUNK, left)):
        left -= len(chunk)
        tell(f"reading {file.name}: {count - left // ENTRY:,} pages so far")
        yield array("Q", chunk)


@contextmanager
def _opened(path: Path, missing: str = "") -> Iterator[FileIO]:
    """Open *path* unbuffered, because the kernel refuses reads of a part of an entry.

    :param missing: The error message if the file does not exist.
    :raises BadInput: for any `OSError` from opening the file until it is closed.
    """
    reason, file = "needs root: run it with sudo", str(path)
    try:
        with path.open("rb", buffering=0) as opened:
            yield opened
    except PermissionError:
        raise BadInput(reason, file=file) from None
    except (FileNotFoundError, ProcessLookupError):
        reason = missing or "no such file: this kernel lacks CONFIG_PROC_PAGE_MONITOR"
        raise BadInput(reason, file="" if missing else file) from None
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=file) from None
