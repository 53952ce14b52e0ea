# SPDX-License-Identifier: MIT

"""The steps of RDMA memory regions (drivers/infiniband/core/umem.c), one class for each call."""

from typing import Any

from attrs import frozen

from model.errors import BadInput
from model.pagelist import PageList
from model.semantics import PAGE_SIZE
from model.step import MAX_SEGMENT, Need, SgEntry, Step, Table, argument, contiguous


@frozen(kw_only=True)
class IbUmemGet(Step):
    """``ib_umem_get()``: pin in batches of 512 pages, build a scatterlist, map it for DMA.

    :param max_segment: Maximum size of a scatterlist entry, in bytes.
    :param nmap: Number of entries after the IOMMU merged some; None: it merges none; 0: DMA
        mapping fails.
    :param append_fails: Number, from 0, of the batch for whose scatterlist entries there is
        no memory; None: there is memory for all.
    """

    call = "ib_umem_get"
    binds_umem = True
    may_be_empty = True
    pins = True
    fast_path = True
    slow_path = True
    returns = "entries"

    umem: str
    pages: PageList = argument("pages")
    writable: bool = argument("bool", default=True)
    max_segment: int = argument("int", default=MAX_SEGMENT)
    nmap: int | None = argument("int", default=None)
    append_fails: int | None = argument("int", default=None)

    def fails_append(self) -> bool:
        return self.append_fails is not None

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = self.pages.resolve(table)
        return (pages, self.writable, self.max_segment, self.nmap, self.append_fails)

    def complaint(self, table: Table) -> str:
        if not PAGE_SIZE <= self.max_segment < 1 << 32:
            return f"max_segment={self.max_segment} is not in {PAGE_SIZE}..{(1 << 32) - 1}"
        for name, value in (("nmap", self.nmap), ("append_fails", self.append_fails)):
            if value is not None and value < 0:
                return f"{name}={value} is below 0"
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
        sgl = [(contiguous(e.pages.resolve(table), e.pages)[0], e.length) for e in self.sgl]
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
    """``ib_umem_release()``: dirty all pages if *dirty* and the region is writable; unpin them."""

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


REGION_STEPS: tuple[type[Step], ...] = (IbUmemGet, IbUmem, IbUmemRelease)

# For code that needs a step with a certain effect, like the names in `model.steps`.
Register = IbUmemGet
MakeRegion = IbUmem
Release = IbUmemRelease
