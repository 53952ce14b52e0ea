# SPDX-License-Identifier: MIT

"""What every step of a program is.

A step is data. It knows how it is written (`Step.text`), what it asks of a
candidate (`Step.arguments`, passed to the method called `Step.call`) and which
name it gives to the outcome (`Step.bind`). Pages are passed as frames.
"""

from __future__ import annotations

import itertools
from enum import Enum
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import Attribute, field, fields, frozen

from model.errors import BadInput
from model.mapping import orders_text
from model.pagelist import (
    NULL,
    NULL_NAME,
    PageList,
)


if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence

    from model.semantics import Semantics

FLAGS = ("FOLL_WRITE", "FOLL_LONGTERM")

#: ``ib_dma_max_seg_size()`` of a device without a limit, in bytes.
MAX_SEGMENT = 0xFFFF_F000

ERR_LIMIT = 1 << 64
ERR_FIRST = -4095


class Need(Enum):
    """What a program must hold before a step of some call makes sense."""

    PINS = "pages with pins"
    REFERENCES = "pages with plain references"
    REGION = "a memory region"
    FREE = "free pages"
    SPLITTABLE = "a mapping of huge pages that can be split"


@frozen
class SgEntry:
    """One entry of a scatterlist: contiguous *pages*, of which *length* bytes count."""

    pages: PageList
    length: int

    def __str__(self) -> str:
        return f"sg({self.pages}, {self.length})"


def argument(kind: str, **kwargs: Any) -> Any:
    """A field that the text of a step shows.

    :param kind: How it is written: ``pages``, ``flags``, ``sgl``, ``orders``,
        ``bool`` or ``int``. The first one stands without its name.
    """
    return field(metadata={"kind": kind}, **kwargs)


def shown(step: Step | type[Step]) -> tuple[Attribute[Any], ...]:
    """The fields that the text of *step* shows, in order."""
    cls: Any = step if isinstance(step, type) else type(step)
    return _shown(cls)


@cache
def _shown(cls: type) -> tuple[Attribute[Any], ...]:
    return tuple(a for a in fields(cls) if "kind" in a.metadata)


@cache
def _listing(cls: type) -> tuple[tuple[str, bool], ...]:
    """The fields that hold pages, and whether as a scatterlist."""
    kinds = [(a.name, a.metadata["kind"]) for a in _shown(cls)]
    return tuple((name, kind == "sgl") for name, kind in kinds if kind in {"pages", "sgl"})


def _written(kind: str, value: Any) -> str:
    if kind == "flags":
        return " | ".join(value)
    if kind == "sgl":
        return " + ".join(map(str, value))
    if kind == "orders":
        return orders_text(value)
    return str(value)


class Table(dict[str, "Sequence[int]"]):
    """What names stand for: the frames of mappings and handles, and umems."""

    def __init__(self, pages: MutableMapping[str, Sequence[int]]) -> None:
        super().__init__(pages)
        self[NULL_NAME] = (NULL,)
        self.umems: dict[str, Any] = {}
        #: Pages in each memory region.
        self.sizes: dict[str, int] = {}


@frozen(kw_only=True)
class Step:
    """One call, or one thing the world does to pages.

    All that is peculiar to a call stands here and on its subclass, as class
    attributes and methods. Other code asks the step and names no call.

    :param cpu: The processor it runs on. Only 0 has a meaning as yet.
    """

    call: ClassVar[str] = ""

    #: The field that names what the step makes: "handle", "umem", or empty if it makes nothing.
    names: ClassVar[str] = ""
    #: Its name stands for the pages that it lists, as far as it got.
    binds_handle: ClassVar[bool] = False
    #: Its name stands for a memory region.
    binds_umem: ClassVar[bool] = False
    #: It ends the memory region in its field ``umem``, and names no pages itself.
    releases_umem: ClassVar[bool] = False

    #: It takes pins of the pages that it lists (FOLL_PIN).
    pins: ClassVar[bool] = False
    #: It takes plain references to the pages that it lists (FOLL_GET).
    gets: ClassVar[bool] = False
    #: It gives pins back.
    unpins: ClassVar[bool] = False
    #: It grabs all pages that it lists in one walk of the page tables, not in batches.
    one_walk: ClassVar[bool] = False
    #: It has a slow path, which fails with an error at a page that it cannot grab.
    slow_path: ClassVar[bool] = False
    #: Its caller says whether to dirty the pages.
    asks_dirty: ClassVar[bool] = False

    #: It is given an array of pages, in which NULL may stand.
    takes_array: ClassVar[bool] = False
    #: It is given the first page and the number of pages, whose frames follow each other.
    takes_range: ClassVar[bool] = False
    #: It is given exactly one page.
    takes_one_page: ClassVar[bool] = False
    #: Its list of pages may be empty: an unpin of nothing is a call that a kernel gets.
    may_be_empty: ClassVar[bool] = False
    #: It does the same whatever the order of its list is.
    unordered: ClassVar[bool] = False
    #: The field that holds a position in its list, or empty.
    position: ClassVar[str] = ""

    #: What the number is that it returns: "pages", "entries" (of a scatterlist), each or
    #: -errno; "error" (0 or -errno); empty if it returns nothing.
    returns: ClassVar[str] = ""
    #: It changes which frames are one compound page.
    regroups: ClassVar[bool] = False
    #: The call that it undoes on the same pages, or empty.
    undoes: ClassVar[str] = ""
    #: What must be there before a step of the call can be drawn; None if it always can.
    needs: ClassVar[Need | None] = None
    #: Only versions that unpin in batches have it (`Semantics.batched`).
    batched_only: ClassVar[bool] = False
    #: Exhaustive searches enumerate it unless other calls are asked for.
    enumerated: ClassVar[bool] = False
    #: A step of it names few pages, however many there are.
    names_few: ClassVar[bool] = False
    #: How often a search draws it, beside other calls.
    draw_weight: ClassVar[int] = 1

    cpu: int = 0

    @classmethod
    def lacked_by(cls, semantics: Semantics) -> bool:
        """Whether kernels that count by *semantics* do not have the call."""
        return cls.batched_only and not semantics.batched

    def text(self) -> str:
        """The statement, as a trace holds it."""
        parts = []
        for i, a in enumerate(shown(self)):
            value = getattr(self, a.name)
            kind = a.metadata["kind"]
            if kind == "flags":
                parts += [_written(kind, value)] if value else []
            elif i == 0:
                parts.append(_written(kind, value))
            elif value != a.default:
                parts.append(f"{a.name}={_written(kind, value)}")
        if self.cpu:
            parts.append(f"cpu={self.cpu}")
        made = f"{self.makes} = " if self.makes else ""
        return f"{made}{self.call}({', '.join(parts)})"

    @property
    def makes(self) -> str:
        """The name it gives to what it makes; empty if it makes nothing."""
        return getattr(self, self.names) if self.names else ""

    def lists(self) -> Iterator[PageList]:
        """The lists of pages it names."""
        cls: Any = type(self)
        for name, is_sgl in _listing(cls):
            value = getattr(self, name)
            if is_sgl:
                yield from (entry.pages for entry in value)
            else:
                yield value

    @cached_property
    def npages_named(self) -> int:
        """How many pages it names, repeats included."""
        return sum(map(len, self.lists()))

    def npages_touched(self, table: Table) -> int:
        """How many pages it makes a candidate go through, repeats included."""
        return self.npages_named

    def complaint(self, table: Table) -> str:
        """Why a number among its arguments makes no sense; empty if all do."""
        return ""

    def orders_made(self) -> tuple[int, ...]:
        """The orders of the compound pages that it makes, as far as the step alone says."""
        return ()

    def changes_page_table(self) -> bool:
        """Whether a page table entry changes while it runs."""
        return False

    def uses(self) -> set[str]:
        """The names it takes pages, or a umem, from."""
        return {name for pages in self.lists() for name in pages.names()}

    def arguments(self, table: Table) -> tuple[Any, ...]:
        """What the method of that name is called with.

        :raises BadInput: if a name does not hold what the step wants of it.
        """
        raise NotImplementedError

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        """Let the step's name stand for what the call made; the number it returned."""
        return outcome if isinstance(outcome, int) else None


def contiguous(pages: Sequence[int], named: PageList) -> Sequence[int]:
    """*pages*, if each is the frame after the one before.

    :raises BadInput: if they are not.
    """
    if isinstance(pages, range):
        good = pages.step == 1 or len(pages) < 2
    else:
        good = all(b == a + 1 for a, b in itertools.pairwise(pages))
    if not good:
        msg = f"{named} is not a range: its frames do not follow each other"
        raise BadInput(msg)
    return pages
