# SPDX-License-Identifier: MIT

"""The base class of the steps that unpin several pages, and the number of pages that they pass."""

from collections.abc import Sequence

from model.step import MIN_ERR_VALUE, ULONG_VALUES, Need, Step, Table


def passed(pages: Sequence[int], npages: int | None) -> int:
    """The argument ``unsigned long npages``: *npages*, or the number of *pages* if None."""
    return len(pages) if npages is None else npages % ULONG_VALUES


class UnpinMany(Step):
    """A call that unpins several pages, to which -errno can be passed instead of their number."""

    __slots__ = ()
    unpins = True
    may_be_empty = True
    needs = Need.PINS
    npages: int | None

    def complaint(self, table: Table) -> str:
        """An error message if *npages* is neither None nor an ``IS_ERR_VALUE()``, else empty."""
        if self.npages is None or self.npages % ULONG_VALUES >= MIN_ERR_VALUE:
            return ""
        return f"npages={self.npages} is not -errno; leave it out for the whole list"
