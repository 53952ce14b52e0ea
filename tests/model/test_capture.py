# SPDX-License-Identifier: MIT

"""Mappings from a live machine: `model.capture`."""

from __future__ import annotations

import errno
import os
from array import array
from collections import Counter
from itertools import chain
from mmap import PAGESIZE
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import capture, kpageflags
from model.capture import Capture, capture_machine, capture_process
from model.errors import BadInput
from model.mapping import MAX_SCATTERED, Extent, Mapping
from model.parse import LINE_LIMIT, parse_layout, read_layout
from model.progress import told_to
from model.semantics import KINDS
from properties.layouts import DIRECTORY

if TYPE_CHECKING:
    from random import Random

LAYOUTS = sorted(DIRECTORY.glob("*.layout"))

LRU, MMAP, ANON = 1 << 5, 1 << 11, 1 << 12
HEAD, TAIL, HUGE, THP = 1 << 15, 1 << 16, 1 << 17, 1 << 22
BUDDY, SLAB, NOPAGE = 1 << 10, 1 << 7, 1 << 20

#: Bits that say nothing of the kind: LOCKED, REFERENCED, UPTODATE, DIRTY,
#: ACTIVE, SWAPCACHE, UNEVICTABLE.
NOISE = (1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 6, 1 << 13, 1 << 18)

FILE, BASE, FREE = [LRU], [ANON | LRU | MMAP], [BUDDY]

PID = 42


def compound(order: int, flags: int) -> list[int]:
    """The flags of a compound page's frames."""
    return [flags | HEAD] + [flags | TAIL] * ((1 << order) - 1)


def flagged(proc: Path, *frames: list[int]) -> Path:
    """A /proc whose frames have these flags, from frame 0 on."""
    proc.joinpath("kpageflags").write_bytes(array("Q", chain(*frames)).tobytes())
    return proc


def running(proc: Path, *vmas: list[int | None]) -> Path:
    """A process whose VMAs hold these frames; None is a page that is not present."""
    lines, entries, address = [], array("Q"), 4
    for vma in vmas:
        entries.extend([0] * (address - len(entries)))
        # A page that is out in swap, and a present one that is soft-dirty.
        entries.extend(1 << 62 | 2 if pfn is None else 1 << 63 | 1 << 55 | pfn for pfn in vma)
        start, stop = address * PAGESIZE, len(entries) * PAGESIZE
        lines.append(f"{start:x}-{stop:x} rw-p 00000000 fe:00 17   /a file\n")
        address = len(entries)
    # Beyond the last entry, as the vsyscall page of every process is.
    lines.append("7fff00000000-7fff00001000 --xp 00000000 00:00 0 [vsyscall]\n")
    proc.joinpath(str(PID)).mkdir()
    proc.joinpath(str(PID), "maps").write_text("".join(lines))
    proc.joinpath(str(PID), "pagemap").write_bytes(entries.tobytes())
    return proc


def machine(proc: Path, *frames: list[int]) -> tuple[tuple[str, tuple[Extent, ...]], ...]:
    """Kind and extents of the mappings of a machine with these flags."""
    return found(capture_machine("now", proc=flagged(proc, *frames)))


def found(captured: Capture) -> tuple[tuple[str, tuple[Extent, ...]], ...]:
    """Kind and extents of the mappings."""
    return tuple((mapping.kind, mapping.extents) for mapping in captured.mappings)


def left_out(captured: Capture) -> str:
    """The comment that counts what was left out."""
    return captured.comments[-1].removeprefix("frames left out: ")


# What a frame is.


@pytest.mark.parametrize(
    ("kind", "order", "flags"),
    [
        ("hugetlb", 9, HUGE),
        ("hugetlb", 9, HUGE | ANON | MMAP),
        ("thp", 9, ANON | LRU | THP),
        ("thp", 2, ANON | LRU | MMAP),
        ("base", 0, ANON | LRU | MMAP),
        ("base", 0, ANON),
        ("page-cache", 0, LRU),
        ("page-cache", 4, LRU | MMAP),
        ("driver", 3, 0),
        ("driver", 1, MMAP),
        ("driver", 0, MMAP),
    ],
)
def test_kind(tmp_path: Path, kind: str, order: int, flags: int) -> None:
    """Flags and order of a compound page tell its kind."""
    page = compound(order, flags) if order else [flags]
    pad = FREE * len(page)

    assert ((kind, (Extent(len(page), order, 1),)),) == machine(tmp_path, pad, page, pad)


@pytest.mark.parametrize("noise", NOISE)
def test_noise(tmp_path: Path, noise: int) -> None:
    """Flags that come and go, on some of the frames, do not part them."""
    frames = [*BASE, BASE[0] | noise, *BASE]

    assert (("base", (Extent(0, 0, 3),)),) == machine(tmp_path, frames)


@pytest.mark.parametrize(
    ("why", "flags"),
    [
        ("zero page", 1 << 24 | 1 << 32 | MMAP),
        ("no page", NOPAGE),
        ("offline", 1 << 23 | MMAP),
        ("reserved", 1 << 32 | MMAP),
        ("free", BUDDY | MMAP),
        ("slab", SLAB | MMAP),
        ("page table", 1 << 26 | MMAP),
        ("neither mapped nor on the LRU", 0),
    ],
)
def test_left_out(tmp_path: Path, why: str, flags: int) -> None:
    """Frames that no call could pin are left out, and counted."""
    captured = capture_machine("now", proc=flagged(tmp_path, BASE, [flags] * 2, BASE))

    assert (("base", (Extent(0, 0, 1),)), ("base", (Extent(3, 0, 1),))) == found(captured)
    assert f"2 {why}" == left_out(captured)


def test_left_out_compound(tmp_path: Path) -> None:
    """A compound page of slab is left out with its tails, which may have no flag."""
    slab = compound(2, SLAB)[:1] + [TAIL] * 3
    captured = capture_machine("now", proc=flagged(tmp_path, slab, BASE))

    assert (("base", (Extent(4, 0, 1),)),) == found(captured)
    assert "4 slab" == left_out(captured)


def test_tails_without_flags(tmp_path: Path) -> None:
    """The head alone tells the kind of a compound page."""
    frames = [ANON | LRU | HEAD, TAIL, TAIL | MMAP, TAIL | LRU]

    assert (("thp", (Extent(0, 2, 1),)),) == machine(tmp_path, frames)


@pytest.mark.parametrize(
    ("n", "frames"),
    [
        (3, compound(2, LRU)[:3]),  # too few tails
        (1, compound(2, LRU)[:1]),
        (5, [*compound(2, LRU), TAIL]),  # too many
        (3, [TAIL] * 3),  # no head
        (2, [HEAD | LRU] * 2),  # no tails
        (2, [HEAD | LRU, HEAD | ANON]),
    ],
)
@pytest.mark.parametrize("after", [[], FILE])
def test_broken(tmp_path: Path, n: int, frames: list[int], after: list[int]) -> None:
    """A compound page that changes while it is read is left out."""
    # Frame 120 is a multiple of every n, so that it is not alignment that tells.
    captured = capture_machine("now", proc=flagged(tmp_path, BASE * 120, frames, after))

    assert [Extent(0, 0, 120), Extent(120 + n, 0, 1)][: 1 + len(after)] == [
        extent for _, extents in found(captured) for extent in extents
    ]
    assert f"{n} not a whole compound page" == left_out(captured)


def test_heads_in_a_row(tmp_path: Path) -> None:
    """Of heads in a row, the last one has the tails."""
    captured = capture_machine("now", proc=flagged(tmp_path, [LRU | HEAD] * 2, compound(1, LRU)))

    assert (("page-cache", (Extent(2, 1, 1),)),) == found(captured)
    assert "2 not a whole compound page" == left_out(captured)


def test_misaligned(tmp_path: Path) -> None:
    """A compound page that is not naturally aligned is left out."""
    captured = capture_machine("now", proc=flagged(tmp_path, BASE * 2, compound(2, LRU)))

    assert (("base", (Extent(0, 0, 2),)),) == found(captured)
    assert "4 not a whole compound page" == left_out(captured)


def test_order_limit(tmp_path: Path) -> None:
    """Order 18 is kept, order 19 left out."""
    captured = capture_machine(
        "now", proc=flagged(tmp_path, compound(19, HUGE), compound(18, HUGE))
    )

    assert (("hugetlb", (Extent(1 << 19, 18, 1),)),) == found(captured)
    assert f"{1 << 19} not a whole compound page" == left_out(captured)


# A machine.


def test_adjacent(tmp_path: Path) -> None:
    """Adjacent frames of one kind are one mapping, another kind or a gap ends it."""
    frames = [*FILE * 2, *compound(1, LRU), *BASE, *FILE, *FREE, *FILE]

    assert (
        ("page-cache", (Extent(0, 0, 2), Extent(2, 1, 1))),
        ("base", (Extent(4, 0, 1),)),
        ("page-cache", (Extent(5, 0, 1),)),
        ("page-cache", (Extent(7, 0, 1),)),
    ) == machine(tmp_path, frames)


def test_equal_compound_pages(tmp_path: Path) -> None:
    """Equal compound pages side by side are one extent, heads told apart."""
    assert (("thp", (Extent(0, 2, 3),)),) == machine(tmp_path, compound(2, ANON) * 3)


def test_cut(tmp_path: Path) -> None:
    """A run of too many extents for one line becomes several mappings, with no page lost."""
    frames = [*compound(1, LRU), *FILE * 2] * 1000
    captured = capture_machine("now", proc=flagged(tmp_path, frames))

    assert 20 == len(captured.mappings)
    assert list(range(4000)) == [pfn for mapping in captured.mappings for pfn in mapping.pages]
    assert captured.mappings == parse_layout(captured.text())


def test_longest_line() -> None:
    """The widest extents that there can be, as many as a mapping takes, fit a line."""
    top = (1 << 40) - (1 << 27)
    extents = [Extent(top - (i << 21), 10, 160) for i in range(capture.MAX_EXTENTS)]
    mapping = Mapping("p" * 16, "page-cache", tuple(extents))

    assert mapping.npages < MAX_SCATTERED
    assert len(mapping.text(0)) < LINE_LIMIT
    assert (mapping,) == parse_layout(f"# headcount 1\n{mapping.text(0)}\n")


def test_scattered_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping that need not be contiguous gets no more pages than it may list."""
    monkeypatch.setattr(capture, "MAX_SCATTERED", 4)
    proc = running(flagged(tmp_path, FREE, FILE * 20), [3, 2, *range(5, 15), 17, 16, 19, 18, 1])

    captured = capture_process(PID, "now", proc=proc)

    assert [2, 10, 4, 1] == [mapping.npages for mapping in captured.mappings]


@pytest.mark.parametrize("size", [8, 24])
def test_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What lies across the end of a read is seen whole."""
    monkeypatch.setattr(kpageflags, "CHUNK", size)
    proc = running(flagged(tmp_path, FILE * 4, compound(2, ANON)), [4, 5, 6, 7, 1, 2])

    assert (
        ("page-cache", (Extent(0, 0, 4),)),
        ("thp", (Extent(4, 2, 1),)),
    ) == found(capture_machine("now", proc=proc))
    assert (
        ("thp", (Extent(4, 2, 1),)),
        ("page-cache", (Extent(1, 0, 2),)),
    ) == found(capture_process(PID, "now", proc=proc))


# A sample of it.

VARIED = [
    *(FILE, FREE),
    *(FILE, FREE),
    *(compound(1, LRU), FILE, FREE),  # two orders
    *(FILE * 5, FREE),  # another size
    *(compound(1, 0), FREE),
    *(BASE, FREE),
]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (1, [4]),
        (2, [4, 14]),
        (3, [4, 14, 17]),
        (4, [0, 4, 14, 17]),
        (5, [0, 4, 8, 14, 17]),
        (6, [0, 2, 4, 8, 14, 17]),
        (7, [0, 2, 4, 8, 14, 17]),
    ],
)
def test_limit(tmp_path: Path, limit: int, kept: list[int]) -> None:
    """Kinds take turns, then come most orders, then other sizes; frames still rise."""
    captured = capture_machine("now", proc=flagged(tmp_path, *VARIED), limit=limit)

    assert kept == [mapping.pages[0] for mapping in captured.mappings]


def test_surplus(tmp_path: Path) -> None:
    """What a limit leaves out is counted, and the names have no gap."""
    captured = capture_machine("now", proc=flagged(tmp_path, *VARIED), limit=3)

    assert ["p0", "p1", "p2"] == [mapping.name for mapping in captured.mappings]
    assert "3 of 6 mappings kept" in captured.comments[1]
    assert "7 beyond the limit, 6 free" == left_out(captured)


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_of_none(tmp_path: Path, limit: int) -> None:
    """A limit that leaves nothing is refused."""
    with pytest.raises(BadInput, match=rf"^limit={limit} is below 1$"):
        capture_machine("now", proc=flagged(tmp_path, BASE), limit=limit)


# A process.


def test_order_of_addresses(tmp_path: Path) -> None:
    """Frames fall and scatter as the addresses have them, pages not present leave no gap."""
    proc = running(flagged(tmp_path, FREE, BASE * 20), [9, 8, 7, None, 3, 4, None, 15, 1])

    captured = capture_process(PID, "now", proc=proc)

    assert [[9, 8, 7, 3, 4, 15, 1]] == [list(mapping.pages) for mapping in captured.mappings]


def test_vmas(tmp_path: Path) -> None:
    """Each VMA makes one mapping for each of the kinds that it holds."""
    frames = [*FREE * 4, *compound(2, ANON), *BASE * 4, *FILE * 4]
    proc = running(flagged(tmp_path, frames), [8, 4, 5, 6, 7, 10], [None], [13, 9, 12])

    assert (
        ("base", (Extent(8, 0, 1), Extent(10, 0, 1))),
        ("thp", (Extent(4, 2, 1),)),
        ("page-cache", (Extent(13, 0, 1), Extent(12, 0, 1))),
        ("base", (Extent(9, 0, 1),)),
    ) == found(capture_process(PID, "now", proc=proc))


def test_part_of_compound_page(tmp_path: Path) -> None:
    """A compound page is kept whole where its head is mapped, else left out."""
    proc = running(flagged(tmp_path, FREE * 4, compound(2, LRU) * 3), [4, 5], [9, 10], [15, 12])
    captured = capture_process(PID, "now", proc=proc)

    assert [(Extent(4, 2, 1),), (Extent(12, 2, 1),)] == [
        mapping.extents for mapping in captured.mappings
    ]
    assert "2 of a compound page whose head is not mapped" == left_out(captured)


def test_mapped_twice(tmp_path: Path) -> None:
    """A compound page that is mapped in two places is kept where it comes first."""
    proc = running(flagged(tmp_path, FILE * 9), [3, 5, 3], [5, 7, 3])
    captured = capture_process(PID, "now", proc=proc)

    assert (
        ("page-cache", (Extent(3, 0, 1), Extent(5, 0, 1))),
        ("page-cache", (Extent(7, 0, 1),)),
    ) == found(captured)
    assert captured.comments[1].startswith("3 frames seen;")


def test_left_out_of_process(tmp_path: Path) -> None:
    """Of a process, only what it maps is counted as left out."""
    proc = running(flagged(tmp_path, [1 << 32] * 9, BASE), [1, 2, 9])

    assert "2 reserved" == left_out(capture_process(PID, "now", proc=proc))


def test_limit_of_process(tmp_path: Path) -> None:
    """A sample of a process keeps the order of addresses."""
    proc = running(flagged(tmp_path, FREE, FILE * 4, BASE * 4), [8, 1], [4], [7])

    assert (("base", (Extent(8, 0, 1),)), ("page-cache", (Extent(1, 0, 1),))) == (
        found(capture_process(PID, "now", proc=proc, limit=2))
    )


# As text.


def test_text(tmp_path: Path) -> None:
    """A layout says where and when it was captured, counts, and then lists."""
    frames = [*compound(2, ANON) * 2, *compound(1, LRU), *FILE * 3, *FREE * 5]
    system = os.uname()

    assert f"""\
# headcount 1
# captured 2026-11-23 from a live machine: Linux {system.release}, {system.machine}
# 18 frames seen; 2 of 2 mappings kept
# page-cache: 3 of order 0, 1 of order 1
# thp: 2 of order 2
# frames left out: 5 free
p0 = mapping("thp", orders=[2, 2], pfn=0x0)
p1 = mapping("page-cache", orders=[1, 0, 0, 0], pfn=0x8)
""" == capture_machine("2026-11-23", proc=flagged(tmp_path, frames)).text()


def test_text_of_process(tmp_path: Path) -> None:
    """A layout of a process says so, but not of which one."""
    captured = capture_process(PID, "now", proc=running(flagged(tmp_path, FREE, BASE), [1]))

    assert captured.comments[0].startswith("captured now from a process of a live machine: Linux ")
    assert "none" == left_out(captured)


PAGES = st.one_of(
    st.tuples(st.just("base"), st.just(0), st.just(ANON | LRU)),
    st.tuples(st.just("page-cache"), st.integers(0, 4), st.just(LRU)),
    st.tuples(st.just("thp"), st.integers(1, 5), st.just(ANON)),
    st.tuples(st.just("hugetlb"), st.integers(1, 5), st.just(HUGE)),
    st.tuples(st.just("driver"), st.integers(1, 4), st.just(0)),
    st.tuples(st.just(""), st.integers(0, 4), st.sampled_from([0, BUDDY])),
)


def compound_pages(captured: Capture) -> list[tuple[str, int, int]]:
    """Kind, head and order of each compound page in the mappings."""
    return [
        (mapping.kind, extent.pfn + (i << extent.order), extent.order)
        for mapping in captured.mappings
        for extent in mapping.extents
        for i in range(extent.count)
    ]


@given(st.lists(PAGES, max_size=40), st.randoms())
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, pages: list[tuple[str, int, int]], random: Random
) -> None:
    """Every compound page is found where it lies, and its text reads back the same."""
    proc = tmp_path_factory.mktemp("proc")
    frames = [MMAP, *BASE]
    expected = [("driver", 0, 0), ("base", 1, 0)]
    for kind, order, flags in pages:
        frames += FREE * (-len(frames) % (1 << order))
        if kind:
            expected.append((kind, len(frames), order))
        frames += compound(order, flags) if kind and order else [flags] * (1 << order)
    addresses = random.sample(range(1, len(frames)), len(frames) - 1)
    running(flagged(proc, frames), addresses)

    everything = capture_machine("now", proc=proc)
    process = capture_process(PID, "now", proc=proc)

    assert expected == compound_pages(everything)
    for kind in KINDS:
        # No process has frame 0; all of one kind come in the order of addresses.
        assert sorted(
            (page for page in expected[1:] if page[0] == kind),
            key=lambda page: addresses.index(page[1]),
        ) == [page for page in compound_pages(process) if page[0] == kind]
    for captured in (everything, process):
        assert captured.mappings == parse_layout(captured.text())


# What goes wrong.


def test_no_kpageflags(tmp_path: Path) -> None:
    """A kernel without kpageflags is named as the reason."""
    with pytest.raises(BadInput, match=r"/kpageflags: no such file: this kernel lacks CONFIG_"):
        capture_machine("now", proc=tmp_path)


def test_no_process(tmp_path: Path) -> None:
    """A process that does not exist is named."""
    with pytest.raises(BadInput, match=r"^no such process with memory of its own: 42$"):
        capture_process(PID, "now", proc=flagged(tmp_path, BASE))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("kpageflags", errno.EACCES, r"/kpageflags: needs root: run it with sudo$"),
        ("maps", errno.EACCES, r"/42/maps: needs root: run it with sudo$"),
        ("pagemap", errno.EPERM, r"/42/pagemap: needs root: run it with sudo$"),
        ("pagemap", errno.ESRCH, r"^no such process with memory of its own: 42$"),
        ("pagemap", errno.EIO, r"/42/pagemap: Input/output error$"),
    ],
)
def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: int, message: str
) -> None:
    """What the kernel refuses comes as one line, with the file."""
    proc = running(flagged(tmp_path, FREE, BASE), [1])
    really_open = Path.open

    def refusing(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == name:
            raise OSError(error, os.strerror(error), str(path))
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refusing)

    with pytest.raises(BadInput, match=message) as excinfo:
        capture_process(PID, "now", proc=proc)

    assert "\n" not in str(excinfo.value)


def test_hidden_frames(tmp_path: Path) -> None:
    """Frames that all read as 0 mean that this is not root."""
    proc = running(flagged(tmp_path, BASE), [None, 0, 0])

    with pytest.raises(BadInput, match=r"/42/pagemap: needs root: run it with sudo$"):
        capture_process(PID, "now", proc=proc)


@pytest.mark.parametrize("frames", [[], FREE])
def test_nothing(tmp_path: Path, frames: list[int]) -> None:
    """A layout of nothing is refused, for it could not be read back."""
    with pytest.raises(BadInput, match=r"^found no page that can be pinned$"):
        capture_machine("now", proc=flagged(tmp_path, frames))


# Real ones.


readable = pytest.mark.skipif(
    not os.access("/proc/kpageflags", os.R_OK), reason="needs root and /proc/kpageflags"
)


@pytest.mark.slow("reads the flags of each frame of this machine")
@readable
def test_machine_here() -> None:
    """What this machine holds can be captured, and reads back the same."""
    here = capture_machine("now", limit=50)

    assert here.mappings
    assert here.mappings == parse_layout(here.text())


@readable
@pytest.mark.slow("reads the flags of each frame of this process")
def test_process_here() -> None:
    """So can what this process holds."""
    process = capture_process(os.getpid(), "now")

    assert process.mappings == parse_layout(process.text())
    assert {"base", "page-cache"} <= {mapping.kind for mapping in process.mappings}


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_captured(path: Path) -> None:
    """Every captured layout reads, prints the same, and says where and when."""
    mappings = read_layout(path)
    text = path.read_text()
    comments = [line[2:] for line in text.splitlines()[1:] if line.startswith("# ")]

    assert text == Capture(mappings, tuple(comments)).text()
    assert comments[0].startswith("captured 2026-")


def test_captured_variety() -> None:
    """The captured layouts hold the kinds and orders that matter, and frames that fall."""
    pages: Counter[tuple[str, int]] = Counter()
    falls = 0
    for mapping in chain.from_iterable(map(read_layout, LAYOUTS)):
        for extent in mapping.extents:
            pages[mapping.kind, extent.order] += extent.count
        falls += sum(
            b.pfn < a.pfn for a, b in zip(mapping.extents, mapping.extents[1:], strict=False)
        )

    assert set(KINDS) - {"device-dax", "zero"} == {kind for kind, _ in pages}
    assert {0, 1, 2, 3, 9} <= {order for _, order in pages}
    assert falls


def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many frames are read is told."""
    monkeypatch.setattr(kpageflags, "CHUNK", 16)
    told: list[str] = []
    with told_to(told.append):
        machine(tmp_path, BASE * 5)

    file = tmp_path / "kpageflags"
    assert [f"reading {file}: {n} pages so far" for n in (2, 4, 5)] == told
