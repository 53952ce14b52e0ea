# SPDX-License-Identifier: MIT

from __future__ import annotations

import ast

import pytest

from model.errors import BadInput
from model.literals import (
    boolean,
    brackets,
    flags,
    identifier,
    orders,
    pages,
    scatterlist,
    string,
    whole_number,
)
from model.pagelist import Group, PageList, Slice, span
from model.step import SgEntry


def node(text):
    """The expression that *text* is."""
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(
    ("value", "read", "text"),
    [
        (0, whole_number, "0"),
        (0x1000, whole_number, "0x1000"),
        (-4095, whole_number, "-4095"),
        (2**64 - 1, whole_number, str(2**64 - 1)),
        (True, boolean, "True"),
        (False, boolean, "False"),
        ("5.13", string, '"5.13"'),
        ("u1", identifier, "u1"),
        (("FOLL_LONGTERM",), flags, "FOLL_LONGTERM"),
        (("FOLL_WRITE", "FOLL_LONGTERM"), flags, "FOLL_LONGTERM | FOLL_WRITE"),
        (("FOLL_WRITE",), flags, "FOLL_WRITE | FOLL_WRITE"),
        ((0, 9, 1), orders, "[0, 9, 1]"),
        ((0, 0, 0, 9, 9, 1), orders, "[0]*3 + [9, 9] + [1]"),
        ([[(0, 3)], [(9, 1), (9, 1)]], brackets, "[0]*3 + [9, 9]"),
        ([[(18, 2**32)]], brackets, f"[18]*{2**32}"),
        ((0,) * (1 << 18), orders, f"[0]*{1 << 18}"),
    ],
)
def test_values(value, read, text):
    """A literal stands for what Python takes it for."""
    assert value == read(node(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (span("a", 0, 4), "a[0:4]"),
        (span("a", 0, 0), "a[0:0]"),
        (PageList((Slice("a", range(0, 9, 4)),)), "a[0:9:4]"),
        (PageList((Slice("a", range(3, -1, -1)),)), "a[3::-1]"),
        (PageList((Slice("a", range(3, 0, -2)),)), "a[3:0:-2]"),
        (PageList((Slice("a", range(1), 3), Slice("b", range(2)))), "a[0:1]*3 + b[0:2]"),
        (PageList((Slice("a", range(1), 3),)), "(a[0:1])*3"),
        (
            PageList((Group((Slice("a", range(1)), Slice("b", range(1), 2)), 3),)),
            "(a[0:1] + b[0:1]*2)*3",
        ),
        (span("a", 0, 1 << 40), f"a[0:{1 << 40}]"),
        (PageList((Slice("a", range(1 << 10), 1 << 30),)), f"a[0:1024]*{1 << 30}"),
    ],
)
def test_pages(value, text):
    """Lists are sums of slices, which may be repeated alone or together."""
    assert value == pages(node(text))


def test_scatterlist():
    """A scatterlist is a sum of entries, a list of pages and some bytes each."""
    assert (
        SgEntry(span("a", 0, 2), 5000),
        SgEntry(span("b", 0, 1), 1),
    ) == scatterlist(node("sg(a[0:2], 5000) + sg(b[0:1], 1)"))


@pytest.mark.parametrize(
    ("complaint", "read", "text"),
    [
        ("an integer is not in -4095..2^64-1", whole_number, "-4096"),
        ("an integer is not in -4095..2^64-1", whole_number, str(2**64)),
        ("an integer is not in -4095..2^64-1", whole_number, "0x" + "f" * 4000),
        ("'1' is not an integer", whole_number, "'1'"),
        ("1.0 is not an integer", whole_number, "1.0"),
        ("1j is not an integer", whole_number, "1j"),
        ("True is not an integer", whole_number, "True"),
        ("None is not an integer", whole_number, "None"),
        ("n is not an integer", whole_number, "n"),
        ("+1 is not an integer", whole_number, "+1"),
        ("-1 is not an integer", whole_number, "--1"),
        ("1 + 1 is not an integer", whole_number, "1 + 1"),
        ("1 is neither True nor False", boolean, "1"),
        ("'True' is neither True nor False", boolean, "'True'"),
        ("None is neither True nor False", boolean, "None"),
        ("5.13 is not a string", string, "5.13"),
        ("f'5.{x}' is not a string", string, "f'5.{x}'"),
        ("b'5.13' is not a string", string, "b'5.13'"),
        ("'u1' is not a name", identifier, "'u1'"),
        ("u.x is not a name", identifier, "u.x"),
        ("unknown flag FOLL_PIN; flags are FOLL_WRITE, FOLL_LONGTERM", flags, "FOLL_PIN"),
        ("1 is not a name", flags, "FOLL_WRITE | 1"),
        ("FOLL_WRITE + FOLL_LONGTERM is not a name", flags, "FOLL_WRITE + FOLL_LONGTERM"),
        ("9 is not a list of orders", orders, "9"),
        ("[] is not a list of orders", orders, "[]"),
        ("(9,) is not a list of orders", orders, "(9,)"),
        ("[o for o in a] is not a list of orders", orders, "[o for o in a]"),
        ("'0' is not an integer", orders, "['0']"),
        ("*a is not an integer", orders, "[*a]"),
        ("[0, 1] * 2: only a single order can be repeated", orders, "[0, 1]*2"),
        ("repeated 0 times, not 1 to 2^32 times", orders, "[0]*0"),
        ("repeated -1 times, not 1 to 2^32 times", orders, "[0]*-1"),
        (f"repeated {2**32 + 1} times, not 1 to 2^32 times", brackets, f"[0]*{2**32 + 1}"),
        ("[0] is not an integer", orders, "4*[0]"),
        ("a is neither a slice of pages like a[0:4] nor a repeated sum of slices", pages, "a"),
        ("[1, 2] is neither a slice of pages", pages, "[1, 2]"),
        ("a[0:1] - a[1:2] is neither a slice of pages", pages, "a[0:1] - a[1:2]"),
        ("(a[0:1] + b) * 2 is neither a slice of pages", pages, "(a[0:1] + b)*2"),
        ("(a[0:1] + b[0:1]) * 1 is neither a slice of pages", pages, "(a[0:1] + b[0:1])*1"),
        ("repeated 0 times, not 1 to 2^32 times", pages, "a[0:1]*0"),
        ("a[0:1] is not an integer", pages, "3*a[0:1]"),
        ("a[3] is not a slice from one page to another like a[0:4]", pages, "a[3]"),
        ("a[:3] is not a slice from one page to another", pages, "a[:3]"),
        ("a[0:1, 2:3] is not a slice from one page to another", pages, "a[0:1, 2:3]"),
        ("a[0:] has no end", pages, "a[0:]"),
        ("a[0::2] has no end", pages, "a[0::2]"),
        ("a[-1:3] has a negative index, or step 0", pages, "a[-1:3]"),
        ("a[0:-1] has a negative index, or step 0", pages, "a[0:-1]"),
        ("a[3:-1:-1] has a negative index, or step 0", pages, "a[3:-1:-1]"),
        ("a[0:3:0] has a negative index, or step 0", pages, "a[0:3:0]"),
        (f"a[0:{(1 << 40) + 1}] is beyond the end of any mapping", pages, f"a[0:{(1 << 40) + 1}]"),
        (
            f"a[{(1 << 40) + 1}::-1] is beyond the end of any mapping",
            pages,
            f"a[{(1 << 40) + 1}::-1]",
        ),
        (
            "a[0:1024] * 1073741825 lists more pages than there are frames",
            pages,
            f"a[0:1024]*{(1 << 30) + 1}",
        ),
        (
            "(a[0:1] * 65536 + b[0:1]) * 16777216 lists more pages",
            pages,
            "(a[0:1]*65536 + b[0:1])*16777216",
        ),
        (
            "[0] * 262145 has more orders than the largest compound page has pages",
            orders,
            "[0]*262145",
        ),
        ("[0] * 262144 + [1] has more orders", orders, "[0]*262144 + [1]"),
        ("'0' is not an integer", pages, "a['0':1]"),
        ("f() is not a name", pages, "f()[0:1]"),
        ("a.b is not a name", pages, "a.b[0:1]"),
        ("a[0:1] is not of the form sg(pages, bytes)", scatterlist, "a[0:1]"),
        ("sg(a[0:1]) is not of the form sg(pages, bytes)", scatterlist, "sg(a[0:1])"),
        (
            "sg(a[0:1], length=1) is not of the form sg(pages, bytes)",
            scatterlist,
            "sg(a[0:1], length=1)",
        ),
        (
            "sg(a[0:1], 1, x=1) is not of the form sg(pages, bytes)",
            scatterlist,
            "sg(a[0:1], 1, x=1)",
        ),
        ("sh(a[0:1], 1) is not of the form sg(pages, bytes)", scatterlist, "sh(a[0:1], 1)"),
        ("x.sg is not a name", scatterlist, "x.sg(a[0:1], 1)"),
        ("1.5 is not an integer", scatterlist, "sg(a[0:1], 1.5)"),
    ],
)
def test_complaints(complaint, read, text):
    """What is not such a literal is refused in one line that shows it."""
    with pytest.raises(BadInput) as caught:
        read(node(text))

    assert str(caught.value).startswith(complaint)
    assert 1 == len(str(caught.value).splitlines())


def test_long_ones_are_shortened():
    """A complaint shows the beginning of what is long."""
    with pytest.raises(BadInput, match=r"^\[0, 0, 0, .{27}\.\.\. is not an integer$"):
        whole_number(node(str([0] * 1000)))


def test_deep_ones_are_not_shown():
    """What cannot be shown for its depth is still refused."""
    with pytest.raises(BadInput, match=r"^something nested too deeply is not an integer$"):
        whole_number(node("1" + "+1" * 1900))


def test_wide_ones_are_not_shown():
    """What cannot be shown for its width is still refused."""
    with pytest.raises(BadInput, match=r"^something too long is neither True nor False$"):
        boolean(node("0x" + "f" * 4000))


@pytest.mark.parametrize(
    "text", ["NULL", "NULL*3", "NULL + h1[0:2] + NULL*2", "(NULL + h1[0:1])*2"]
)
def test_null(text):
    """NULL is an entry of a list, and may be repeated as any other."""
    assert text == str(pages(ast.parse(text, mode="eval").body))
