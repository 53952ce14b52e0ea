# SPDX-License-Identifier: MIT

"""The steps, one class for each call. Kernel functions keep their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from model.errors import BadInput
from model.mapping import side_by_side
from model.pagelist import PageList  # noqa: TC001 - attrs reads the annotations
from model.semantics import MAX_ORDER, PAGE_SIZE
from model.step import (
    MAX_SEGMENT,
    MIN_ERRNO,
    ULONG_VALUES,
    Need,
    SgEntry,
    Step,
    Table,
    argument,
    contiguous,
)


if TYPE_CHECKING:
    from collections.abc import Sequence


def _npages(pages: Sequence[int], npages: int | None) -> int:
    """The argument ``unsigned long npages``: *npages*, or the number of *pages* if None."""
    return len(pages) if npages is None else npages % ULONG_VALUES


# Pinning.


@frozen(kw_only=True)
class _Pin(Step):
    binds_handle = True
    one_walk = True
    returns = "pages"

    handle: str
    pages: PageList = argument("pages")
    flags: tuple[str, ...] = argument("flags", default=())

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table),)

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        if isinstance(outcome, int) and outcome > 0:
            table[self.handle] = arguments[0][:outcome]
        return super().bind(table, arguments, outcome)


class PinUserPages(_Pin):
    """``pin_user_pages()``: returns the number of pages pinned, or -errno if none."""

    call = "pin_user_pages"
    enumerated = True
    pins = True
    slow_path = True


class GetUserPages(_Pin):
    """``get_user_pages()``: returns the number of pages referenced, or -errno if none."""

    call = "get_user_pages"
    gets = True
    slow_path = True


@frozen(kw_only=True)
class PinUserPagesFastOnly(_Pin):
    """``pin_user_pages_fast_only()``: returns the number of pages pinned, possibly 0.

    :param changed: Position of a page whose page table entry changes after its pages are
        grabbed: all pages of that entry are released, and the walk ends there.
    """

    call = "pin_user_pages_fast_only"
    pins = True
    position = "changed"

    changed: int | None = argument("int", default=None)

    def changes_page_table(self) -> bool:
        return self.changed is not None

    def complaint(self, table: Table) -> str:
        if self.changed is None or 0 <= self.changed < len(self.pages):
            return ""
        return f"changed={self.changed} is not a position in the list"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table), self.changed)


# Unpinning.


@frozen(kw_only=True)
class UnpinUserPage(Step):
    """``unpin_user_page()`` of one page."""

    call = "unpin_user_page"
    enumerated = True
    unpins = True
    takes_one_page = True
    undoes = PinUserPages.call
    needs = Need.PINS
    names_few = True
    draw_weight = 6

    page: PageList = argument("pages")

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.page.resolve(table)[0],)


class _UnpinMany(Step):
    __slots__ = ()
    unpins = True
    may_be_empty = True
    needs = Need.PINS
    npages: int | None

    def complaint(self, table: Table) -> str:
        """Why *npages* is invalid: it must be None or an ``IS_ERR_VALUE()``."""
        if self.npages is None or self.npages % ULONG_VALUES >= ULONG_VALUES + MIN_ERRNO:
            return ""
        return f"npages={self.npages} is not -errno; leave it out for the whole list"


@frozen(kw_only=True)
class UnpinUserPages(_UnpinMany):
    """``unpin_user_pages()``.

    :param npages: A -errno in the place of the number of pages, as from a failed pin.
    """

    call = "unpin_user_pages"
    enumerated = True
    takes_array = True
    undoes = PinUserPages.call

    pages: PageList = argument("pages")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = self.pages.resolve(table)
        return (pages, _npages(pages, self.npages))


@frozen(kw_only=True)
class UnpinUserPagesDirtyLock(_UnpinMany):
    """``unpin_user_pages_dirty_lock()``."""

    call = "unpin_user_pages_dirty_lock"
    enumerated = True
    asks_dirty = True
    takes_array = True
    undoes = PinUserPages.call

    pages: PageList = argument("pages")
    make_dirty: bool = argument("bool")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = self.pages.resolve(table)
        return (pages, _npages(pages, self.npages), self.make_dirty)


@frozen(kw_only=True)
class UnpinUserPageRangeDirtyLock(_UnpinMany):
    """``unpin_user_page_range_dirty_lock()`` (5.13) of contiguous *pages*."""

    call = "unpin_user_page_range_dirty_lock"
    enumerated = True
    asks_dirty = True
    takes_range = True
    batched_only = True

    pages: PageList = argument("pages")
    make_dirty: bool = argument("bool")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = contiguous(self.pages.resolve(table), self.pages)
        return (pages[0] if pages else 0, _npages(pages, self.npages), self.make_dirty)


# RDMA memory regions (drivers/infiniband/core/umem.c).


@frozen(kw_only=True)
class IbUmemGet(Step):
    """``ib_umem_get()``: pin in batches of 512, build a scatterlist, map it for DMA.

    :param max_segment: Maximum size of a scatterlist entry, in bytes.
    :param nmap: Number of entries after the IOMMU merged some; None: all; 0: mapping fails.
    :param append_fails: The batch, from 0, that finds no memory for its scatterlist
        entries; None: no batch.
    """

    call = "ib_umem_get"
    binds_umem = True
    pins = True
    slow_path = True
    returns = "entries"

    umem: str
    pages: PageList = argument("pages")
    writable: bool = argument("bool", default=True)
    max_segment: int = argument("int", default=MAX_SEGMENT)
    nmap: int | None = argument("int", default=None)
    append_fails: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = self.pages.resolve(table)
        return (pages, self.writable, self.max_segment, self.nmap, self.append_fails)

    def complaint(self, table: Table) -> str:
        if not PAGE_SIZE <= self.max_segment < 1 << 32:
            return f"max_segment={self.max_segment} is not in {PAGE_SIZE}..{(1 << 32) - 1}"
        if self.nmap is not None and self.nmap < 0:
            return f"nmap={self.nmap} is below 0"
        if self.append_fails is not None and self.append_fails < 0:
            return f"append_fails={self.append_fails} is below 0"
        return ""

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        if isinstance(outcome, int):
            return outcome
        table.umems[self.umem] = outcome
        table.sizes[self.umem] = len(arguments[0])
        return int(outcome.sg_nents)


@frozen(kw_only=True)
class IbUmem(Step):
    """Makes a region of pages that are pinned already, with the scatterlist *sgl*."""

    call = "ib_umem"
    binds_umem = True
    returns = "entries"
    needs = Need.PINS

    umem: str
    sgl: tuple[SgEntry, ...] = argument("sgl")
    writable: bool = argument("bool", default=True)
    nmap: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        sgl = [
            (contiguous(entry.pages.resolve(table), entry.pages)[0], entry.length)
            for entry in self.sgl
        ]
        return (sgl, self.writable, self.nmap)

    def complaint(self, table: Table) -> str:
        for entry in self.sgl:
            needed = -(-entry.length // PAGE_SIZE)
            if needed != len(entry.pages) or needed < 1:
                return f"{entry}: {entry.length} bytes are {needed} pages, not {len(entry.pages)}"
        if self.nmap is not None and not 0 <= self.nmap <= len(self.sgl):
            return f"nmap={self.nmap} is not in 0..{len(self.sgl)}, the number of entries"
        return ""

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        table.umems[self.umem] = outcome
        table.sizes[self.umem] = self.npages_named
        return int(outcome.sg_nents)


@frozen(kw_only=True)
class IbUmemRelease(Step):
    """``ib_umem_release()``: unpin all pages, dirty them first if writable and *dirty*."""

    call = "ib_umem_release"
    releases_umem = True
    unpins = True
    asks_dirty = True
    needs = Need.REGION

    umem: str = argument("umem")
    dirty: bool = argument("bool", default=True)

    def npages_touched(self, table: Table) -> int:
        return table.sizes.get(self.umem, 0)

    def uses(self) -> set[str]:
        return {self.umem}

    def arguments(self, table: Table) -> tuple[Any, ...]:
        try:
            return (table.umems.pop(self.umem), self.dirty)
        except KeyError:
            raise BadInput(f"{self.umem} is not a memory region, or was released before") from None


# World steps.


@frozen(kw_only=True)
class _World(Step):
    pages: PageList = argument("pages")

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table),)


class Map(_World):
    """Maps each named compound page once more, with one more reference."""

    call = "map"
    unordered = True
    names_few = True


class Unmap(_World):
    """Unmaps each named compound page once and drops that mapping's reference."""

    call = "unmap"
    enumerated = True
    unordered = True
    names_few = True
    undoes = Map.call


class SetPageDirty(_World):
    """Dirties each named compound page, as a write through a mapping does."""

    call = "set_page_dirty"
    enumerated = True
    unordered = True
    names_few = True
    needs = Need.PINS


class Clean(_World):
    """Cleans each named compound page, as writeback does."""

    call = "clean"
    unordered = True
    names_few = True
    undoes = SetPageDirty.call
    needs = Need.PINS


class SplitHugePage(_World):
    """``split_huge_page()``: returns 0, or -EBUSY if references besides mappings exist."""

    call = "split_huge_page"
    #: Kinds of mappings whose compound pages can be split.
    kinds = frozenset({"thp", "page-cache"})
    takes_one_page = True
    returns = "error"
    regroups = True
    needs = Need.SPLITTABLE
    names_few = True
    draw_weight = 6

    def orders_made(self) -> tuple[int, ...]:
        return (0,)


@frozen(kw_only=True)
class AllocPages(_World):
    """Allocates and maps free frames again, as compound pages of *orders*."""

    call = "alloc_pages"
    regroups = True
    needs = Need.FREE
    names_few = True

    orders: tuple[int, ...] = argument("orders")

    def orders_made(self) -> tuple[int, ...]:
        return self.orders

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (contiguous(self.pages.resolve(table), self.pages), self.orders)

    def complaint(self, table: Table) -> str:
        pages = contiguous(self.pages.resolve(table), self.pages)
        shown = f"orders={list(self.orders)[:8]}"
        if any(not 0 <= order <= MAX_ORDER for order in self.orders):
            return f"{shown}: an order is not in 0..{MAX_ORDER}"
        if sum(1 << order for order in self.orders) != len(pages):
            return f"{shown} do not fill the {len(pages)} pages"
        extents = side_by_side(self.orders, pages[0])
        at = [e.pfn for e in extents] + [extents[-1].stop]
        if (
            at[0] != pages[0]
            or at[-1] != pages[-1] + 1
            or any(e.stop != after for e, after in zip(extents, at[1:], strict=True))
        ):
            return f"{shown} do not fill {self.pages} naturally aligned"
        return ""


@frozen(kw_only=True)
class GetPage(_World):
    """``get_page()``, *n* times on each named page."""

    call = "get_page"
    gets = True
    unordered = True
    names_few = True
    draw_weight = 3

    n: int = argument("int", default=1)

    def complaint(self, table: Table) -> str:
        return "" if 1 <= self.n < 1 << 31 else f"n={self.n} is not in 1..{(1 << 31) - 1}"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table), self.n)


class PutPage(GetPage):
    """``put_page()``, *n* times on each named page."""

    call = "put_page"
    gets = False
    undoes = GetPage.call
    needs = Need.REFERENCES
    draw_weight = 1


#: The class of each call.
STEPS: dict[str, type[Step]] = {
    cls.call: cls
    for cls in (
        PinUserPages,
        PinUserPagesFastOnly,
        GetUserPages,
        UnpinUserPage,
        UnpinUserPages,
        UnpinUserPagesDirtyLock,
        UnpinUserPageRangeDirtyLock,
        IbUmemGet,
        IbUmem,
        IbUmemRelease,
        SetPageDirty,
        Clean,
        Map,
        Unmap,
        SplitHugePage,
        AllocPages,
        GetPage,
        PutPage,
    )
}

# Names for code that makes steps for their effect: each is the plainest call with that effect.
Pin = PinUserPages
PinFast = PinUserPagesFastOnly
Unpin = UnpinUserPages
UnpinOne = UnpinUserPage
TakeReferences = GetPage
DropReferences = PutPage
Register = IbUmemGet
MakeRegion = IbUmem
Release = IbUmemRelease
