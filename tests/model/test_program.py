# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadInput
from model.mapping import Extent, Mapping
from model.pagelist import Group, PageList, Slice, joined, span
from model.parse import parse_program
from model.program import (
    LINE_LIMIT,
    MAX_LISTED,
    Checker,
    Program,
    check,
    check_kind,
    clash,
    mapping_lines,
)
from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.semantics import semantics
from model.step import SgEntry
from model.steps import (
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
)
from model.world import AllocPages, Clean, GetPage, PutPage, SplitHugePage

#: Frames 0x1000 to 0x1008: two compound pages of order 1, then one of order 2.
A = Mapping("a", "driver", (Extent(0x1000, 1, 2), Extent(0x1004, 2, 1)))

#: Frames that fall.
B = Mapping("b", "base", (Extent(0x2001, 0, 1), Extent(0x2000, 0, 1)))

PIN = PinUserPages(handle="h1", pages=span("a", 0, 4))
UNPIN = UnpinUserPages(pages=span("h1", 1, 3))
PROGRAM = Program((A, B), (PIN, UNPIN))


# As text.


def test_text():
    """A trace is the header, the comments, the version, the mappings and the steps."""
    program = evolve(PROGRAM, comments=("what it broke", "", "and when"))

    assert program.text() == (
        "# headcount 1\n"
        "# what it broke\n"
        "#\n"
        "# and when\n"
        'semantics("5.13")\n'
        'a = mapping("driver", orders=[1, 1, 2])\n'
        'b = mapping("base", orders=[0] + [0], pfn=[0x2001, 0x2000])\n'
        "h1 = pin_user_pages(a[0:4])\n"
        "unpin_user_pages(h1[1:3])\n"
    )


def test_misuse_is_written():
    """A trace that breaks the contract on purpose says so."""
    program = evolve(PROGRAM, misuse=True, semantics=semantics("5.11"))

    assert 'semantics("5.11", misuse=True)' == program.statements()[0]


def test_mapping_lines():
    """A mapping that lies past all before it, a frame between, need not say where."""
    mappings = (
        Mapping("a", "driver", (Extent(0x1004, 2, 1), Extent(0x1000, 2, 1))),
        Mapping("b", "thp", (Extent(0x1200, 9, 1),)),
        Mapping("c", "base", (Extent(0x1401, 0, 1),)),
        Mapping("d", "base", (Extent(0x1402, 0, 1),)),
        Mapping("e", "base", (Extent(0x10, 0, 1),)),
        Mapping("f", "base", (Extent(0x1404, 0, 1),)),
    )

    assert [
        'a = mapping("driver", orders=[2] + [2], pfn=[0x1004, 0x1000])',
        'b = mapping("thp", orders=[9])',
        'c = mapping("base", orders=[0])',
        'd = mapping("base", orders=[0], pfn=0x1402)',
        'e = mapping("base", orders=[0], pfn=0x10)',
        'f = mapping("base", orders=[0])',
    ] == mapping_lines(mappings)


def test_lines_are_no_part_of_it():
    """Where a program was read from does not make it another."""
    assert evolve(PROGRAM, lines=(4, 5)) == PROGRAM


def test_table():
    """In the beginning names stand for the mappings' frames, and NULL for none."""
    assert {
        "a": range(0x1000, 0x1008),
        "b": [0x2001, 0x2000],
        "NULL": (-1,),
    } == PROGRAM.table()


def test_size():
    """Steps count first, then compound pages, their orders, and the pages named."""
    text = "\n".join(PROGRAM.statements())

    assert (2, 5, 1 + 1 + 2, 4 + 2, len(text), text) == PROGRAM.size()
    assert (2, 5, 1 + 1 + 2, 4 + 2) == PROGRAM.size().counts


def test_size_ignores_comments():
    """A program is no larger for what is said about it."""
    assert PROGRAM.size() == evolve(PROGRAM, comments=("found so",)).size()


# Mappings.


def test_check_kind():
    """A compound page of an order that its kind does not have is refused."""
    check_kind(A, semantics("5.13"))
    with pytest.raises(
        BadInput,
        match=r"^mapping c: thp pages of order 2 do not exist in 5\.13; existing orders are 9$",
    ):
        check_kind(Mapping("c", "thp", A.extents[1:]), semantics("5.13"))


@pytest.mark.parametrize(
    ("complaint", "changes"),
    [
        (
            "mapping c: frame 0x1000 belongs to a mapping before it",
            {"mappings": (A, evolve(A, name="c"))},
        ),
        ("base pages of order 1 do not exist", {"mappings": (evolve(A, kind="base"),)}),
        ("h1 is used before it is defined", {"steps": (UNPIN, PIN)}),
    ],
)
def test_check(complaint, changes):
    """A program is checked as a whole without carrying it out."""
    check(PROGRAM)
    with pytest.raises(BadInput, match=complaint):
        check(evolve(PROGRAM, **changes))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6))
def test_clash(extents):
    """Mappings clash if and only if two of them have a frame in common, which is told."""
    made = [Mapping("a", "driver", (Extent(pfn, 0, count),)) for pfn, count in extents]
    frames = [set(mapping.pages) for mapping in made]
    found = clash(made)

    if found is None:
        assert sum(map(len, frames)) == len(set().union(*frames))
    else:
        at, pfn = found
        assert pfn in frames[at]
        assert any(pfn in other for other in frames[:at])


# Steps.

UMEM = IbUmemGet(umem="u1", pages=span("a", 0, 4))
FULL = PageList((Slice("a", range(1), MAX_LISTED),))


@pytest.mark.parametrize(
    "steps",
    [
        [PIN, UNPIN],
        [PIN, UnpinUserPages(pages=span("h1", 0, 4), npages=-1)],
        [PIN, UnpinUserPages(pages=span("h1", 0, 4), npages=-4095)],
        [PIN, UnpinUserPages(pages=span("h1", 0, 4), npages=2**64 - 4095)],
        [PIN, UnpinUserPages(pages=span("h1", 0, 0))],
        [PIN, UnpinUserPage(page=span("h1", 3, 4))],
        [PIN, PinUserPages(handle="h2", pages=span("h1", 0, 2))],
        [PinUserPages(handle="h1", pages=FULL)],
        [PinUserPagesFastOnly(handle="h1", pages=span("a", 0, 4), changed=0)],
        [PinUserPagesFastOnly(handle="h1", pages=span("a", 0, 4), changed=3)],
        [UMEM, IbUmemRelease(umem="u1")],
        [IbUmemGet(umem="u1", pages=span("a", 0, 4), max_segment=4096, nmap=0, append_fails=0)],
        [IbUmemGet(umem="u1", pages=span("a", 0, 4), max_segment=2**32 - 1)],
        [IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 4), 12289),), nmap=1)],
        [IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 1), 1),), nmap=0)],
        [AllocPages(pages=span("a", 0, 8), orders=(2, 1, 0, 0))],
        [AllocPages(pages=span("a", 0, 4), orders=(2,))],
        [GetPage(pages=span("b", 0, 2), n=2**31 - 1), PutPage(pages=span("b", 0, 1))],
        [SplitHugePage(pages=span("a", 5, 6))],
    ],
)
def test_good_steps(steps):
    """Steps that fit what came before them are let through."""
    check(Program((A, B), steps))


@pytest.mark.parametrize(
    ("complaint", "step"),
    [
        ("h9 is used before it is defined", UnpinUserPages(pages=span("h9", 0, 1))),
        ("u1 is used before it is defined", IbUmemRelease(umem="u1")),
        ("h1 is not a memory region, or was released before", IbUmemRelease(umem="h1")),
        ("h1 is defined twice", PIN),
        ("a is defined twice", evolve(PIN, handle="a")),
        ("a is defined twice", evolve(UMEM, umem="a")),
        (
            "h1[0:5] lies beyond h1, which holds 4 pages",
            UnpinUserPages(pages=span("h1", 0, 5)),
        ),
        ("a[7:9] lies beyond a, which holds 8 pages", Clean(pages=span("a", 7, 9))),
        (
            f"a[0:1]*{2**23 + 1} lists more than {2**23} pages",
            GetPage(pages=PageList((Slice("a", range(1), 2**23 + 1),))),
        ),
        (
            f"(a[0:1] + b[0:1])*{2**22} + a[0:1] lists more than {2**23} pages",
            GetPage(
                pages=PageList(
                    (
                        Group((Slice("a", range(1)), Slice("b", range(1))), 2**22),
                        Slice("a", range(1)),
                    )
                )
            ),
        ),
        ("clean of a list that names nothing", Clean(pages=PageList(()))),
        (
            f"the line is longer than {LINE_LIMIT} bytes as headcount writes it",
            GetPage(pages=PageList((Slice("a", range(1)), Slice("a", range(2, 3))) * 300)),
        ),
        (
            "b[0:2] is not a range: its frames are not contiguous",
            UnpinUserPageRangeDirtyLock(pages=span("b", 0, 2), make_dirty=True),
        ),
        (
            "npages=4 is not -errno; leave it out for the whole list",
            UnpinUserPages(pages=span("h1", 0, 4), npages=4),
        ),
        ("npages=0 is not -errno", UnpinUserPages(pages=span("h1", 0, 4), npages=0)),
        ("npages=-4096 is not -errno", UnpinUserPages(pages=span("h1", 0, 4), npages=-4096)),
        ("unpin_user_page takes one page, not 0", UnpinUserPage(page=span("h1", 0, 0))),
        ("ib_umem of no pages", IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 0), 0),))),
        ("unpin_user_page takes one page, not 2", UnpinUserPage(page=span("h1", 0, 2))),
        (
            "pin_user_pages_fast_only of no pages",
            PinUserPagesFastOnly(handle="h2", pages=span("a", 2, 2)),
        ),
        ("get_page of no pages", GetPage(pages=span("a", 2, 2))),
        ("split_huge_page takes one page, not 0", SplitHugePage(pages=span("a", 2, 2))),
        ("alloc_pages of no pages", AllocPages(pages=span("a", 2, 2), orders=(0,))),
        (
            "changed=4 is not a position in the list",
            PinUserPagesFastOnly(handle="h2", pages=span("a", 0, 4), changed=4),
        ),
        (
            "changed=-1 is not a position in the list",
            PinUserPagesFastOnly(handle="h2", pages=span("a", 0, 4), changed=-1),
        ),
        (f"max_segment=4095 is not in 4096..{2**32 - 1}", evolve(UMEM, max_segment=4095)),
        (f"max_segment={2**32} is not in 4096..{2**32 - 1}", evolve(UMEM, max_segment=2**32)),
        ("nmap=-1 is below 0", evolve(UMEM, nmap=-1)),
        ("append_fails=-1 is below 0", evolve(UMEM, append_fails=-1)),
        (
            "sg(a[0:4], 12288): 12288 bytes are 3 pages, not 4",
            IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 4), 12288),)),
        ),
        (
            "sg(a[0:1], 0): 0 bytes are 0 pages, not 1",
            IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 1), 0),)),
        ),
        (
            "nmap=2 is not in 0..1, the number of entries",
            IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 1), 1),), nmap=2),
        ),
        (
            "nmap=-1 is not in 0..1",
            IbUmem(umem="u1", sgl=(SgEntry(span("a", 0, 1), 1),), nmap=-1),
        ),
        ("orders=[19]: an order is not in 0..18", AllocPages(pages=span("a", 0, 4), orders=(19,))),
        ("orders=[-1]: an order is not in 0..18", AllocPages(pages=span("a", 0, 4), orders=(-1,))),
        ("split_huge_page takes one page, not 2", SplitHugePage(pages=span("a", 0, 2))),
        (f"n=0 is not in 1..{2**31 - 1}", GetPage(pages=span("a", 0, 1), n=0)),
        (f"n={2**31} is not in 1..{2**31 - 1}", PutPage(pages=span("a", 0, 1), n=2**31)),
    ],
)
def test_bad_steps(complaint, step):
    """A step that does not fit what came before is refused in one line."""
    checker = Checker((A, B))
    checker.step(PIN)
    with pytest.raises(BadInput) as caught:
        checker.step(step)

    assert str(caught.value).startswith(complaint)
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("pages", "orders"),
    [
        (span("a", 0, 4), (1,)),
        (span("a", 0, 4), (2, 0)),
        (span("a", 2, 6), (2,)),
        (span("a", 0, 4), (0, 1, 0)),
        (span("a", 0, 4), (0, 1)),
        (span("a", 1, 4), (1, 0)),
    ],
    ids=["too few", "too many", "not aligned", "gap and too many", "gap", "begins late"],
)
def test_allocation_fills_its_frames(pages, orders):
    """New compound pages stand side by side, naturally aligned, and leave no frame over."""
    with pytest.raises(BadInput) as caught:
        Checker((A, B)).step(AllocPages(pages=pages, orders=orders))

    assert str(caught.value).startswith(f"orders={list(orders)} do not fill ")


def test_a_region_is_no_list_of_pages():
    """The pages of a region have no names but those they were pinned by."""
    checker = Checker((A,))
    checker.step(UMEM)
    with pytest.raises(BadInput, match=r"^u1 holds no pages$"):
        checker.step(UnpinUserPages(pages=span("u1", 0, 1)))


def test_a_region_is_released_once():
    """The second release of a region has nothing to release."""
    checker = Checker((A,))
    checker.step(UMEM)
    checker.step(IbUmemRelease(umem="u1"))
    with pytest.raises(BadInput, match=r"^u1 is not a memory region, or was released before$"):
        checker.step(IbUmemRelease(umem="u1"))


def test_handles_hold_what_was_asked_for():
    """A handle's positions are those of its list, in any order and repeated."""
    pages = joined([span("a", 2, 4), span("b", 0, 1), span("a", 2, 4)])
    checker = Checker((A, B))
    checker.step(PinUserPages(handle="h1", pages=pages))
    checker.step(
        UnpinUserPageRangeDirtyLock(pages=PageList((Slice("h1", range(3, 5)),)), make_dirty=True)
    )
    with pytest.raises(BadInput, match=r"^h1\[1:3\] is not a range"):
        checker.step(UnpinUserPageRangeDirtyLock(pages=span("h1", 1, 3), make_dirty=True))


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (
            "h1 = pin_user_pages(NULL)",
            "pin_user_pages of NULL: only unpin_folios, unpin_user_pages and",
        ),
        ("map(NULL)", "of NULL: only unpin_folios, .* and unpin_user_pages_dirty_lock accept it"),
    ],
)
def test_null_elsewhere(statement, complaint):
    """Only calls that are given an array may meet NULL in it."""
    with pytest.raises(BadInput, match=complaint):
        parse_program(
            f'# headcount 1\nsemantics("6.12")\na = mapping("base", orders=[0])\n{statement}\n'
        )
