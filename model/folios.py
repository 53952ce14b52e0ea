# SPDX-License-Identifier: MIT

"""The steps that unpin folios, or add pins to them, one class for each call (mm/gup.c, 6.12).

A step names a folio by any of its pages; candidates get the folio, which is its head.
"""

from typing import Any

from attrs import frozen

from model.pagelist import PageList
from model.step import MIN_ERRNO, ULONG_VALUES, Need, Step, Table, argument
from model.unpin import UnpinMany, passed


@frozen(kw_only=True)
class _OneFolio(Step):
    takes_folios = True
    optional = True
    takes_one_page = True
    only_with = "folio_calls"
    needs = Need.PINS
    names_few = True
    draw_weight = 4

    page: PageList = argument("pages")

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.page.resolve(table)[0],)


class UnpinFolio(_OneFolio):
    """``unpin_folio()``: drops one pin."""

    call = "unpin_folio"
    unpins = True


@frozen(kw_only=True)
class UnpinUserFolio(UnpinFolio):
    """``unpin_user_folio()``: drops *n* pins, its argument *npages*; it takes -errno for one."""

    call = "unpin_user_folio"

    n: int = argument("int", default=1)

    @property
    def npages_visited(self) -> int:
        return max(1, self.n)

    def complaint(self, table: Table) -> str:
        if MIN_ERRNO <= self.n < 1 << 31:
            return ""
        return f"n={self.n} is neither in 0..{(1 << 31) - 1} nor -errno"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (*super().arguments(table), self.n % ULONG_VALUES)


@frozen(kw_only=True)
class UnpinFolios(UnpinMany):
    """``unpin_folios()``; *npages* as in `model.steps.UnpinUserPages`, its argument *nfolios*."""

    call = "unpin_folios"
    takes_array = True
    takes_folios = True
    optional = True
    skips_null = True
    only_with = "folio_calls"
    draw_weight = 6

    pages: PageList = argument("pages")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        folios = self.pages.resolve(table)
        return (folios, passed(folios, self.npages))


class FolioAddPin(_OneFolio):
    """``folio_add_pin()``: takes one more pin of a folio that is pinned; it never fails."""

    call = "folio_add_pin"
    pins = True


@frozen(kw_only=True)
class FolioAddPins(FolioAddPin):
    """``folio_add_pins()``: takes *n* more pins, its argument *pins*; returns 0 or -errno."""

    call = "folio_add_pins"
    only_with = "adds_pins"
    returns = "error"

    n: int = argument("int", default=1)

    @property
    def npages_visited(self) -> int:
        return max(1, self.n)

    def complaint(self, table: Table) -> str:
        return "" if 0 <= self.n < 1 << 31 else f"n={self.n} is not in 0..{(1 << 31) - 1}"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (*super().arguments(table), self.n)


FOLIO_STEPS: tuple[type[Step], ...] = (
    UnpinFolio,
    UnpinFolios,
    UnpinUserFolio,
    FolioAddPin,
    FolioAddPins,
)
