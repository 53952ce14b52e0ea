# SPDX-License-Identifier: MIT

"""What is held of compound pages before a step, and plain steps that change it.

Passes that replace many steps by few make them here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Self

from attrs import evolve, frozen

from model.pagelist import PageList, Slice, from_entries
from model.step import Step
from model.steps import PinUserPages, UnpinUserPage, UnpinUserPages
from model.world import Clean, GetPage, Map, PutPage, SetPageDirty, Unmap
from properties.judging.ledger import Ledger
from properties.reduce.lists import CannotRewrite, adjoined

#: Maximum number of terms of a list: they fit in one line of a trace, whatever their numbers.
MAX_TERMS = 96


@frozen
class Standing:
    """What is held of one compound page before some step.

    :param page: The head, as one page of a mapping.
    """

    page: Slice
    order: int
    maps: int
    gets: int
    pins: int
    dirty: bool
    alive: bool

    @classmethod
    def of(cls, head: int, ledger: Ledger) -> Self:
        """The standing of *head* in *ledger*.

        :raises CannotRewrite: if no mapping has that frame.
        """
        held = ledger.held(head)
        (page,) = named([head], ledger).slices()
        return cls(
            page, ledger.order(head), held.maps, held.gets, held.pins, held.dirty, held.alive
        )


def named(frames: Sequence[int], ledger: Ledger) -> PageList:
    """The list of *frames*, one or more, each named by its mapping.

    :raises CannotRewrite: if a frame is in no mapping.
    """
    places = [ledger.where(frame) for frame in frames]
    if None in places:
        raise CannotRewrite
    return from_entries([place for place in places if place])


def bridge(
    changes: Sequence[tuple[Standing, Standing]], handle: str, *, one_by_one: bool = False
) -> Iterator[Step]:
    """Plain steps that lead from the first to the second standing of each of *changes*.

    Steps that take come before steps that release.

    :param handle: The name of the handle, if a pin is needed.
    :param one_by_one: Unpin with one call for each pin, not with lists.
    """
    maps = [(now.page, now.maps - then.maps) for then, now in changes]
    gets = [(PageList((now.page,)), now.gets - then.gets) for then, now in changes]
    pins = [(now.page, now.pins - then.pins) for then, now in changes]
    alive = [(then, now) for then, now in changes if now.alive]
    for level in range(max((n for _, n in maps), default=0)):
        yield from _each(Map, [page for page, n in maps if n > level])
    yield from (GetPage(pages=page, n=n) for page, n in gets if n > 0)
    for number, pages in enumerate(_lists(evolve(page, times=n) for page, n in pins if n > 0)):
        yield pin_step(f"{handle}_{number}" if number else handle, pages)
    yield from _each(SetPageDirty, [now.page for then, now in alive if now.dirty > then.dirty])
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
    """Steps of *make* on *pages*, in as few lists as fit in lines of a trace."""
    return (make(pages=some) for some in _lists(pages))


def _lists(pages: Iterable[Slice]) -> Iterator[PageList]:
    """*pages* in as few lists as fit in lines of a trace."""
    terms = adjoined(pages)
    for at in range(0, len(terms), MAX_TERMS):
        yield PageList(terms[at : at + MAX_TERMS])


def new_handles(taken: Iterable[str]) -> Iterator[str]:
    """Names of handles that are not in *taken*: h1, h2 and so on."""
    names = set(taken)
    return (name for name in (f"h{i}" for i in count(1)) if name not in names)


def get_step(pages: PageList, n: int) -> Step:
    """A step that takes *n* plain references to each page of *pages*."""
    return GetPage(pages=pages, n=n)


def pin_step(handle: str, pages: PageList) -> Step:
    """A step that pins *pages*."""
    return PinUserPages(handle=handle, pages=pages)


def unmaps(step: Step) -> bool:
    """Whether *step* takes mappings away."""
    return isinstance(step, Unmap)
