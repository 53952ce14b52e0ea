# SPDX-License-Identifier: MIT

"""Known oddities: where released kernels are known not to count as one page at a time would.

A candidate declares its oddities. Searches skip steps that would trigger one, so that they
find what is not known yet; steps with an oddity of the statistic alone are carried out, and the
statistic is corrected. A saved trace that diverges at such a step behaves as expected until the
kernel is fixed.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from attrs import frozen

from model.attributes import PLAIN
from model.errors import BadInput
from model.page import wrapped
from model.pagelist import NULL
from model.semantics import BIAS, PMD_ORDER, SECTION
from model.step import Step
from properties.judging.ledger import Ledger
from properties.judging.pins import COUNT_LIMIT

#: The smallest number of pins whose product with the bias is no positive ``int``.
PRODUCT = COUNT_LIMIT // BIAS


class KnownOddity(BadInput):
    """A step would trigger a known oddity of the candidate."""


@frozen
class Oddity:
    """A known deviation.

    :param name: Its name in `Abilities.oddities`.
    :param story: What happens, and in which versions.
    :param meets: Whether a step would trigger the oddity, given the ledger before the step.
    :param uncounted: Whether the oddity is only that NR_FOLL_PIN_ACQUIRED lacks the step's pins.
    """

    name: str
    story: str
    meets: Callable[[Ledger, Step], bool]
    uncounted: bool = False


def _one_grab(ledger: Ledger, step: Any) -> bool:
    return step.fast_path and _grabs_past(ledger, step)


def _one_grab_slow(ledger: Ledger, step: Any) -> bool:
    if not (step.one_walk and step.slow_path):
        return False
    # Up to 6.11 this is so of hugetlb mappings alone, which a tree's shim makes of all compound
    # pages that have several entries.
    return _grabs_past(ledger, step, hugetlb=not ledger.semantics.null_skipped)


def _grabs_past(ledger: Ledger, step: Any, *, hugetlb: bool = False) -> bool:
    for head, entries in ledger.counts(step.pages.resolve(ledger.table)).items():
        count = wrapped(ledger.held(head).total)
        if count > 0 and entries > 1 and count + entries > COUNT_LIMIT:
            order = ledger.order(head)
            of_hugetlb = ledger.kind(head) == "hugetlb" or order != PMD_ORDER
            return order >= PMD_ORDER and (of_hugetlb or not hugetlb)
    return False


def _devmap_longterm(ledger: Ledger, step: Any) -> bool:
    if not (step.pins and step.fast_path):
        return False
    if not step.binds_umem and "FOLL_LONGTERM" not in step.flags:
        return False
    heads = ledger.counts(step.pages.resolve(ledger.table))
    # The slow path pins them then: a race undoes none, they count again with pages that move, and
    # neither they nor what follows is pinned in vain before.
    shown = not step.slow_path or step.changes_page_table()
    shown = shown or any(ledger.attributes(head) != PLAIN for head in heads)
    return shown and any(ledger.kind(head) == "device-dax" for head in heads)


def _hugetlb_longterm(ledger: Ledger, step: Any) -> bool:
    if not step.pins or not (step.slow_path or step.binds_umem):
        return False
    if not step.binds_umem and "FOLL_LONGTERM" not in step.flags:
        return False
    heads = ledger.counts(step.pages.resolve(ledger.table))
    return any(ledger.attributes(head).movable and ledger.kind(head) == "hugetlb" for head in heads)


def _read_only_region(ledger: Ledger, step: Any) -> bool:
    if not (step.pins and step.binds_umem) or step.writable:
        return False
    found = map(ledger.attributes, ledger.counts(step.pages.resolve(ledger.table)))
    return any(one.shared or not one.writable for one in found)


def _sections(ledger: Ledger, step: Any) -> bool:
    return any(
        pages[0] // SECTION != pages[-1] // SECTION or 1 << ledger.order(pages[0]) > SECTION
        for pages in _walked(ledger, step)
        if pages
    )


def _sections_walk(ledger: Ledger, step: Any) -> bool:
    if not step.fast_path:
        return False
    pages = step.pages.resolve(ledger.table)
    if isinstance(pages, range):
        # A section of the range is looked at by its last page.
        pages = [*pages[SECTION - 1 :: SECTION], pages[-1]] if pages else []
    return any(page - ledger.head(page) >= SECTION for page in pages)


def _walked(ledger: Ledger, step: Any) -> Iterator[Sequence[int]]:
    """Contiguous frames that *step* walks by pointer arithmetic, or may walk if its call fails."""
    if step.takes_range:
        yield step.pages.resolve(ledger.table)
    elif step.releases_umem and step.umem in ledger.umems:
        yield from ledger.umems[step.umem].entries
    elif step.binds_umem and step.pins:
        # If the call fails, it releases its scatterlist entries, each of contiguous frames.
        pages = step.pages.resolve(ledger.table)
        yield from ([a, b] for a, b in pairwise(pages) if b == a + 1)
        yield pages[:1]


def _product(ledger: Ledger, step: Any) -> bool:
    if not step.takes_array:
        return False
    pages = step.pages.resolve(ledger.table)
    return len(pages) >= PRODUCT and any(
        entries >= PRODUCT and ledger.held(head).each == BIAS
        for head, entries in ledger.runs(pages)
    )


def _null_in_run(ledger: Ledger, step: Any) -> bool:
    if not step.takes_array or step.skips_null:
        return False
    pages = step.pages.resolve(ledger.table)
    return not isinstance(pages, range) and any(b == NULL and a != NULL for a, b in pairwise(pages))


def _wrapped_put(ledger: Ledger, step: Any) -> bool:
    if step.releases_umem:
        pages = ledger.umems[step.umem].pages() if step.umem in ledger.umems else ()
    elif step.unpins or step.fast_path or (step.pins and ledger.movable):
        # A region that fails unpins what it has pinned, and so does the fast path, or a pin that
        # moves pages.
        named = step.page if step.takes_one_page else step.pages
        pages = named.resolve(ledger.table)
    else:
        return False
    if not isinstance(pages, range):
        pages = [page for page in pages if page != NULL]
    for head, entries in ledger.counts(pages).items():
        held = ledger.held(head)
        more = held.each * step.pins + step.gets
        # A page that is isolated, to be moved, has one reference more.
        if held.total + entries * more + ledger.movable >= COUNT_LIMIT:
            return True
    return False


def _uncounted_pin(_ledger: Ledger, step: Any) -> bool:
    return step.takes_folios and step.pins and not step.returns


def _zero_unpinned(ledger: Ledger, step: Any) -> bool:
    if not (step.takes_folios and step.pins and step.returns):
        return False
    held = ledger.held(ledger.head(step.page.resolve(ledger.table)[0]))
    return not held.each and 0 <= wrapped(held.total) < BIAS


def _run_of_zero(ledger: Ledger, step: Any) -> bool:
    return any(len(pages) >= 1 << 32 for pages in _walked(ledger, step))


ODDITIES = {
    oddity.name: oddity
    for oddity in (
        Oddity(
            "one-grab",
            "one grab of a huge page takes all its references, even past 2^31 (all versions)",
            _one_grab,
        ),
        Oddity(
            "one-grab-slow",
            "on the slow path, one grab takes all pages of a page table entry, even past 2^31 "
            "(hugetlb pages up to 6.11, all huge pages from 6.12 on)",
            _one_grab_slow,
        ),
        Oddity(
            "devmap-longterm",
            "GUP-fast leaves a device's pages to the slow path if the pin is a long-term "
            "one (up to 6.16)",
            _devmap_longterm,
        ),
        Oddity(
            "hugetlb-longterm",
            "a long-term pin of a hugetlb page that would have to move fails on the slow path "
            "(5.13 to 6.9, fixed by f442fa614137)",
            _hugetlb_longterm,
        ),
        Oddity(
            "read-only-region",
            "to read, ib_umem_get() pins with FOLL_WRITE and FOLL_FORCE, which a read-only mapping "
            "of a file refuses (up to 6.1)",
            _read_only_region,
        ),
        Oddity(
            "sections",
            "plain pointer arithmetic leaves the memmap of a section, in SPARSEMEM without "
            "VMEMMAP (5.13 to 5.17, fixed by c228afb11ac6, 4c6542290115; 6.18 by contract)",
            _sections,
        ),
        Oddity(
            "sections-walk",
            "the same in the walks that pin, inside of gigantic pages (up to 5.17)",
            _sections_walk,
        ),
        Oddity(
            "product",
            "2^21 pins or more of one run, times the bias, are no positive int: one reference "
            "is dropped, the pins leak (5.13 to 5.17)",
            _product,
        ),
        Oddity(
            "null-in-run",
            "NULL is skipped at the start of a run, and dereferenced inside one (from 6.12 on)",
            _null_in_run,
        ),
        Oddity(
            "wrapped-put",
            "with CONFIG_DEBUG_VM an unpin of a page whose refcount is past 2^31 is a BUG (5.11), "
            "or warns and leaves the pin (5.13 to 5.17)",
            _wrapped_put,
        ),
        Oddity(
            "uncounted-pin",
            "folio_add_pin() does not count its pin in NR_FOLL_PIN_ACQUIRED; the unpin of it is "
            "counted in NR_FOLL_PIN_RELEASED (from 6.12 on)",
            _uncounted_pin,
            uncounted=True,
        ),
        Oddity(
            "zero-unpinned",
            "with CONFIG_DEBUG_VM folio_add_pins() warns that the zero page is not pinned, as its "
            "pins are not counted (from 6.18 on)",
            _zero_unpinned,
        ),
        Oddity(
            "run-of-zero",
            "a run of 0 pages if a multiple of 2^32 pages of a range are left (5.13 and later)",
            _run_of_zero,
        ),
    )
}
