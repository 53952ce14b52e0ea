# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.pagelist import Slice, joined, span
from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.step import SgEntry, Step, Table, contiguous
from model.steps import PinUserPages, PinUserPagesFastOnly, UnpinUserPages, UnpinUserPagesDirtyLock
from model.world import AllocPages, GetPage

A, H = span("a", 0, 2), span("h1", 1, 3)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("h1 = pin_user_pages(a[0:2])", PinUserPages(handle="h1", pages=A)),
        (
            "h1 = pin_user_pages(a[0:2], FOLL_WRITE | FOLL_LONGTERM)",
            PinUserPages(handle="h1", pages=A, flags=("FOLL_WRITE", "FOLL_LONGTERM")),
        ),
        (
            "h1 = pin_user_pages_fast_only(a[0:2], FOLL_WRITE, changed=0)",
            PinUserPagesFastOnly(handle="h1", pages=A, flags=("FOLL_WRITE",), changed=0),
        ),
        ("unpin_user_pages(h1[1:3])", UnpinUserPages(pages=H)),
        ("unpin_user_pages(h1[1:3], npages=-14)", UnpinUserPages(pages=H, npages=-14)),
        (
            "unpin_user_pages_dirty_lock(h1[1:3], make_dirty=False)",
            UnpinUserPagesDirtyLock(pages=H, make_dirty=False),
        ),
        ("u1 = ib_umem_get(a[0:2])", IbUmemGet(umem="u1", pages=A)),
        (
            "u1 = ib_umem_get(a[0:2], writable=False, max_segment=8192, nmap=0, append_fails=0)",
            IbUmemGet(umem="u1", pages=A, writable=False, max_segment=8192, nmap=0, append_fails=0),
        ),
        (
            "u1 = ib_umem(sg(a[0:2], 8192) + sg(h1[1:3], 4097), nmap=1)",
            IbUmem(umem="u1", sgl=(SgEntry(A, 8192), SgEntry(H, 4097)), nmap=1),
        ),
        ("ib_umem_release(u1)", IbUmemRelease(umem="u1")),
        ("ib_umem_release(u1, dirty=False)", IbUmemRelease(umem="u1", dirty=False)),
        ("alloc_pages(a[0:2], orders=[0, 0])", AllocPages(pages=A, orders=(0, 0))),
        ("get_page(a[0:2])", GetPage(pages=A)),
        ("get_page(a[0:2], n=2, cpu=3)", GetPage(pages=A, n=2, cpu=3)),
    ],
)
def test_text(text, step):
    """A step is written as the call, without what goes without saying."""
    assert text == step.text()


def test_lists():
    """A scatterlist names the pages of each of its entries."""
    step = IbUmem(umem="u1", sgl=(SgEntry(A, 8192), SgEntry(H, 4097), SgEntry(A, 8192)))

    assert [A, H, A] == list(step.lists())
    assert 6 == step.npages_named == step.npages_touched(Table({}))
    assert {"a", "h1"} == step.uses()


def test_repeats_are_named_again():
    """A page that stands in a list three times is named as often."""
    assert 6 == UnpinUserPages(pages=joined([A, A, A])).npages_named


def test_uses_a_region():
    """A release uses the region by its name, and no pages."""
    step = IbUmemRelease(umem="u1")

    assert {"u1"} == step.uses()
    assert 0 == step.npages_named


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("h1", PinUserPages(handle="h1", pages=A)),
        ("u1", IbUmemGet(umem="u1", pages=A)),
        ("", UnpinUserPages(pages=H)),
        ("", IbUmemRelease(umem="u1")),
    ],
)
def test_makes(name, step):
    """A pin makes a handle, a registration a region, all else nothing."""
    assert name == step.makes


def test_every_step_says_what_it_asks_for():
    """A new kind of step must say what its call is given."""
    with pytest.raises(NotImplementedError):
        Step().arguments(Table({}))


@pytest.mark.parametrize(
    "frames", [[], [5], range(5, 8), range(0), range(5, 4, -1), range(5, 9, 4), [5, 6, 7]]
)
def test_contiguous(frames):
    """Frames that follow each other are a range, and so is a frame alone."""
    assert frames == contiguous(frames, A)


@pytest.mark.parametrize("frames", [range(5, 3, -1), range(5, 9, 2), [5, 7], [6, 5], [5, 5]])
def test_not_contiguous(frames):
    """Frames that fall, repeat or leave a gap are none."""
    with pytest.raises(BadInput, match=r"^a\[0:2\] is not a range: its frames are not contiguous$"):
        contiguous(frames, A)


def test_table():
    """A table begins without regions, and does not change what it was made from."""
    pages = {"a": range(2)}
    table = Table(pages)
    table["h1"] = [1]

    assert {"a": range(2)} == pages
    assert {} == table.umems
    assert [1, 1] == list(Slice("h1", range(1), 2).resolve(table))
