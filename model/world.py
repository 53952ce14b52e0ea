# SPDX-License-Identifier: MIT

"""The steps of kernel code outside of GUP and regions, one class for each call."""

from typing import Any

from attrs import frozen

from model.mapping import side_by_side
from model.pagelist import PageList
from model.semantics import MAX_ORDER
from model.step import Need, Step, Table, argument, contiguous


@frozen(kw_only=True)
class _World(Step):
    names_few = True

    pages: PageList = argument("pages")

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table),)


class Map(_World):
    """Maps each named compound page once more, which adds one reference."""

    call = "map"
    unordered = True


class Unmap(_World):
    """Unmaps each named compound page once and drops that mapping's reference."""

    call = "unmap"
    enumerated = True
    unordered = True
    undoes = Map.call


class SetPageDirty(_World):
    """Sets the dirty flag of each named compound page, as a write through a mapping does."""

    call = "set_page_dirty"
    enumerated = True
    unordered = True
    needs = Need.PINS


class Clean(_World):
    """Clears the dirty flag of each named compound page, as writeback does."""

    call = "clean"
    unordered = True
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
    draw_weight = 6

    def orders_made(self) -> tuple[int, ...]:
        return (0,)


@frozen(kw_only=True)
class AllocPages(_World):
    """Allocates and maps free frames again, as compound pages of *orders*."""

    call = "alloc_pages"
    regroups = True
    needs = Need.FREE

    orders: tuple[int, ...] = argument("orders")

    def orders_made(self) -> tuple[int, ...]:
        return self.orders

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (contiguous(self.pages.resolve(table), self.pages), self.orders)

    def complaint(self, table: Table) -> str:
        pages, _ = self.arguments(table)
        shown = f"orders={list(self.orders)[:8]}"
        if any(not 0 <= order <= MAX_ORDER for order in self.orders):
            return f"{shown}: an order is not in 0..{MAX_ORDER}"
        if sum(1 << order for order in self.orders) != len(pages):
            return f"{shown} do not fill the {len(pages)} pages"
        # The orders fill as many pages as listed; if alignment leaves a gap, they end later.
        if side_by_side(self.orders, pages[0])[-1].stop != pages[-1] + 1:
            return f"{shown} do not fill {self.pages} naturally aligned"
        return ""


@frozen(kw_only=True)
class GetPage(_World):
    """``get_page()``, *n* times on each named page."""

    call = "get_page"
    gets = True
    unordered = True
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


WORLD_STEPS: tuple[type[Step], ...] = (
    SetPageDirty,
    Clean,
    Map,
    Unmap,
    SplitHugePage,
    AllocPages,
    GetPage,
    PutPage,
)

# For code that needs a step with a certain effect, like the names in `model.steps`.
TakeReferences = GetPage
DropReferences = PutPage
