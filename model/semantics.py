# SPDX-License-Identifier: MIT

"""How kernel versions count pins, one row of data for each version.

A new version is a new row here. Other code reads fields of the row and compares no versions. All
models read them, so only a kernel contradicts a wrong one: tests/facts.py records what it shows.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from model.errors import BadInput

#: ``GUP_PIN_COUNTING_BIAS`` (include/linux/mm.h): the number that one pin adds to the
#: refcount of a page without a pincount of its own.
BIAS = 1024

#: Bytes of a page.
PAGE_SIZE = 4096

#: The highest order of any compound page: 1 GiB in pages of 4 KiB.
MAX_ORDER = 18

#: A PMD maps 2^9 pages and a PUD 2^18, if they are those of one compound page, in order, from an
#: aligned page at an aligned address on. The fast path grabs all that are listed of an entry with
#: one addition. A PTE maps one page.
PMD_ORDER = 9
PUD_ORDER = 2 * PMD_ORDER

#: Number of frames in a section of the classic memory model, as the shim of compiled kernel
#: trees has it (model/kernel/source/shim/headcount.h).
SECTION = 1 << 10


@frozen
class Semantics:
    """How one kernel version counts pins.

    :param version: The version as traces write it.
    :param orders: The orders that each kind of mapping may have.
    :param exact_order: The lowest order of compound pages with a pincount of their own
        (``hpage_pincount_available()``: order > 1, because the counter was in the third
        ``struct page``, 47e29d32afba; from 5.18 order >= 1, 5232c63f46fd; on 32 bits from 6.15
        order > 1 again, as the second ``struct page`` has no room for it). At lower orders each
        pin adds `BIAS` to the refcount.
    :param batched: Whether unpin calls drop the pins of a run in one put (since the series,
        5.13), not each pin in a put of its own.
    :param zero_skipped: Whether to pin or unpin the zero page changes no count
        (c8070b787519, 6.5 and 6.1-stable).
    :param null_skipped: Whether ``unpin_user_pages()`` skips NULL entries (a1268be280d8,
        6.13 and 6.12-stable).
    :param folio_calls: Whether ``unpin_folio()``, ``unpin_folios()``, ``unpin_user_folio()`` and
        ``folio_add_pin()`` exist (6.12.117 has all, 6.1.192 none).
    :param adds_pins: Whether ``folio_add_pins()`` exists (6.18.33 has it, 6.12.117 does not).
    :param left_to_slow_path: Kind and order of pages that GUP-fast pins, unpins again and leaves
        to the slow path, because they have no address space and might be secret memory
        (gup_fast_folio_allowed(), 6.10 to 7.2).
    :param in_section: Whether the struct pages of a range, and of a compound page, must be
        contiguous also without VMEMMAP, so that they lie in one section (``nth_page()`` is gone
        and ``MAX_FOLIO_ORDER`` has that limit, 6.18).
    :param reads_apart: Whether GUP-fast grabs pages that are not anonymous and not writable, and
        leaves them again, if it is to pin them for reading and for a long term: they may be of a
        private mapping, which needs a copy (84209e87c696, 6.2).
    :param grabs_movable: Whether GUP-fast takes references on a page before it looks whether a
        long-term pin may keep it where it is, and so warns if it cannot take any (6.12.117 does,
        6.1.192 looks first).
    :param lacks: Attributes of mappings and kinds of races that do not exist: exclusive anonymous
        pages came with 5.19 (6c287605fd56), migration out of ZONE_MOVABLE with 5.13 (d1e153fea2a8),
        GUP-fast looks at the PMD once more from 6.1 on (70cbc3cc78a9), and at the head once more
        after its grab from 5.14 on (c24d37322548). No walk takes references on a device from 6.18
        on (6.12.117 does).
    :param tail_mask: Whether, under HVO, a tail holds a mask that makes the head's address of its
        own, and not the head's address (``compound_info``, 7.1).
    """

    version: str
    orders: Mapping[str, frozenset[int]]
    exact_order: int = 1
    batched: bool = True
    zero_skipped: bool = False
    null_skipped: bool = False
    folio_calls: bool = False
    adds_pins: bool = False
    left_to_slow_path: frozenset[tuple[str, int]] = frozenset()
    in_section: bool = False
    tail_mask: bool = False
    reads_apart: bool = False
    grabs_movable: bool = False
    lacks: frozenset[str] = frozenset()

    def exact(self, order: int) -> bool:
        """Whether a compound page of *order* has a pincount of its own."""
        return order >= self.exact_order

    def uncounted(self, kind: str) -> bool:
        """Whether pins of pages of *kind* change no count."""
        return kind == "zero" and self.zero_skipped


# Compound pages come from the buddy allocator (orders 0 to 10), or are huge pages, whose
# orders depend on the architecture: 9 and 18 on x86-64, also 4 and 13 on arm64, 2, 7 and
# 11 on powerpc 8xx, 10, 12, 14 and 16 on e500. Before large folios (5.18) the page cache
# has orders 0 and 9 only, and before 8897277acfef (6.9) not order 1; before c4386bd8ee3a (5.17)
# device-dax has single pages only.
_ORDERS_BEFORE_FOLIOS = MappingProxyType(
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

_ORDERS_OF_FOLIOS = MappingProxyType(
    _ORDERS_BEFORE_FOLIOS
    | {"page-cache": frozenset(range(10)) - {1}, "device-dax": frozenset({0, 9, 18})}
)

# Anonymous folios can have orders 2 to 8 since 19eaf44954df (6.8).
_ORDERS_OF_LARGE_FOLIOS = MappingProxyType(
    _ORDERS_OF_FOLIOS | {"page-cache": frozenset(range(10)), "thp": frozenset(range(2, 10))}
)

#: What versions before 6.1 lack.
_LACKED = frozenset({"shared", "collapse"})
_LACKED_BY_5_11 = _LACKED | {"movable", "split"}

KINDS = tuple(_ORDERS_BEFORE_FOLIOS)

#: The kinds of anonymous pages.
ANONYMOUS = ("base", "thp")

_6_12 = Semantics(
    "6.12",
    orders=_ORDERS_OF_LARGE_FOLIOS,
    zero_skipped=True,
    null_skipped=True,
    folio_calls=True,
    reads_apart=True,
    grabs_movable=True,
    left_to_slow_path=frozenset({("driver", 0)}),
)
_6_18 = evolve(_6_12, version="6.18", adds_pins=True, in_section=True, lacks=frozenset({"gone"}))

SEMANTICS: Mapping[str, Semantics] = MappingProxyType(
    {
        row.version: row
        for row in (
            Semantics(
                "5.11",
                orders=_ORDERS_BEFORE_FOLIOS,
                exact_order=2,
                batched=False,
                lacks=_LACKED_BY_5_11,
            ),
            Semantics("5.13", orders=_ORDERS_BEFORE_FOLIOS, exact_order=2, lacks=_LACKED),
            Semantics("5.18", orders=_ORDERS_OF_FOLIOS, lacks=_LACKED),
            Semantics("6.1", orders=_ORDERS_OF_FOLIOS, zero_skipped=True),
            _6_12,
            # On 32 bits, to the present. in_section holds from 6.18 on.
            evolve(_6_18, version="6.15-32", exact_order=2),
            _6_18,
            evolve(_6_18, version="7.1", tail_mask=True),
            evolve(_6_18, version="7.3", tail_mask=True, left_to_slow_path=frozenset()),
        )
    }
)

#: The semantics used if none are given: those of the first version with the series.
DEFAULT = SEMANTICS["5.13"]


def semantics(version: str) -> Semantics:
    """The `Semantics` of kernel *version*, or BadInput if `SEMANTICS` does not have it."""
    try:
        return SEMANTICS[version]
    except KeyError:
        known = ", ".join(SEMANTICS)
        raise BadInput(f"semantics {version!r} are not known; known are {known}") from None
