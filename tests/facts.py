# SPDX-License-Identifier: MIT

"""The facts that all models share, and short programs in which a kernel shows each of them.

`python -m tests.facts CANDIDATE` records the programs on a kernel, in tests/recordings/facts.
"""

from __future__ import annotations

import re

import click
from attrs import evolve

from model.kernel.guest.booted import Booted
from model.kernel.guest.candidate import KernelGuest
from model.parse import parse_program
from model.recording import recorded
from properties.candidates import counting_as, load
from properties.judging.applicable import inapplicable
from properties.judging.ledger import Ledger
from properties.judging.oddities import ODDITIES
from tests.helpers import RECORDINGS, ROOT

FACTS = RECORDINGS / "facts"

#: How a comment begins that says which known oddity the last step of a program triggers.
ODD = "odd: "

#: The last steps of PROGRAMS with NULL break the contract where the kernel does not skip it.
NULL = "unpin_user_pages(NULL + h1[0:2])"

#: How many references a page has that the next pin fills up to 2^31 - 1, and past it.
FULL = "get_page({}, n=2147483646)"

#: The statements of each program, without semantics.
PROGRAMS = (
    # Which counter a pin of each order changes and by how much; how many puts a run takes.
    """
    a = mapping("driver", orders=[0, 1, 2, 3])
    h1 = pin_user_pages(a[0:15])
    unpin_user_pages(h1[0:11])
    unpin_user_pages_dirty_lock(h1[11:15], make_dirty=True)
    """,
    """
    a = mapping("thp", orders=[9])
    h1 = pin_user_pages_fast_only(a[510:512])
    unpin_user_pages(h1[0:2])
    """,
    """
    a = mapping("driver", orders=[2, 0])
    h1 = pin_user_pages(a[0:5])
    unpin_user_page_range_dirty_lock(h1[1:5], make_dirty=True)
    """,
    """
    a = mapping("zero", orders=[0])
    h1 = pin_user_pages(a[0:1]*2)
    unpin_user_page(h1[0:1])
    unpin_user_pages(h1[1:2])
    """,
    f"""
    a = mapping("base", orders=[0, 0])
    h1 = pin_user_pages(a[0:2])
    {NULL}
    """,
    # An error value: the lowest, at which nothing is unpinned.
    """
    a = mapping("base", orders=[0])
    h1 = pin_user_pages(a[0:1])
    unpin_user_pages(h1[0:1], npages=-4095)
    """,
    # The largest page.
    """
    a = mapping("hugetlb", orders=[18])
    h1 = pin_user_pages(a[262142:262144])
    unpin_user_pages(h1[0:2])
    """,
    # Bytes of a page: entries of two pages, of one page though a byte is missing for two, and one
    # of a page and a byte.
    """
    a = mapping("driver", orders=[2, 0])
    m1 = ib_umem_get(a[0:5], max_segment=8192)
    ib_umem_release(m1, dirty=True)
    m2 = ib_umem_get(a[0:5], max_segment=8191)
    ib_umem_release(m2, dirty=False)
    h1 = pin_user_pages(a[0:5])
    m3 = ib_umem(sg(h1[0:2], 4097) + sg(h1[2:5], 12288))
    ib_umem_release(m3, dirty=True)
    """,
    # What one page table entry maps: an entry changes under the fast path.
    """
    a = mapping("hugetlb", orders=[8, 9, 10])
    h1 = pin_user_pages_fast_only(a[0:4], changed=2)
    h2 = pin_user_pages_fast_only(a[512:516], changed=2)
    h3 = pin_user_pages_fast_only(a[1024:1028], changed=2)
    """,
    # The same, where a page has room for one of two pins: one grab takes both.
    f"""
    a = mapping("driver", orders=[8])
    {FULL.format("a[0:1]")}
    h1 = pin_user_pages_fast_only(a[0:2])
    """,
    f"""
    a = mapping("thp", orders=[9])
    {FULL.format("a[0:1]")}
    h1 = pin_user_pages_fast_only(a[0:2])
    """,
    # A page of a file that may not be written to: the fast path pins it, and leaves it again, if it
    # is to be read for a long term.
    """
    a = mapping("page-cache", orders=[0], writable=False)
    h1 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)
    """,
    # A page that a long-term pin must not keep, without room for a pin: the fast path looks for the
    # one or the other first.
    f"""
    a = mapping("base", orders=[0], movable=True)
    {FULL.format("a[0:1]")}
    h1 = pin_user_pages(a[0:1])
    h2 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)
    """,
    # Of pages that a long-term pin has to move one is held: the other moves, and need not again.
    """
    a = mapping("base", orders=[0, 0], movable=True)
    get_page(a[1:2])
    h1 = pin_user_pages(a[0:2], FOLL_LONGTERM)
    h2 = pin_user_pages(a[0:1], FOLL_LONGTERM)
    """,
    # Counts wrap after 2^31 - 1.
    f"""
    a = mapping("base", orders=[0])
    {FULL.format("a[0:1]")}
    h1 = pin_user_pages(a[0:1])
    h2 = pin_user_pages(a[0:1])
    unpin_user_page(h1[0:1])
    """,
)

#: Sections of the classic memory model: the struct pages on both sides of frame 0x1200 are
#: adjacent, those on both sides of frame 0x1400 are not.
OF_SECTIONS = (
    """
    a = mapping("base", orders=[0, 0], pfn=0x11ff)
    h1 = pin_user_pages(a[0:2])
    unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=False)
    """,
    """
    a = mapping("base", orders=[0, 0], pfn=0x13ff)
    h1 = pin_user_pages(a[0:2])
    unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=False)
    """,
)

#: Pins by GUP-fast on a booted kernel: the first handle of pages with an even number. Statistics
#: count a pin twice if GUP-fast takes it back and leaves it to the slow path.
LEFT = """
a = mapping("driver", orders=[0, 0, 1])
h1 = pin_user_pages(a[0:1])
h2 = pin_user_pages(a[2:4])
"""


def programs(semantics, abilities):
    """The programs that a candidate of *abilities* can run; a comment names an oddity."""
    classic = "(classic" in abilities.name
    for text in (*PROGRAMS, *(OF_SECTIONS if classic else ())):
        if any(f"{name}=" in text for name in semantics.lacks):
            continue
        misuse = NULL in text and not semantics.null_skipped
        word = ", misuse=True" if misuse else ""
        lines = [line.strip() for line in text.strip().splitlines()]
        lines = ["# headcount 1", f'semantics("{semantics.version}"{word})', *lines]
        program = parse_program("\n".join(lines) + "\n")
        # A guest would not survive a misuse.
        if inapplicable(program, abilities) or (misuse and abilities.timed):
            continue
        ledger = Ledger.after(program, program.steps[:-1])
        met = [o for o in abilities.oddities if ODDITIES[o].meets(ledger, program.steps[-1])]
        yield evolve(program, comments=tuple(ODD + name for name in met))


def odd(program):
    """The name of the oddity that the last step of *program* triggers; empty if none."""
    return next((c.removeprefix(ODD) for c in program.comments if c.startswith(ODD)), "")


def record(make, semantics):
    """What a candidate of *make* shows of each of its programs with *semantics*, as recordings."""
    found = []
    for program in programs(semantics, make().abilities):
        candidate = make()
        known = recorded(candidate.abilities.name, program, candidate)
        # Of a WARN, compiled source gives the condition too: the file and the line are enough.
        shown = [evolve(one, warnings=tuple(map(_place, one.warnings))) for one in known.snapshots]
        found.append(evolve(known, snapshots=tuple(shown)))
    return found


def record_fast(booted, semantics):
    """The recording of LEFT on a booted kernel that pins all its pages by GUP-fast."""
    abilities = booted.abilities
    program = parse_program(f'# headcount 1\nsemantics("{semantics.version}")\n{LEFT.strip()}\n')
    fast = KernelGuest(booted.guest, abilities, slow=frozenset())
    return recorded(f"{abilities.name} (fast)", program, fast)


def _place(warning):
    """The file and the line of *warning*."""
    return ":".join(warning.split(":")[:2])


@click.command()
@click.argument("text", metavar="CANDIDATE")
def main(text):
    """Record the programs on CANDIDATE, in files with the name of its kernel."""
    spec = load(text)
    semantics = counting_as(spec, None)
    write(record(spec.make, semantics))
    if isinstance(spec.make, Booted):
        write([record_fast(spec.make, semantics)])


def write(found):
    """Write the recordings *found* of one kernel to the file with its name."""
    name = re.sub(r"[^\w.+]+", "-", found[0].kernel).strip("-")
    path = FACTS / f"{name}.recording"
    path.write_text("".join(one.text() for one in found))
    click.echo(f"{len(found)} recordings in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
