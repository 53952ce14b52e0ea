# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadInput
from model.pagelist import Group, PageList, Slice, from_entries, joined, span

#: What names stand for: a range of frames, and a list of them.
TABLE = {"a": range(0x100, 0x10C), "h1": [7, 7, 3, 9, 2, 1]}


@st.composite
def slices(draw):
    """Slices of what is in the table, upwards, downwards and empty ones too."""
    name = draw(st.sampled_from(sorted(TABLE)))
    start = draw(st.integers(0, len(TABLE[name]) - 1))
    step = draw(st.sampled_from([1, 1, -1, 2, -2, 5]))
    stop = draw(st.integers(start, len(TABLE[name])) if step > 0 else st.integers(-1, start))
    return Slice(name, range(start, stop, step), draw(st.integers(1, 3)))


@st.composite
def groups(draw):
    """Slices repeated together."""
    parts = draw(st.lists(slices(), min_size=1, max_size=3))
    return Group(tuple(parts), draw(st.integers(2, 4)))


PAGELISTS = st.lists(slices() | groups(), min_size=1, max_size=4).map(lambda t: PageList(tuple(t)))
ENTRIES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=1, max_size=20)


def written_out(pages):
    """Each (name, index) of *pages*, by reading its text as Python reads a list."""
    named = {name: [(name, i) for i in range(len(held))] for name, held in TABLE.items()}
    return eval(str(pages), {"__builtins__": {}}, named)  # noqa: S307 - text of our own


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("a[0:4]", Slice("a", range(4))),
        ("a[3:4]", Slice("a", range(3, 4))),
        ("a[3:4]", Slice("a", range(3, -1, -7))),
        ("a[0:0]", Slice("a", range(5, 5))),
        ("a[0:3:2]", Slice("a", range(0, 4, 2))),
        ("a[3:1:-1]", Slice("a", range(3, 1, -1))),
        ("a[3:0:-1]", Slice("a", range(3, 0, -1))),
        ("a[3::-1]", Slice("a", range(3, -1, -1))),
        ("a[4::-2]", Slice("a", range(4, -1, -2))),
        ("a[0:1]*3", Slice("a", range(1), 3)),
        ("(a[0:1] + b[1:2]*2)*3", Group((Slice("a", range(1)), Slice("b", range(1, 2), 2)), 3)),
        ("a[0:1] + b[0:1]", PageList((Slice("a", range(1)), Slice("b", range(1))))),
    ],
)
def test_text(text, pages):
    """Slices are written as Python writes them, equal ones alike."""
    assert text == str(pages)


@given(PAGELISTS)
def test_text_means_the_entries(pages):
    """The text, read as Python reads it, gives the entries."""
    assert written_out(pages) == list(pages.entries())


@given(PAGELISTS)
def test_length(pages):
    """A list is as long as its entries are many."""
    assert len(list(pages.entries())) == len(pages)


@given(PAGELISTS)
def test_resolve(pages):
    """Each entry stands for the frame that its name holds at that place."""
    assert [TABLE[name][i] for name, i in pages.entries()] == list(pages.resolve(TABLE))


@pytest.mark.parametrize("indices", [range(2, 9), range(9, 1, -1), range(11, -1, -1)])
def test_resolve_gives_a_range(indices):
    """One slice of contiguous frames costs nothing to keep."""
    assert isinstance(PageList((Slice("a", indices),)).resolve(TABLE), range)


@pytest.mark.parametrize(
    ("complaint", "pages"),
    [
        ("u1 holds no pages", span("u1", 0, 1)),
        ("a[11:13] lies beyond a, which holds 12 pages", span("a", 11, 13)),
        ("h1[6:4:-1] lies beyond h1, which holds 6 pages", Slice("h1", range(6, 4, -1))),
        ("h1[6:7] lies beyond h1, which holds 6 pages", Group((Slice("h1", range(6, 7)),), 2)),
        ("b holds no pages", joined([span("a", 0, 1), span("b", 0, 1)])),
    ],
)
def test_resolve_refuses(complaint, pages):
    """A name that holds no such page is refused."""
    with pytest.raises(BadInput) as caught:
        pages.resolve(TABLE)

    assert complaint == str(caught.value)


@given(PAGELISTS, st.data())
def test_prefix(pages, data):
    """A prefix is the first entries, as far as there are any."""
    length = data.draw(st.integers(0, len(pages) + 1))
    prefix = pages.prefix(length)

    assert list(pages.entries())[:length] == list(prefix.entries())
    assert written_out(prefix) == list(prefix.entries())


@pytest.mark.parametrize(
    ("text", "length"),
    [("a[0:2]", 2), ("a[0:2]*2", 4), ("a[0:2]*2 + a[0:1]", 5), ("a[0:2]*3 + b[0:1]", 7)],
)
def test_prefix_of_repeats(text, length):
    """Repeats that are whole stay repeats."""
    pages = PageList((Slice("a", range(2), 3), Slice("b", range(4))))

    assert text == str(pages.prefix(length))


def test_prefix_of_none():
    """Even no entries at all are written as a slice."""
    assert "a[0:0]" == str(
        PageList((Group((Slice("a", range(1)), Slice("b", range(1))), 2),)).prefix(0)
    )


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a[0:1]", 1),
        ("a[0:2] + b[0:1]", 3),
        ("a[0:2] + b[0:1] + a[0:2]", 5),
        ("(a[0:2] + b[0:1])*2", 6),
        ("(a[0:2] + b[0:1])*3 + a[0:1]", 10),
        ("(a[0:2] + b[0:1])*5", 15),
    ],
)
def test_prefix_of_a_group(text, length):
    """Rounds that are whole stay a group, unless there is only one."""
    group = Group((Slice("a", range(2)), Slice("b", range(1))), 5)

    assert text == str(PageList((group,)).prefix(length))


def test_names():
    """Names inside groups count as well."""
    group = Group((Slice("a", range(1)), Slice("b", range(1))), 2)

    assert {"a", "b", "h1"} == PageList((group, Slice("h1", range(1)))).names()


def test_joined():
    """Lists are put one after another, their terms as they were."""
    assert "a[0:2] + b[1:3] + a[0:2]" == str(
        joined([span("a", 0, 2), joined([span("b", 1, 3), span("a", 0, 2)])])
    )


@given(ENTRIES)
def test_from_entries(entries):
    """What is written for some entries has just those."""
    pages = from_entries(entries)

    assert entries == list(pages.entries())
    assert all(isinstance(term, Slice) for term in pages.terms)


@given(PAGELISTS.filter(len))
def test_from_entries_of_any_list(pages):
    """Written anew, a list still stands for the same."""
    assert list(pages.entries()) == list(from_entries(list(pages.entries())).entries())


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a[2:3]", "a2"),
        ("a[2:5]", "a2 a3 a4"),
        ("a[2::-1]", "a2 a1 a0"),
        ("a[2:3]*3", "a2 a2 a2"),
        ("a[0:2]*2", "a0 a1 a0 a1"),
        ("a[0:2] + b[2:3]", "a0 a1 b2"),
        ("a[0:1] + b[0:1] + a[0:1]", "a0 b0 a0"),
        ("a[0:1] + a[2:3]", "a0 a2"),
    ],
)
def test_from_entries_is_plain(text, entries):
    """Runs up or down are a slice, and repeats are counted."""
    assert text == str(from_entries([(entry[0], int(entry[1])) for entry in entries.split()]))
