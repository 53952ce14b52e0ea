# SPDX-License-Identifier: MIT

"""How a compound page is held between two steps (its standing), and steps that change this.

Passes that replace many steps by few make the new steps here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, Self

from attrs import evolve, frozen

from model.pagelist import PageList, Slice, from_entries
from model.step import Step
from model.steps import (
    STEPS,
    PinUserPages,
    UnpinUserPage,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from model.world import Clean, GetPage, Map, PutPage, SetPageDirty, Unmap
from properties.judging.ledger import Ledger
from properties.reduce.lists import CannotRewrite, adjoined

#: Maximum number of terms of a list, so that it fits in one line of a trace.
MAX_TERMS = 96


@frozen
class Standing:
    """How one compound page is held between two steps: numbers of references, and flags.

    :param page: The head, named by its mapping.
    :param zero: Whether it is the zero page, which no write makes dirty: only an unpin does.
    """

    page: Slice
    order: int
    maps: int
    gets: int
    pins: int
    dirty: bool
    alive: bool
    zero: bool = False

    @classmethod
    def of(cls, head: int, ledger: Ledger) -> Self:
        """How the compound page of *head* is held after the steps entered in *ledger*.

        :raises CannotRewrite: if *head* is in no mapping.
        """
        held = ledger.held(head)
        (page,) = named([head], ledger).slices()
        return cls(
            page,
            ledger.order(head),
            held.maps,
            held.gets,
            held.pins,
            held.dirty,
            held.alive,
            zero=ledger.kind(head) == "zero",
        )


def named(frames: Sequence[int], ledger: Ledger) -> PageList:
    """The list of *frames*, each named by its mapping; there is at least one frame.

    :raises CannotRewrite: if a frame is in no mapping.
    """
    places = [ledger.where(frame) for frame in frames]
    if None in places:
        raise CannotRewrite
    return from_entries([place for place in places if place])


def bridge(
    changes: Sequence[tuple[Standing, Standing]], handle: str, *, one_by_one: bool = False
) -> Iterator[Step]:
    """Steps that change how pages are held: from the first of each pair to the second.

    Steps that map, get or pin pages come before steps that unpin, put or unmap pages.

    :param handle: The name of a handle for the pages that have to be pinned, if any.
    :param one_by_one: Unpin with one call for each pin, not with lists.
    """
    maps = [(now.page, now.maps - then.maps) for then, now in changes]
    gets = [(PageList((now.page,)), now.gets - then.gets) for then, now in changes]
    alive = [(then, now) for then, now in changes if now.alive]
    dirtied = [now for then, now in alive if now.dirty > then.dirty]
    unpinned = [now.page for now in dirtied if now.zero]
    pins = [(now.page, now.pins - then.pins) for then, now in changes]
    pins += [(page, 1) for page in unpinned]
    for level in range(max((n for _, n in maps), default=0)):
        yield from _each(Map, [page for page, n in maps if n > level])
    yield from (GetPage(pages=page, n=n) for page, n in gets if n > 0)
    for number, pages in enumerate(_lists(evolve(page, times=n) for page, n in pins if n > 0)):
        yield pin_step(f"{handle}_{number}" if number else handle, pages)
    yield from _each(SetPageDirty, [now.page for now in dirtied if not now.zero])
    yield from _each(partial(UnpinUserPagesDirtyLock, make_dirty=True), unpinned)
    yield from _each(Clean, [now.page for then, now in alive if now.dirty < then.dirty])
    if one_by_one:
        single = (PageList((page,)) for page, n in pins for _ in range(-n))
        yield from (UnpinUserPage(page=page) for page in single)
    else:
        yield from _each(UnpinUserPages, [evolve(page, times=-n) for page, n in pins if n < 0])
    yield from (PutPage(pages=page, n=-n) for page, n in gets if n < 0)
    for level in range(max((-n for _, n in maps), default=0)):
        yield from _each(Unmap, [page for page, n in maps if -n > level])


def _each(make: Callable[..., Step], pages: Sequence[Slice]) -> Iterator[Step]:
    """As few steps of the class *make* as can name *pages*, each on one line of a trace."""
    return (make(pages=some) for some in _lists(pages))


def _lists(pages: Iterable[Slice]) -> Iterator[PageList]:
    """*pages* in as few lists as possible, each of which fits in one line of a trace."""
    terms = adjoined(pages)
    for at in range(0, len(terms), MAX_TERMS):
        yield PageList(terms[at : at + MAX_TERMS])


def new_handles(taken: Iterable[str]) -> Iterator[str]:
    """Names for new handles: those of h1, h2 and so on that are not in *taken*."""
    names = set(taken)
    return (name for name in (f"h{i}" for i in count(1)) if name not in names)


def get_step(pages: PageList, n: int) -> Step:
    """A step that takes *n* plain references to each page of *pages*."""
    return GetPage(pages=pages, n=n)


def pin_step(handle: str, pages: PageList) -> Step:
    """A step that pins *pages*."""
    return PinUserPages(handle=handle, pages=pages)


def slower_step(step: Any) -> Step:
    """A step that grabs the pages of *step* by the slow path alone, not by GUP-fast first."""
    make: Any = STEPS[step.slower]
    slower: Step = make(handle=step.handle, pages=step.pages)
    return slower


def unmaps(step: Step) -> bool:
    """Whether *step* unmaps pages."""
    return isinstance(step, Unmap)
