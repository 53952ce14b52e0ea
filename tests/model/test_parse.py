# SPDX-License-Identifier: MIT

from __future__ import annotations

import tracemalloc
import warnings
from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadInput
from model.mapping import Extent, Mapping, align_up
from model.pagelist import Group, PageList, Slice, joined, span
from model.parse import LINE_LIMIT, parse_layout, parse_program, read_layout, read_program
from model.program import Program
from model.progress import told_to
from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.semantics import SEMANTICS, semantics
from model.step import FLAGS, SgEntry
from model.steps import (
    GetUserPages,
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from model.world import AllocPages, Clean, GetPage, Map, PutPage, SetPageDirty, SplitHugePage, Unmap

HEADER = "# headcount 1\n"
TOP = HEADER + 'semantics("5.13")\n'

#: Three lines; a has eight contiguous pages, b two whose frames fall.
MAPPED = (
    TOP
    + 'a = mapping("driver", orders=[1, 1, 2])\n'
    + 'b = mapping("base", orders=[0] + [0], pfn=[0x9, 0x8])\n'
)

#: And one step, on line 5.
PINNED = MAPPED + "h1 = pin_user_pages(a[0:4])\n"


def refused(text, parse=parse_program):
    """The one line that *text* is refused with."""
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert 1 == len(str(caught.value).splitlines())
    return str(caught.value)


# Good ones.


def test_program():
    """A trace says a program, and where each step of it stands."""
    program = parse_program(PINNED + "unpin_user_pages_dirty_lock(h1[0:4], make_dirty=True)\n")

    assert (
        Mapping("a", "driver", (Extent(0x1000, 1, 2), Extent(0x1004, 2, 1))),
        Mapping("b", "base", (Extent(0x9, 0, 1), Extent(0x8, 0, 1))),
    ) == program.mappings
    assert (
        PinUserPages(handle="h1", pages=span("a", 0, 4)),
        UnpinUserPagesDirtyLock(pages=span("h1", 0, 4), make_dirty=True),
    ) == program.steps
    assert semantics("5.13") is program.semantics
    assert not program.misuse
    assert (5, 6) == program.lines


def test_blank_lines_and_comments():
    """Lines that say nothing are passed over, and still counted."""
    text = PINNED.replace("h1", "\n# why\n   \nh1")
    program = parse_program(text)

    assert parse_program(PINNED) == program
    assert (8,) == program.lines


def test_indented_comments():
    """A comment may be indented, as a statement may."""
    assert parse_program(PINNED) == parse_program(PINNED.replace("h1", "  # why\n  h1"))


def test_comments_at_the_top():
    """Comments between the header and the first statement are kept."""
    text = PINNED.replace("\nsem", "\n# found by a soak\n#\n\n#   on CPU 3: x\n# headcount 1\nsem")
    program = parse_program(text.replace("h1", "# not at the top\nh1"))

    assert ("found by a soak", "", "  on CPU 3: x", "headcount 1") == program.comments
    assert text.replace("#\n\n#", "#\n#") == program.text()


@pytest.mark.parametrize("misuse", [True, False])
def test_misuse(misuse):
    """A trace may say that it breaks the contract."""
    text = PINNED.replace('"5.13"', f'"5.13", misuse={misuse}')

    assert misuse == parse_program(text).misuse


@pytest.mark.parametrize("version", SEMANTICS)
def test_semantics(version):
    """A trace says which kernel it was found on."""
    assert version == parse_program(PINNED.replace("5.13", version)).semantics.version


@pytest.mark.parametrize(
    ("canonical", "written"),
    [
        ("h2 = pin_user_pages(a[0:4])", "  h2=pin_user_pages( a[ 0 : 4 ] ) # ok"),
        ("h2 = pin_user_pages(a[16:17])", "h2 = pin_user_pages(a[0x10:17])"),
        ("unpin_user_pages(h1[0:2]*2)", "unpin_user_pages((h1[0:2])*2)"),
        ("unpin_user_pages(h1[0:4], npages=-14)", "unpin_user_pages(h1[0:4], cpu=0, npages=-14)"),
        ("get_page(a[0:1])", "get_page(a[0:1], n=1)"),
        ("u1 = ib_umem_get(a[0:1])", "u1 = ib_umem_get(a[0:1], writable=True)"),
        ("alloc_pages(a[0:4], orders=[1, 1])", "alloc_pages(a[0:4], orders=[1]*2)"),
        ("unpin_user_pages(h1[0:4])", "unpin_user_pages(h1[0:4]);"),
    ],
)
def test_printed_canonically(canonical, written):
    """However a step is written, it is printed in one way."""
    text = PINNED.replace("[1, 1, 2]", "[0]*32")
    program = parse_program(f"{text}{written}\n")
    assert f"{text}{canonical}\n" == program.text()


def test_layout():
    """A layout is mappings alone; no kernel is named that could lack an order."""
    text = '# headcount 1\n# captured\na = mapping("thp", orders=[2, 2], pfn=64, refs=2)\n'

    assert (Mapping("a", "thp", (Extent(64, 2, 2),), 2),) == parse_layout(text)


def test_layout_may_say_semantics():
    """A trace without steps is a layout as well."""
    assert parse_program(PINNED).mappings == parse_layout(MAPPED)


def test_mappings_lie_past_each_other():
    """A mapping that does not say where it lies is past all before it, a frame between."""
    a, b, c, d = parse_layout(
        "# headcount 1\n"
        'a = mapping("base", orders=[0]*3)\n'
        'b = mapping("thp", orders=[9])\n'
        'c = mapping("base", orders=[0], pfn=0x10)\n'
        'd = mapping("driver", orders=[0, 2])\n'
    )

    assert range(0x1000, 0x1003) == a.pages
    assert range(0x1200, 0x1400) == b.pages
    assert range(0x10, 0x11) == c.pages
    assert [0x1404, 0x1408, 0x1409, 0x140A, 0x140B] == d.pages


def test_files(tmp_path):
    """Files are read as UTF-8."""
    trace = tmp_path / "a.trace"
    trace.write_text(PINNED.replace("\nsem", "\n# größer\nsem"), encoding="utf-8")
    layout = tmp_path / "a.layout"
    layout.write_text(MAPPED, encoding="utf-8")

    assert ("größer",) == read_program(trace).comments
    assert read_program(trace).mappings == read_layout(layout)


def test_progress(monkeypatch):
    """How far a long trace is read is told."""
    monkeypatch.setattr("model.parse.LINES_TOLD", 2)
    told = []
    with told_to(told.append):
        parse_program(PINNED)

    assert ["reading line 2 of 6", "reading line 4 of 6"] == told


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_text_of_other_systems(mark):
    """A byte order mark and CR LF do not matter."""
    text = PINNED.replace("\nsem", "\n# broke\nsem")

    assert parse_program(text) == parse_program(mark + text.replace("\n", "\r\n"))
    assert parse_layout(MAPPED.replace(TOP, HEADER)) == parse_layout(
        mark + MAPPED.replace(TOP, HEADER).replace("\n", "\r\n")
    )


# Bad files.


@pytest.mark.parametrize("read", [read_program, read_layout])
@pytest.mark.parametrize(
    ("reason", "content"),
    [
        ("not a text file", b"# headcount 1\n\xff\xfe\n"),
        ("not a text file", b"\x7fELF\x02\x01\x01\x00\x00"),
        ("not a text file", b"# headcount 1\n# \x00\n"),
        ("not a text file", PINNED.encode("utf-16")),
    ],
)
def test_binary_files(tmp_path, read, reason, content):
    """A file that is no text is refused with its name."""
    path = tmp_path / "a.trace"
    path.write_bytes(content)

    assert f"{path}: {reason}" == refused(path, read)


@pytest.mark.parametrize("read", [read_program, read_layout])
def test_no_files(tmp_path, read):
    """What is no file, or none that can be read, is refused with its name."""
    missing = tmp_path / "missing.trace"

    assert f"{missing}: No such file or directory" == refused(missing, read)
    assert f"{tmp_path}: is a directory, not a file" == refused(tmp_path, read)


@pytest.mark.parametrize("read", [read_program, read_layout])
def test_large_files(tmp_path, monkeypatch, read):
    """Neither more bytes nor more lines are read than a bound, which is named."""
    path = tmp_path / "large.trace"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    assert f"{path}: has more than 32 MiB, the most that a trace or a layout may have" == refused(
        path, read
    )

    monkeypatch.setattr("model.parse.MAX_LINES", 2)
    path.write_text(MAPPED)

    assert f"{path}: has more than 2 lines, the most that headcount reads" == refused(path, read)


def test_file_and_line(tmp_path):
    """A complaint about a file begins with its name and the line."""
    path = tmp_path / "a.trace"
    path.write_text(f"{PINNED}unpin_user_pages(h2[0:1])\n")

    assert f"{path}:6: h2 is used before it is defined" == refused(path, read_program)


# Bad beginnings, and bad ends.


@pytest.mark.parametrize(
    ("complaint", "text"),
    [
        ("line 1: does not start with '# headcount 1'", ""),
        ("line 1: does not start with '# headcount 1'", "\n"),
        ("line 1: does not start with '# headcount 1'", PINNED.removeprefix("# headcount 1\n")),
        ("line 1: does not start with '# headcount 1'", "\n" + PINNED),
        ("line 1: does not start with '# headcount 1'", "#headcount 1\n"),
        ("line 1: does not start with '# headcount 1'", "# headcount 1.5\n"),
        ("line 1: does not start with '# headcount 1'", f"# headcount {'1' * 5000}\n"),
        ("line 1: does not start with '# headcount 1'", "\ufeff\ufeff" + PINNED),
        ("line 1: does not start with '# headcount 1'", PINNED.replace("\n", "\r")),
        (
            "line 1: unknown format version 2; this headcount reads version 1",
            PINNED.replace("headcount 1", "headcount 2"),
        ),
        (
            "line 1: the last line does not end with a newline: is the file truncated?",
            "# headcount 1",
        ),
        ("line 5: the last line does not end with a newline: is the file truncated?", PINNED[:-1]),
        ("line 5: the last line does not end with a newline: is the file truncated?", PINNED[:-9]),
        ("line 5: not a statement: '[' was never closed", PINNED[:-4] + "\n"),
        ('no semantics("…") line', "# headcount 1\n"),
        ('no semantics("…") line', "# headcount 1\n\n# nothing\n"),
        ("no steps: is the trace truncated?", TOP),
        ("no steps: is the trace truncated?", MAPPED),
        ("not a text file", PINNED + "\0"),
    ],
)
def test_cut_short(complaint, text):
    """What was cut short, or is no trace, is not taken for a shorter one."""
    assert complaint == refused(text)


def test_cut_anywhere():
    """Wherever a trace of one step is cut, it is refused."""
    assert all(refused(PINNED[:length]) for length in range(len(PINNED)))


@pytest.mark.parametrize("digits", ["01", "\u0661", "1\u0661"])
def test_header_is_canonical(digits):
    """Only the header that is printed is read."""
    assert "line 1: does not start with '# headcount 1'" == refused(
        PINNED.replace("headcount 1", f"headcount {digits}")
    )


@pytest.mark.parametrize(
    ("complaint", "text"),
    [
        ("no mappings: is the layout truncated?", "# headcount 1\n"),
        ("line 3: a layout can only have mappings, not clean(…)", TOP + "clean(a[0:1])\n"),
        ("line 5: a layout can only have mappings, not pin_user_pages(…)", PINNED),
        ("line 2: unknown call foo(…)", "# headcount 1\nfoo()\n"),
        (
            "line 3: semantics(…) must come once, before everything else",
            '# headcount 1\na = mapping("base", orders=[0])\nsemantics("5.13")\n',
        ),
    ],
)
def test_bad_layouts(complaint, text):
    """A layout is refused as a trace is."""
    assert complaint == refused(text, parse_layout)


# Statements at the wrong place.


@pytest.mark.parametrize(
    ("complaint", "text"),
    [
        (
            'line 2: semantics("…") must come first',
            PINNED.replace('semantics("5.13")\n', ""),
        ),
        ('line 2: semantics("…") must come first', "# headcount 1\nclean(a[0:1])\n"),
        ("line 3: no mappings before the first step", TOP + "clean(a[0:1])\n"),
        (
            "line 3: semantics(…) must come once, before everything else",
            TOP + 'semantics("5.13")\n',
        ),
        (
            "line 5: semantics(…) must come once, before everything else",
            MAPPED + 'semantics("5.13")\n',
        ),
        (
            "line 6: semantics(…) must come once, before everything else",
            PINNED + 'semantics("5.13")\n',
        ),
        (
            "line 6: mappings must come before the first step",
            PINNED + 'c = mapping("base", orders=[0])\n',
        ),
        ("line 5: a is defined twice", MAPPED + 'a = mapping("base", orders=[0])\n'),
        ("line 6: a is defined twice", PINNED + "a = pin_user_pages(a[0:1])\n"),
        ("line 6: h1 is defined twice", PINNED + "h1 = pin_user_pages(a[0:1])\n"),
        ("line 6: h1 is defined twice", PINNED + "h1 = ib_umem_get(a[0:1])\n"),
        ("line 6: h2 is used before it is defined", PINNED + "unpin_user_pages(h2[0:1])\n"),
        ("line 6: h2 is used before it is defined", PINNED + "h2 = pin_user_pages(h2[0:1])\n"),
        ("line 6: u1 is used before it is defined", PINNED + "ib_umem_release(u1)\n"),
    ],
)
def test_order_of_statements(complaint, text):
    """Semantics, mappings, steps: each comes before what builds on it, and names come once."""
    assert complaint == refused(text)


# Bad statements.


@pytest.mark.parametrize(
    ("complaint", "line"),
    [
        ("unknown call unpin_pages(…)", "unpin_pages(h1[0:1])"),
        ("unknown call h2 = pin_pages(…)", "h2 = pin_pages(h1[0:1])"),
        ("unknown call mapping(…)", 'mapping("base", orders=[0])'),
        ("unknown call x = semantics(…)", 'x = semantics("5.13")'),
        ("unknown call Clean(…)", "Clean(h1[0:1])"),
        ("clean(…) returns nothing to name", "x = clean(a[0:1])"),
        (
            "pin_user_pages(…) needs a name: h1 = pin_user_pages(…)",
            "pin_user_pages(a[0:1])",
        ),
        ("clean(…) has no keyword make_dirty", "clean(a[0:1], make_dirty=True)"),
        ("clean(…) has pages twice", "clean(a[0:1], pages=a[0:1])"),
        ("clean(…) takes pages first, then keywords", "clean()"),
        ("clean(…) takes pages first, then keywords", "clean(pages=a[0:1])"),
        ("clean(…) takes pages first, then keywords", "clean(a[0:1], True)"),
        ("pin_user_pages(…) takes pages first, then keywords", "h2 = pin_user_pages()"),
        (
            "pin_user_pages(…) takes pages, flags first, then keywords",
            "h2 = pin_user_pages(a[0:1], FOLL_WRITE, FOLL_LONGTERM)",
        ),
        ("pin_user_pages(…) has no keyword flags", "h2 = pin_user_pages(a[0:1], flags=FOLL_WRITE)"),
        ("unknown flag FOLL_GET", "h2 = pin_user_pages(a[0:1], FOLL_GET)"),
        (
            "unpin_user_pages_dirty_lock(…) needs make_dirty=True or make_dirty=False",
            "unpin_user_pages_dirty_lock(h1[0:1])",
        ),
        (
            "unpin_user_page_range_dirty_lock(…) needs make_dirty=True or make_dirty=False",
            "unpin_user_page_range_dirty_lock(h1[0:1], npages=-14)",
        ),
        (
            "1 is neither True nor False",
            "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=1)",
        ),
        ("True is not an integer", "get_page(a[0:1], n=True)"),
        ("'2' is not an integer", 'get_page(a[0:1], n="2")'),
        ("2.0 is not an integer", "get_page(a[0:1], n=2.0)"),
        ("'a' is neither a slice of pages", 'clean("a")'),
        ("'u1' is not a name", 'ib_umem_release("u1")'),
        ("cpu=-1 is not in 0..255", "clean(a[0:1], cpu=-1)"),
        ("cpu=256 is not in 0..255", "clean(a[0:1], cpu=256)"),
        ("an integer is not in -4095..2^64-1", "unpin_user_pages(h1[0:1], npages=-4096)"),
        (
            "an integer is not in -4095..2^64-1",
            "unpin_user_pages(h1[0:1], npages=18446744073709551616)",
        ),
        ("npages=3 is not -errno", "unpin_user_pages(h1[0:3], npages=3)"),
        ("n=0 is not in 1..2147483647", "get_page(a[0:1], n=0)"),
        ("a[0:9] lies beyond a, which holds 8 pages", "clean(a[0:9])"),
        ("a[8:9] lies beyond a, which holds 8 pages", "clean(a[8:9])"),
        ("a[9::-1] lies beyond a, which holds 8 pages", "clean(a[9::-1])"),
        ("h1[3:5] lies beyond h1, which holds 4 pages", "unpin_user_pages(h1[3:5])"),
        ("clean of no pages", "clean(a[3:3])"),
        ("clean of no pages", "clean(a[3:1])"),
        (
            "b[0:2] is not a range: its frames are not contiguous",
            "unpin_user_page_range_dirty_lock(b[0:2], make_dirty=True)",
        ),
        (
            "a[1::-1] is not a range: its frames are not contiguous",
            "unpin_user_page_range_dirty_lock(a[1::-1], make_dirty=True)",
        ),
        (
            "a[0:3:2] is not a range: its frames are not contiguous",
            "alloc_pages(a[0:4:2], orders=[1])",
        ),
        (
            "a[0:1] + a[2:3] is not a range: its frames are not contiguous",
            "u1 = ib_umem(sg(a[0:1] + a[2:3], 8192))",
        ),
        ("sg(a[0:1], 4097): 4097 bytes are 2 pages, not 1", "u1 = ib_umem(sg(a[0:1], 4097))"),
        ("orders=[19]: an order is not in 0..18", "alloc_pages(a[0:1], orders=[19])"),
        ("9 is not a list of orders", "alloc_pages(a[0:1], orders=9)"),
        (
            "changed=1 is not a position in the list",
            "h2 = pin_user_pages_fast_only(a[0:1], changed=1)",
        ),
        ("unpin_user_page takes one page, not 2", "unpin_user_page(h1[0:2])"),
        ("split_huge_page takes one page, not 2", "split_huge_page(a[4:6])"),
        ("h1 is not a memory region, or was released before", "ib_umem_release(h1)"),
        ("not a call, and not an assignment of one", "h1"),
        ("not a call, and not an assignment of one", "h2 = h1"),
        ("not a call, and not an assignment of one", "1"),
        ("not a call, and not an assignment of one", "import os"),
        ("not a call, and not an assignment of one", "clean(a[0:1]); clean(a[0:1])"),
        ("not a call, and not an assignment of one", "clean(a[0:1])\rclean(a[0:1])"),
        ("not a call, and not an assignment of one", "h2 = h3 = pin_user_pages(a[0:1])"),
        ("not a call, and not an assignment of one", "h2, h3 = pin_user_pages(a[0:1])"),
        ("not a call, and not an assignment of one", "h2: int = pin_user_pages(a[0:1])"),
        ("not a call, and not an assignment of one", "h2 += pin_user_pages(a[0:1])"),
        ("not a call, and not an assignment of one", "a[0] = pin_user_pages(a[0:1])"),
        ("not a call, and not an assignment of one", "if 1: clean(a[0:1])"),
        ("not a call, and not an assignment of one", "clean(a[0:1]).x"),
        ("not a statement: ", "clean a[0:1]"),
        ("not a statement: ", "clean(a[0:1]"),
        ("not a statement: ", "clean(a[0:1]))"),
        ("not a statement: ", "clean(a[0:1]) \\"),
        ("not a statement: ", 'clean("""'),
        ("not a statement: ", "clean(a[0:1]) \x1b[31m"),
        ("not a statement: ", "clean(a\u2028[0:1])"),
        ("not a statement: ", "…"),
    ],
)
def test_bad_steps(complaint, line):
    """A line that is no step that fits is refused with its number."""
    assert refused(f"{PINNED}{line}\n").startswith(f"line 6: {complaint}")


@pytest.mark.parametrize("line", ["unpin_user_page(h1[0:0])", "u1 = ib_umem(sg(a[0:0], 4096))"])
def test_steps_of_no_pages(line):
    """A call that is given one page, or an entry that begins with one, is refused without."""
    assert refused(f"{PINNED}{line}\n").startswith("line 6: ")


@pytest.mark.parametrize(
    "line",
    [
        "unpin_user_pages_dirty_lock(h1[0:1], make_dirty=True, make_dirty=False)",
        "get_page(a[0:1], n=1, n=2)",
    ],
)
def test_keywords_come_once(line):
    """A keyword that comes twice says two things."""
    assert refused(f"{PINNED}{line}\n").startswith("line 6: ")


@pytest.mark.parametrize(
    "name", ["H1", "_h", "1h", "h" * 17, "größe", "sg", "h.x", "h-1", "None", "for", "h\u0661"]
)
@pytest.mark.parametrize("call", ["pin_user_pages(a[0:1])", 'mapping("base", orders=[0])'])
def test_bad_names(name, call):
    """A name is short, small and plain."""
    text = MAPPED + f"{name} = {call}\n"

    assert refused(text).startswith("line 5: ")


@pytest.mark.parametrize("name", ["h", "h" * 16, "h_1", "handle", "sg1"])
def test_good_names(name):
    """Sixteen letters, digits and underscores are enough for anyone."""
    program = parse_program(MAPPED + f"{name} = pin_user_pages(a[0:1])\n")

    assert name == program.steps[0].makes


def test_bad_name_says_why():
    """The rule for names is told to whom breaks it."""
    assert (
        "line 5: bad name 'H1': use up to 16 of a-z, 0-9 and _, a letter first; not sg"
    ) == refused(MAPPED + "H1 = pin_user_pages(a[0:1])\n")


@pytest.mark.parametrize(
    ("complaint", "statement"),
    [
        (
            f"semantics '6.66' are not known; known are {', '.join(SEMANTICS)}",
            'semantics("6.66")',
        ),
        ("5.13 is not a string", "semantics(5.13)"),
        ("semantics(…) takes version first, then keywords", "semantics()"),
        ("semantics(…) takes version first, then keywords", 'semantics("5.13", True)'),
        ("semantics(…) has no keyword misused", 'semantics("5.13", misused=True)'),
        ("1 is neither True nor False", 'semantics("5.13", misuse=1)'),
    ],
)
def test_bad_semantics(complaint, statement):
    """Semantics that are not known, or not said rightly, are refused."""
    assert f"line 2: {complaint}" == refused(PINNED.replace('semantics("5.13")', statement))


@pytest.mark.parametrize(
    ("complaint", "arguments"),
    [
        ("mapping(…) takes kind first, then keywords", "orders=[0]"),
        ("mapping(…) takes kind first, then keywords", '"base", [0]'),
        ("mapping(…) needs orders=[…]", '"base"'),
        ("mapping(…) has no keyword order", '"base", order=[0]'),
        ("mapping c: unknown kind 'slab'; kinds are base, ", '"slab", orders=[0]'),
        ("base is not a string", "base, orders=[0]"),
        ("0 is not a list of orders", '"base", orders=0'),
        ("[] is not a list of orders", '"base", orders=[]'),
        ("[0, 0] * 2: only a single order can be repeated", '"base", orders=[0, 0]*2'),
        ("'0' is not an integer", '"base", orders=["0"]'),
        ("order 19 is not in 0..18", '"hugetlb", orders=[19]'),
        ("order -1 is not in 0..18", '"hugetlb", orders=[-1]'),
        (
            "mapping c: thp pages of order 0 do not exist in 5.13; existing orders are 9",
            '"thp", orders=[0]',
        ),
        (
            "mapping c: page-cache pages of order 2 do not exist in 5.13; existing orders are 0, 9",
            '"page-cache", orders=[0, 2]',
        ),
        ("mapping c: driver pages of order 11 do not exist in 5.13", '"driver", orders=[11]'),
        ("pfn=0x2 is not aligned to order 2", '"driver", orders=[2], pfn=2'),
        (
            "pfn=0x2 is not aligned to order 2",
            '"driver", orders=[2] + [2], pfn=[0x100, 0x2]',
        ),
        ("mapping c: frame -0x1 is not in 0..0xffffffffff", '"base", orders=[0], pfn=-1'),
        ("mapping c: frame 0x10000000000 is not in", '"base", orders=[0], pfn=0x10000000000'),
        ("mapping c: frame 0x40000 is not in", '"hugetlb", orders=[18]*4294967296'),
        ("1 frames in pfn= for 2 lists of orders", '"base", orders=[0] + [0], pfn=[1]'),
        ("2 frames in pfn= for 1 lists of orders", '"base", orders=[0, 0], pfn=[1, 2]'),
        ("0 frames in pfn= for 1 lists of orders", '"base", orders=[0], pfn=[]'),
        ("'1' is not an integer", '"base", orders=[0], pfn="1"'),
        ("'1' is not an integer", '"base", orders=[0], pfn=["1"]'),
        ("(1,) is not an integer", '"base", orders=[0], pfn=(1,)'),
        (
            "mapping c: two of its compound pages hold frame 0x100",
            '"base", orders=[0] + [0], pfn=[0x100, 0x100]',
        ),
        (
            "mapping c: more than 16777216 pages with frames that are not contiguous",
            '"hugetlb", orders=[18]*64 + [18], pfn=[0x40000, 0x0]',
        ),
        ("mapping c: refs=0 is not in 1..2147483647", '"base", orders=[0], refs=0'),
        ("mapping c: refs=2147483648 is not in", '"base", orders=[0], refs=2147483648'),
        ("None is not an integer", '"base", orders=[0], refs=None'),
    ],
)
def test_bad_mappings(complaint, arguments):
    """A mapping that cannot be is refused with its line."""
    text = f"{MAPPED}c = mapping({arguments})\nclean(a[0:1])\n"

    assert refused(text).startswith(f"line 5: {complaint}")


@pytest.mark.parametrize(
    ("frame", "pfn"), [("0x8", "0x4"), ("0x9", "0x9"), ("0x8", "0x1"), ("0x8", "0x2")]
)
def test_overlap(frame, pfn):
    """Of two mappings that hold the same frame the second is refused."""
    text = MAPPED + f'c = mapping("driver", orders=[0]*7 + [0], pfn={pfn})\nclean(a[0:1])\n'

    assert f"line 5: mapping c: frame {frame} belongs to a mapping before it" == refused(text)
    layout = text.replace('semantics("5.13")', "#").replace("clean(a[0:1])\n", "")
    assert refused(text) == refused(layout, parse_layout)


def test_longest_line():
    """A line may have 4096 bytes, in UTF-8, and not one more."""
    longest = "#" + "ö" * ((LINE_LIMIT - 1) // 2) + "x"

    assert LINE_LIMIT == len(longest.encode())
    assert parse_program(f"{PINNED}{longest}\n")
    assert f"line 6: the line is longer than {LINE_LIMIT} bytes" == refused(f"{PINNED}{longest}x\n")


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ("(", ")"),
        ("[", "]"),
        ("{", "}"),
        ("-", ""),
        ("~", ""),
        ("not ", ""),
        ("f(", ")"),
        ("a[", "]"),
        ("a[0:", "]"),
        ("a.", ""),
        ("1+", ""),
        ("1**", ""),
        ("lambda:", ""),
        ("1 if 1 else ", ""),
        ("(a[0:1]+", ")"),
        ('f"{', '}"'),
    ],
)
@pytest.mark.parametrize("depth", [190, 4000])
@pytest.mark.parametrize("call", ["clean({})", "get_page(a[0:1], n={})", "u1 = ib_umem(sg({}, 1))"])
def test_deep_nesting(opened, closed, depth, call):
    """What nests deeply is refused like any nonsense."""
    depth = min(depth, 4000 // len(opened + closed))
    line = call.format(opened * depth + "x" + closed * depth)

    assert refused(f"{PINNED}{line}\n").startswith("line 6: ")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('pathlib').Path({path!r}).touch()",
        "[open({path!r}, 'w') for _ in a]",
        "(lambda: open({path!r}, 'w'))()",
        "f\"{{open({path!r}, 'w')}}\"",
        "(x := open({path!r}, 'w'))",
        "a.__class__",
        "*a",
        "{{**a}}",
        "open({path!r}, 'w')",
        "print(1)",
        "(yield)",
        "await x",
    ],
)
@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "x = {}",
        "clean({})",
        "clean({}[0:1])",
        "clean(a[{}:1])",
        "clean(a[0:1]*{})",
        "clean(a[0:1], cpu={})",
        "clean(a[0:1], **{})",
        "alloc_pages(a[0:1], orders={})",
        "unpin_user_pages_dirty_lock(a[0:1], make_dirty={})",
        "h2 = pin_user_pages(a[0:1], {})",
        "u1 = ib_umem({})",
        "ib_umem_release({})",
    ],
)
def test_nothing_is_executed(tmp_path, capsys, expression, line):
    """An expression is refused wherever it stands, and has no effect."""
    path = tmp_path / "executed"
    text = line.format(expression.format(path=str(path)))

    assert refused(f"{PINNED}{text}\n").startswith("line 6: ")
    assert not path.exists()
    assert ("", "") == capsys.readouterr()


def test_attributes_are_no_calls():
    """A call of something's attribute is none that is known, and is shown."""
    assert "line 6: unknown call __import__('os').system(…)" == refused(
        f'{PINNED}__import__("os").system("x")\n'
    )


@pytest.mark.parametrize(
    "line", ["clean(a[0:1], cpu=1if a else 2)", 'c = mapping("\\d", orders=[0])']
)
def test_no_warnings(line):
    """The one line is all that is said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        refused(f"{MAPPED}{line}\n")

    assert [] == said


# Inputs that ask for much.


def peak(text, parse=parse_program):
    """The most bytes that it takes to refuse *text*."""
    tracemalloc.start()
    try:
        refused(text, parse)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "line",
    [
        "clean((a[0:1])*4294967296)",
        "clean(a[0:8]*4294967296)",
        "clean((a[0:1] + b[0:1])*4294967296)",
        "clean((a[0:1]*2)*4294967296)",
        "unpin_user_pages(a[0:1]*4294967296)",
        "h2 = pin_user_pages(a[0:1]*8388609)",
        "u1 = ib_umem(sg(a[0:1]*4294967296, 4096))",
        "clean(a[0:1099511627776])",
        "c = mapping('base', orders=[0]*4294967296)",
        "alloc_pages(a[0:8], orders=[20]*10000)",
    ],
)
def test_huge_repeats(line):
    """A short line that stands for a huge list is refused without making one."""
    assert peak(f"{PINNED}{line}\n") < 1 << 20


@pytest.mark.parametrize(
    "line",
    [
        "clean(a[0:1099511627776]*4294967296)",
        "clean((a[0:1]*4294967296)*4294967296)",
        "clean((a[0:1]*4294967296 + b[0:1]*4294967296)*4294967296)",
    ],
)
def test_huge_products(line):
    """A list longer than any number of pages is refused as well."""
    assert peak(f"{PINNED}{line}\n") < 1 << 20


def test_huge_orders():
    """More orders than there are frames are refused without writing them out."""
    assert peak(f"{PINNED}alloc_pages(a[0:8], orders=[0]*30000)\n") < 1 << 20


def test_large_mappings_are_small():
    """A mapping of 1 TiB takes no more memory than one of a page."""
    text = '# headcount 1\na = mapping("hugetlb", orders=[18]*1024)\nx\n'

    assert peak(text, parse_layout) < 1 << 20


# There and back.


@st.composite
def layouts(draw):
    """One to three mappings that do not overlap, their frames in any order."""
    found = []
    pfn = draw(st.sampled_from([0, 0x1000]))
    runs = st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 3))
    for name in ["a", "b2", "m_" + "x" * 14][: draw(st.integers(1, 3))]:
        extents = []
        for order, n, gap in draw(st.lists(runs, min_size=1, max_size=4)):
            extents.append(Extent(align_up(pfn + gap, order), order, n))
            pfn = extents[-1].stop
        if draw(st.booleans()):
            extents = draw(st.permutations(extents))
        refs = draw(st.sampled_from([1, 2, 2**31 - 1]))
        found.append(Mapping(name, "driver", tuple(extents), refs))
    return tuple(found)


@st.composite
def pagelists(draw, held):
    """Sums of slices of what is held, repeated alone or together."""

    def slices(times):
        name = draw(st.sampled_from(sorted(held)))
        start = draw(st.integers(0, held[name] - 1))
        step = draw(st.sampled_from([1, 1, 1, 2, -1, -3]))
        stop = draw(st.integers(start + 1, held[name]) if step > 0 else st.integers(-1, start - 1))
        return Slice(name, range(start, stop, step), times)

    terms = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.integers(0, 3)):
            terms.append(slices(draw(st.sampled_from([1, 1, 3]))))
        else:
            terms.append(Group((slices(1), slices(2)), draw(st.integers(2, 4))))
    return PageList(tuple(terms))


@st.composite
def compound_pages(draw, mappings):
    """The pages of one compound page."""
    mapping = draw(st.sampled_from(mappings))
    nth = draw(st.integers(0, len(mapping.extents) - 1))
    start = mapping.offsets[nth]
    return span(mapping.name, start, start + (1 << mapping.extents[nth].order))


NAMES = st.text(ascii_lowercase + digits + "_", max_size=15).map("h".__add__)
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
NAMES_OF_FLAGS = tuple(FLAGS)
FLAG_SETS = st.sampled_from([(), NAMES_OF_FLAGS[:1], NAMES_OF_FLAGS[1:], NAMES_OF_FLAGS])
ERRNO = st.none() | st.integers(-4095, -1) | st.integers(2**64 - 4095, 2**64 - 1)
OPTIONAL = st.none() | st.integers(0, 1)

#: How the arguments of each step are drawn, of any pages or of one compound page.
CALLS = {
    PinUserPages: lambda draw, pages, _: {"pages": pages, "flags": draw(FLAG_SETS)},
    GetUserPages: lambda draw, pages, _: {"pages": pages, "flags": draw(FLAG_SETS)},
    PinUserPagesFastOnly: lambda draw, pages, _: {
        "pages": pages,
        "flags": draw(FLAG_SETS),
        "changed": draw(st.none() | st.integers(0, len(pages) - 1)),
    },
    UnpinUserPage: lambda _draw, _, one: {"page": one.prefix(1)},
    UnpinUserPages: lambda draw, pages, _: {"pages": pages, "npages": draw(ERRNO)},
    UnpinUserPagesDirtyLock: lambda draw, pages, _: {
        "pages": pages,
        "make_dirty": draw(st.booleans()),
        "npages": draw(ERRNO),
    },
    UnpinUserPageRangeDirtyLock: lambda draw, _, one: {
        "pages": one,
        "make_dirty": draw(st.booleans()),
        "npages": draw(ERRNO),
    },
    IbUmemGet: lambda draw, pages, _: {
        "pages": pages,
        "writable": draw(st.booleans()),
        "max_segment": draw(st.sampled_from([4096, 0xFFFF_F000])),
        "nmap": draw(OPTIONAL),
        "append_fails": draw(OPTIONAL),
    },
    IbUmem: lambda draw, _, one: {
        "sgl": (SgEntry(one, 4096 * len(one)), SgEntry(one, 4096 * len(one) - 1)),
        "writable": draw(st.booleans()),
        "nmap": draw(OPTIONAL),
    },
    Map: lambda _draw, pages, _: {"pages": pages},
    Unmap: lambda _draw, pages, _: {"pages": pages},
    SetPageDirty: lambda _draw, pages, _: {"pages": pages},
    Clean: lambda _draw, pages, _: {"pages": joined([pages, pages])},
    SplitHugePage: lambda _draw, _, one: {"pages": one.prefix(1)},
    AllocPages: lambda draw, _, one: {
        "pages": one,
        "orders": draw(st.sampled_from([(0,) * len(one), (len(one).bit_length() - 1,)])),
    },
    GetPage: lambda draw, pages, _: {"pages": pages, "n": draw(st.integers(1, 2**31 - 1))},
    PutPage: lambda _draw, pages, _: {"pages": pages},
}


@st.composite
def programs(draw):
    """Programs of every call that there is, carried out by nobody."""
    mappings = draw(layouts())
    held = {m.name: m.npages for m in mappings}
    umems, steps = [], []
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=6)):
        cls = draw(st.sampled_from([*CALLS, IbUmemRelease] if umems else [*CALLS]))
        values = {cls.name_field(): name} if cls.name_field() else {}
        if cls is IbUmemRelease:
            values |= {"umem": umems.pop(), "dirty": draw(st.booleans())}
        else:
            values |= CALLS[cls](draw, draw(pagelists(held)), draw(compound_pages(mappings)))
        step = cls(**values, cpu=draw(st.sampled_from([0, 0, 0, 1, 255])))
        steps.append(step)
        if cls.binds_handle:
            held[name] = len(step.pages)
        elif cls.binds_umem:
            umems.append(name)
    return Program(
        mappings,
        tuple(steps),
        draw(st.sampled_from(list(SEMANTICS.values()))),
        draw(st.booleans()),
        tuple(draw(st.lists(PRINTABLE.map(str.rstrip), max_size=3))),
    )


@given(programs())
def test_parses_back(program):
    """A program's text says an equal program, whose text has the same bytes."""
    text = program.text()
    parsed = parse_program(text)

    assert program == parsed
    assert text == parsed.text()


@given(programs(), st.data())
def test_one_byte_wrong(program, data):
    """Whatever one character is changed to, there is a program or one line."""
    text = program.text()
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.characters(exclude_categories=["Cs"]) | st.sampled_from("()[]:,*+-=0'\""))
    try:
        parse_program(text[:at] + new + text[at + 1 :])
    except BadInput as err:
        assert 1 == len(str(err).splitlines())  # noqa: PT017 - most are refused, not all


def test_many_orders_parse_back():
    """A huge page that is allocated again as single ones is one short line."""
    text = TOP + 'a = mapping("thp", orders=[9]*4)\nalloc_pages(a[0:2048], orders=[0]*2048)\n'

    assert parse_program(text) == parse_program(parse_program(text).text())


def test_long_lists_are_refused_as_written():
    """What would be too long to read once it is printed is not read in the first place."""
    line = f"unpin_user_pages({'+'.join(['h1[0:1]'] * 500)})"

    assert len(line) < LINE_LIMIT
    assert f"line 6: the line is longer than {LINE_LIMIT} bytes as headcount writes it" == refused(
        f"{PINNED}{line}\n"
    )


def test_longest_step():
    """A step may have just as many bytes as a line, written and read."""
    line = f"unpin_user_pages({' + '.join(['h1[0:1]'] * 407)}, npages=-1)"

    assert LINE_LIMIT == len(line)
    assert f"{PINNED}{line}\n" == parse_program(f"{PINNED}{line}\n").text()


def test_long_mappings_are_refused_as_written():
    """A mapping that would be too long to read once it is printed is not read either."""
    line = f'a = mapping("driver", orders=[{",".join("10" * 1000)}])'
    assert len(line) < 4096
    assert "line 3: the line is longer than 4096 bytes as headcount writes it" == refused(
        f"{TOP}{line}\nclean(a[0:1])\n"
    )


def test_comments_parse_back():
    """Comments say the same after they were printed."""
    program = parse_program(PINNED.replace("\nsem", "\n# found by a soak \nsem"))

    assert program == parse_program(program.text())
