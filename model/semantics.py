# SPDX-License-Identifier: MIT

"""What differs between kernel versions, as data.

A new version is a new row here. Code asks a row, never a version number.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import frozen

from model.errors import BadInput


if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``GUP_PIN_COUNTING_BIAS`` (include/linux/mm.h): what one pin adds to the
#: refcount of a page that has no pin count of its own.
BIAS = 1024

PAGE_SIZE = 4096

#: The largest order anywhere: 1 GiB in pages of 4 KiB.
MAX_ORDER = 18

#: A compound page of at least this order is mapped by one entry of the page
#: table (a PMD, or a PUD), so that the fast path grabs it in one go.
PMD_ORDER = 9


@frozen
class Semantics:
    """How one kernel version counts.

    :param version: The name, as a trace writes it.
    :param exact_order: The lowest order whose pins have a counter of their
        own (``hpage_pincount_available``: order > 1, because the counter sat
        in the third ``struct page``, 47e29d32afba; from 5.18 order >= 1,
        5232c63f46fd). Below it each pin adds `BIAS` to the refcount.
    :param batched: Whether an unpin drops a run of pages of one head in one
        put (the series, 5.13) or each page in its own (before).
    :param absent: Calls this version does not have yet.
    :param orders: The orders that each kind of mapping may have.
    :param zero_skipped: Whether pins of the zero page are taken for nothing:
        neither counted nor given back (c8070b787519, 6.5 and 6.1-stable).
    :param null_skipped: Whether ``unpin_user_pages()`` steps over entries that
        are NULL (a1268be280d8, 6.13 and 6.12-stable).
    """

    version: str
    exact_order: int
    batched: bool
    absent: frozenset[str]
    orders: Mapping[str, frozenset[int]]
    zero_skipped: bool = False
    null_skipped: bool = False

    def exact(self, order: int) -> bool:
        """Whether pins of a compound page of *order* are counted exactly."""
        return order >= self.exact_order

    def uncounted(self, kind: str) -> bool:
        """Whether pins of pages of *kind* are taken for nothing."""
        return kind == "zero" and self.zero_skipped

    def lacks(self, call: str) -> bool:
        """Whether this version has no *call* at all."""
        return call in self.absent


# Compound pages come from the buddy allocator (orders below MAX_ORDER = 11),
# or are huge pages, whose sizes are the architecture's: 9 and 18 on x86-64,
# also 4 and 13 on arm64, 2, 7 and 11 on powerpc 8xx, 10, 12, 14, 16 on e500.
# Page cache of other orders than 0 and 9 came with large folios (5.18), and
# compound device-dax with c4386bd8ee3a (5.17): before, all its pages are single.
_ORDERS_BEFORE_FOLIOS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "base": frozenset({0}),
        "thp": frozenset({9}),
        "hugetlb": frozenset(range(1, 19)),
        "page-cache": frozenset({0, 9}),
        "device-dax": frozenset({0}),
        "driver": frozenset(range(11)),
        "zero": frozenset({0}),
    }
)

_ORDERS_OF_FOLIOS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        **_ORDERS_BEFORE_FOLIOS,
        "page-cache": frozenset(range(10)),
        "device-dax": frozenset({0, 9, 18}),
    }
)

# Anonymous memory in folios of other orders than 9: 19eaf44954df (6.8).
_ORDERS_OF_LARGE_FOLIOS: Mapping[str, frozenset[int]] = MappingProxyType(
    {**_ORDERS_OF_FOLIOS, "thp": frozenset(range(2, 10))}
)

KINDS = tuple(_ORDERS_BEFORE_FOLIOS)

SEMANTICS: Mapping[str, Semantics] = MappingProxyType(
    {
        row.version: row
        for row in (
            Semantics(
                "5.11",
                exact_order=2,
                batched=False,
                absent=frozenset({"unpin_user_page_range_dirty_lock"}),
                orders=_ORDERS_BEFORE_FOLIOS,
            ),
            Semantics(
                "5.13",
                exact_order=2,
                batched=True,
                absent=frozenset(),
                orders=_ORDERS_BEFORE_FOLIOS,
            ),
            Semantics(
                "5.18",
                exact_order=1,
                batched=True,
                absent=frozenset(),
                orders=_ORDERS_OF_FOLIOS,
            ),
            Semantics(
                "6.1",
                exact_order=1,
                batched=True,
                absent=frozenset(),
                orders=_ORDERS_OF_FOLIOS,
                zero_skipped=True,
            ),
            Semantics(
                "6.12",
                exact_order=1,
                batched=True,
                absent=frozenset(),
                orders=_ORDERS_OF_LARGE_FOLIOS,
                zero_skipped=True,
                null_skipped=True,
            ),
        )
    }
)

#: The series as it was merged.
DEFAULT = SEMANTICS["5.13"]


def semantics(version: str) -> Semantics:
    """The row of *version*.

    :raises BadInput: if there is none.
    """
    try:
        return SEMANTICS[version]
    except KeyError:
        known = ", ".join(SEMANTICS)
        msg = f"semantics {version!r} are not known; known are {known}"
        raise BadInput(msg) from None
