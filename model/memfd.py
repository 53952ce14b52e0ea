# SPDX-License-Identifier: MIT

"""The step that pins the folios of a file in memory (mm/gup.c and mm/memfd.c, 6.12)."""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from model.pagelist import PageList
from model.step import Need, Step, Table, argument, contiguous

#: Kinds of mappings that are of a file in memory: shmem, and hugetlbfs.
FILE_KINDS = ("page-cache", "hugetlb")


@frozen(kw_only=True)
class MemfdPinFolios(Step):
    """``memfd_pin_folios()``: pins each folio of a range of a file once, and for a long term.

    The file's index of a page is its frame. What is not present is not in the page cache yet.
    Returns the number of folios, which are what the handle holds, or -errno.

    :param max_folios: How many folios there is room for; None: as many as there are pages.
    """

    call = "memfd_pin_folios"
    binds_handle = True
    holds_folios = True
    optional = True
    pins = True
    only_with = "folio_calls"
    returns = "pages"
    needs = Need.FILE
    names_few = True
    draw_weight = 4

    handle: str
    pages: PageList = argument("pages")
    max_folios: int | None = argument("int", default=None)

    def complaint(self, table: Table) -> str:
        if self.max_folios is None or 0 <= self.max_folios < 1 << 32:
            return ""
        return f"max_folios={self.max_folios} is not in 0..{(1 << 32) - 1}"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = contiguous(self.pages.resolve(table), self.pages)
        return (pages[0], len(pages), self.most(len(pages)))

    def most(self, npages: int) -> int:
        """The number of folios that there is room for, if *npages* are named."""
        return npages if self.max_folios is None else self.max_folios

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        if not isinstance(outcome, Sequence):
            return super().bind(table, arguments, outcome)
        if outcome:
            table[self.handle] = outcome
        return len(outcome)


FILE_STEPS: tuple[type[Step], ...] = (MemfdPinFolios,)
