# SPDX-License-Identifier: MIT

"""The steps that pin and unpin, one class for each call, and `STEPS`: all calls.

Steps have the names of kernel functions. Those of folios are in `model.folios`, those of files in
memory in `model.memfd`, those of RDMA memory regions in `model.regions`, those of other kernel
code in `model.world`.
"""

from typing import Any

from attrs import frozen

from model.folios import FOLIO_STEPS
from model.memfd import FILE_STEPS
from model.pagelist import PageList
from model.regions import REGION_STEPS
from model.semantics import Semantics
from model.step import FLAGS, Need, Step, Table, argument, contiguous
from model.unpin import UnpinMany, passed
from model.world import WORLD_STEPS

# Pinning.


@frozen(kw_only=True)
class _Pin(Step):
    binds_handle = True
    one_walk = True
    returns = "pages"

    handle: str
    pages: PageList = argument("pages")
    flags: tuple[str, ...] = argument("flags", default=())

    @property
    def gup_flags(self) -> int:
        """The sum of *flags*, as candidates get them."""
        flags = self.flags
        return sum(map(FLAGS.__getitem__, flags)) if flags else 0

    def arguments(self, table: Table) -> tuple[Any, ...]:
        return (self.pages.resolve(table), self.gup_flags)

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        if not isinstance(outcome, int):
            return None
        if outcome > 0:
            table[self.handle] = arguments[0][:outcome]
        return outcome


class PinUserPages(_Pin):
    """``pin_user_pages()``: returns the number of pages pinned, or -errno if none."""

    call = "pin_user_pages"
    may_be_empty = True
    enumerated = True
    pins = True
    slow_path = True


class GetUserPages(_Pin):
    """``get_user_pages()``: returns the number of pages referenced, or -errno if none."""

    call = "get_user_pages"
    may_be_empty = True
    gets = True
    slow_path = True


@frozen(kw_only=True)
class _Fast(_Pin):
    """A call that begins with GUP-fast.

    The pages of the list are mapped at addresses that follow each other. The first address lies in
    its PUD as the frame of the first page lies in 2^18 frames, so that a list of neighbours in one
    compound page of order 9 or more is mapped by PMDs or PUDs.

    :param changed: Position of a page whose page table entry changes after the page has
        been pinned: all pages that the entry maps are unpinned again, and the walk ends there.
    :param race: What happens at that moment. "entry": just this. "collapse": the PMD changes, as
        a table of PTEs becomes a huge page; of pages mapped by PTEs the one is unpinned. "fork":
        the process forks, which a call that pins sees after the walk: it unpins all pages.
        Plain references it keeps. "split": the compound page is split, and the page freed, when the
        page has been looked up: what the walk then grabs of its former head it gives back, and ends
        there. This is so of a tail that a PTE maps; a head stays its own, and nothing happens. A
        PMD or PUD changes first. When the step ends, the compound page is as it was.
    """

    fast_path = True
    position = "changed"

    changed: int | None = argument("int", default=None)
    race: str = argument("race", default="entry")

    def race_kind(self) -> str:
        return "" if self.changed is None else self.race

    def complaint(self, table: Table) -> str:
        if self.changed is None:
            return "" if self.race == "entry" else f'race="{self.race}" needs changed='
        if 0 <= self.changed < len(self.pages):
            return ""
        return f"changed={self.changed} is not a position in the list"

    def arguments(self, table: Table) -> tuple[Any, ...]:
        # Sketches from before there were other races do not take the last argument.
        race = () if self.race == "entry" else (self.race,)
        return (self.pages.resolve(table), self.changed, self.gup_flags, *race)


class PinUserPagesFastOnly(_Fast):
    """``pin_user_pages_fast_only()``: returns the number of pages pinned, possibly 0."""

    call = "pin_user_pages_fast_only"
    pins = True
    slower = PinUserPages.call


class PinUserPagesFast(_Fast):
    """``pin_user_pages_fast()``: pins by GUP-fast, and the rest by the slow path.

    Returns what `PinUserPages` returns.
    """

    call = "pin_user_pages_fast"
    optional = True
    drawn_for = PinUserPagesFastOnly.call
    pins = True
    slow_path = True
    slower = PinUserPages.call


class GetUserPagesFastOnly(_Fast):
    """``get_user_pages_fast_only()``: as `PinUserPagesFastOnly`, but takes plain references."""

    call = "get_user_pages_fast_only"
    optional = True
    drawn_for = PinUserPagesFastOnly.call
    gets = True
    slower = GetUserPages.call


class GetUserPagesFast(GetUserPagesFastOnly):
    """``get_user_pages_fast()``: takes references by GUP-fast, and the rest by the slow path.

    Returns what `GetUserPages` returns.
    """

    call = "get_user_pages_fast"
    slow_path = True


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


@frozen(kw_only=True)
class UnpinUserPages(UnpinMany):
    """``unpin_user_pages()``.

    :param npages: An -errno, as from a failed pin, to pass instead of the number of *pages*.
    """

    call = "unpin_user_pages"
    enumerated = True
    takes_array = True
    undoes = PinUserPages.call

    pages: PageList = argument("pages")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = self.pages.resolve(table)
        return (pages, passed(pages, self.npages))


@frozen(kw_only=True)
class UnpinUserPagesDirtyLock(UnpinMany):
    """``unpin_user_pages_dirty_lock()``; *npages* as in `UnpinUserPages`."""

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
        return (pages, passed(pages, self.npages), self.make_dirty)


@frozen(kw_only=True)
class UnpinUserPageRangeDirtyLock(UnpinMany):
    """``unpin_user_page_range_dirty_lock()`` of a range; *npages* as in `UnpinUserPages`.

    An empty range has a first page, too: the first of the mapping or handle that it names.
    """

    call = "unpin_user_page_range_dirty_lock"
    enumerated = True
    asks_dirty = True
    takes_range = True
    only_with = "batched"

    pages: PageList = argument("pages")
    make_dirty: bool = argument("bool")
    npages: int | None = argument("int", default=None)

    def arguments(self, table: Table) -> tuple[Any, ...]:
        pages = contiguous(self.pages.resolve(table), self.pages)
        first = pages[0] if pages else self.pages.first_named(table)
        return (first, passed(pages, self.npages), self.make_dirty)


_CALLS: tuple[type[Step], ...] = (
    PinUserPages,
    PinUserPagesFastOnly,
    PinUserPagesFast,
    GetUserPages,
    GetUserPagesFastOnly,
    GetUserPagesFast,
    UnpinUserPage,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
    UnpinUserPageRangeDirtyLock,
    *FOLIO_STEPS,
    *FILE_STEPS,
    *REGION_STEPS,
    *WORLD_STEPS,
)

STEPS: dict[str, type[Step]] = {cls.call: cls for cls in _CALLS}

#: The calls that unpin several pages.
UNPINS: list[Any] = [cls for cls in STEPS.values() if cls.unpins and cls.may_be_empty]


def existing(calls: list[Any], semantics: Semantics) -> list[Any]:
    """Those of *calls* that the version of *semantics* has; if it has none, all."""
    return [cls for cls in calls if not cls.lacked_by(semantics)] or calls


# For code that needs a step with a certain effect: the plainest call that has it.
Pin = PinUserPages
PinFast = PinUserPagesFastOnly
Unpin = UnpinUserPages
UnpinOne = UnpinUserPage
