# SPDX-License-Identifier: MIT

from __future__ import annotations

from types import SimpleNamespace

import pytest

from model.errors import BadInput
from model.folios import UnpinFolios
from model.pagelist import joined, span
from model.regions import IbUmem, IbUmemGet, IbUmemRelease
from model.semantics import SEMANTICS
from model.step import SgEntry, Step, Table
from model.steps import (
    STEPS,
    GetUserPages,
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
    existing,
)
from model.world import AllocPages, Clean, GetPage, Map, PutPage, SetPageDirty, SplitHugePage, Unmap

#: What -14 is as an unsigned long.
EFAULT = 2**64 - 14

A = span("a", 1, 3)


@pytest.fixture
def table():
    """Eight frames from 0x10 on."""
    return Table({"a": range(0x10, 0x18)})


def test_named_as_the_kernel_names_them():
    """Each call of the kernel is a step of its name."""
    assert all(name == cls.call for name, cls in STEPS.items())
    assert {
        "pin_user_pages",
        "pin_user_pages_fast_only",
        "get_user_pages",
        "unpin_user_page",
        "unpin_user_pages",
        "unpin_user_pages_dirty_lock",
        "unpin_user_page_range_dirty_lock",
        "ib_umem_get",
        "ib_umem_release",
        "get_page",
        "put_page",
    } <= STEPS.keys()


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        ((range(0x11, 0x13), 0), PinUserPages(handle="h1", pages=A)),
        ((range(0x11, 0x13), 0), GetUserPages(handle="h1", pages=A)),
        ((range(0x11, 0x13), None, 0), PinUserPagesFastOnly(handle="h1", pages=A)),
        ((range(0x11, 0x13), 1, 0), PinUserPagesFastOnly(handle="h1", pages=A, changed=1)),
        ((0x11,), UnpinUserPage(page=span("a", 1, 2))),
        ((range(0x11, 0x13), 2), UnpinUserPages(pages=A)),
        ((range(0x11, 0x13), EFAULT), UnpinUserPages(pages=A, npages=-14)),
        ((range(0x11, 0x13), EFAULT), UnpinUserPages(pages=A, npages=EFAULT)),
        ((range(0x11, 0x13), 2, True), UnpinUserPagesDirtyLock(pages=A, make_dirty=True)),
        (
            (range(0x11, 0x13), EFAULT, False),
            UnpinUserPagesDirtyLock(pages=A, make_dirty=False, npages=-14),
        ),
        ((0x11, 2, True), UnpinUserPageRangeDirtyLock(pages=A, make_dirty=True)),
        (
            (0x11, EFAULT, False),
            UnpinUserPageRangeDirtyLock(pages=A, make_dirty=False, npages=-14),
        ),
        ((0x10, 0, True), UnpinUserPageRangeDirtyLock(pages=span("a", 3, 3), make_dirty=True)),
        (
            (range(0x11, 0x13), True, 0xFFFF_F000, None, None),
            IbUmemGet(umem="u1", pages=A),
        ),
        (
            (range(0x11, 0x13), False, 8192, 1, 0),
            IbUmemGet(umem="u1", pages=A, writable=False, max_segment=8192, nmap=1, append_fails=0),
        ),
        (
            ([(0x11, 8192), (0x17, 1)], True, 1),
            IbUmem(umem="u1", sgl=(SgEntry(A, 8192), SgEntry(span("a", 7, 8), 1)), nmap=1),
        ),
        ((range(0x11, 0x13),), Map(pages=A)),
        ((range(0x11, 0x13),), Unmap(pages=A)),
        ((range(0x11, 0x13),), SetPageDirty(pages=A)),
        ((range(0x11, 0x13),), Clean(pages=A)),
        ((range(0x11, 0x12),), SplitHugePage(pages=span("a", 1, 2))),
        ((range(0x11, 0x13), (0, 0)), AllocPages(pages=A, orders=(0, 0))),
        ((range(0x11, 0x13), 1), GetPage(pages=A)),
        ((range(0x11, 0x13), 5), PutPage(pages=A, n=5)),
    ],
    ids=lambda value: value.text() if isinstance(value, Step) else "",
)
def test_arguments(table, arguments, step):
    """The call is given frames, and numbers as wide as an unsigned long."""
    assert arguments == step.arguments(table)


@pytest.mark.parametrize(
    "step",
    [
        UnpinUserPageRangeDirtyLock(pages=joined([A, A]), make_dirty=True),
        IbUmem(umem="u1", sgl=(SgEntry(A, 8192), SgEntry(joined([A, A]), 16384))),
        AllocPages(pages=joined([A, A]), orders=(0,) * 4),
    ],
    ids=lambda step: step.call,
)
def test_ranges_only(table, step):
    """A call for a range of frames is given no other list."""
    with pytest.raises(BadInput, match="is not a range"):
        step.arguments(table)


def test_range_of_nothing(table):
    """A range of a handle that holds no pages has no first page."""
    table["h1"] = []
    with pytest.raises(BadInput, match="h1 holds no pages"):
        UnpinUserPageRangeDirtyLock(pages=span("h1", 0, 0), make_dirty=True).arguments(table)


# What a name stands for afterwards.


@pytest.mark.parametrize("cls", [PinUserPages, GetUserPages, PinUserPagesFastOnly])
@pytest.mark.parametrize(("held", "returned"), [([0x11, 0x12], 2), ([0x11], 1)])
def test_a_handle_holds_what_was_pinned(table, cls, held, returned):
    """A pin that ends early leaves a handle of the pages before."""
    step = cls(handle="h1", pages=A)

    assert returned == step.bind(table, step.arguments(table), returned)
    assert held == list(table["h1"])


@pytest.mark.parametrize("returned", [0, -14, -12])
def test_no_handle_of_no_pages(table, returned):
    """A pin of nothing leaves no handle, and gives back why."""
    step = PinUserPages(handle="h1", pages=A)

    assert returned == step.bind(table, step.arguments(table), returned)
    assert "h1" not in table


def test_a_pin_that_returns_nonsense(table):
    """What is no number is no number of pages."""
    step = PinUserPages(handle="h1", pages=A)

    assert step.bind(table, step.arguments(table), None) is None
    assert "h1" not in table


def test_unpins_return_nothing(table):
    """The calls of the unpin side are void."""
    step = UnpinUserPages(pages=A)

    assert step.bind(table, step.arguments(table), None) is None
    assert {"a", "NULL"} == table.keys()


@pytest.mark.parametrize(
    "step", [IbUmemGet(umem="u1", pages=A), IbUmem(umem="u1", sgl=(SgEntry(A, 8192),))]
)
def test_a_region(table, step):
    """A region is kept by its name; the number is that of its scatterlist's entries."""
    region = SimpleNamespace(sg_nents=3)

    assert 3 == step.bind(table, step.arguments(table), region)
    assert {"u1": region} == table.umems
    assert 2 == IbUmemRelease(umem="u1").npages_touched(table)
    assert (region, True) == IbUmemRelease(umem="u1").arguments(table)


def test_no_region(table):
    """A registration that failed leaves no region, and gives back why."""
    step = IbUmemGet(umem="u1", pages=A)

    assert -12 == step.bind(table, step.arguments(table), -12)
    assert {} == table.umems
    assert 0 == IbUmemRelease(umem="u1").npages_touched(table)


def test_a_region_is_released_once(table):
    """After its release a region is gone."""
    table.umems["u1"] = "region"
    release = IbUmemRelease(umem="u1", dirty=False)

    assert ("region", False) == release.arguments(table)
    with pytest.raises(BadInput, match=r"^u1 is not a memory region, or was released before$"):
        release.arguments(table)


@pytest.mark.parametrize(("changed", "changes"), [(None, False), (0, True)])
def test_page_table_changes(changed, changes):
    """A fast pin says whether a page table entry changes during it; another pin says never."""
    assert (
        changes is PinUserPagesFastOnly(handle="h1", pages=A, changed=changed).changes_page_table()
    )
    assert not PinUserPages(handle="h1", pages=A).changes_page_table()


def test_existing():
    """Of several calls those are taken that a version has; all, if it has none."""
    before, after = SEMANTICS["5.13"], SEMANTICS["6.12"]

    assert [UnpinUserPages] == existing([UnpinUserPages, UnpinFolios], before)
    assert [UnpinFolios] == existing([UnpinFolios], before)
    assert [UnpinUserPages, UnpinFolios] == existing([UnpinUserPages, UnpinFolios], after)
