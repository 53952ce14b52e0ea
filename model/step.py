# SPDX-License-Identifier: MIT

"""The base class of steps.

A step is data; a candidate carries it out in its method with the name `Step.call`. `Step.text`
is the statement in a trace, `Step.arguments` are the method's arguments, and `Step.bind` stores
the result of the method under the name of the step's handle or region.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, MutableMapping, Sequence
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

from attrs import Attribute, field, fields, frozen

from model.errors import BadInput
from model.mapping import orders_text
from model.pagelist import NULL, NULL_NAME, PageList
from model.semantics import Semantics

#: Flags of pin calls, as bits of their argument *gup_flags*. The kernel's have other values, which
#: differ between versions.
FOLL_WRITE = 1
FOLL_LONGTERM = 2
#: What GUP-fast is called with to take pins; without it, it takes plain references. No step has it.
FOLL_PIN = 4

#: The flags that a pin call may have, by name.
FLAGS = MappingProxyType({"FOLL_WRITE": FOLL_WRITE, "FOLL_LONGTERM": FOLL_LONGTERM})

#: What may happen while the fast path walks: an entry changes, a table of PTEs is collapsed to a
#: huge page, the process forks, or a compound page is split.
RACES = ("entry", "collapse", "fork", "split")

#: ``ib_dma_max_seg_size()`` of a device without a limit, in bytes.
MAX_SEGMENT = 0xFFFF_F000

#: Number of different values of an ``unsigned long``.
ULONG_VALUES = 1 << 64

#: The lowest -errno, as a signed and as an unsigned long; ``IS_ERR_VALUE()`` is true from it on.
MIN_ERRNO = -4095
MIN_ERR_VALUE = ULONG_VALUES + MIN_ERRNO


class Need(Enum):
    """What must exist before a step of a call makes sense."""

    PINS = "pages with pins"
    REFERENCES = "pages with plain references"
    REGION = "a memory region"
    FREE = "free pages"
    SPLITTABLE = "a mapping of huge pages that can be split"
    FILE = "a mapping of a file in memory"


@frozen
class SgEntry:
    """One entry of a scatterlist: *length* bytes in contiguous *pages*, from the first on."""

    pages: PageList
    length: int

    def __str__(self) -> str:
        return f"sg({self.pages}, {self.length})"


def argument(kind: str, **kwargs: Any) -> Any:
    """An attrs field that is an argument in the text of a step.

    The first argument, and flags, are written without their names.

    :param kind: The syntax of the value: a key of `model.literals.VALUES`.
    """
    return field(metadata={"kind": kind}, **kwargs)


def shown(step: Step | type[Step]) -> tuple[Attribute[Any], ...]:
    """The fields that are arguments in the text of *step*, in order."""
    cls: Any = step if isinstance(step, type) else type(step)
    return _shown(cls)


@cache
def _shown(cls: Any) -> tuple[Attribute[Any], ...]:
    return tuple(a for a in fields(cls) if "kind" in a.metadata)


@cache
def _listing(cls: Any) -> tuple[tuple[str, bool], ...]:
    """Each field that holds pages: (its name, whether it is a scatterlist)."""
    kinds = [(a.name, a.metadata["kind"]) for a in _shown(cls)]
    return tuple((name, kind == "sgl") for name, kind in kinds if kind in {"pages", "sgl"})


@cache
def _only_list(cls: Any) -> str:
    """The field of the only list of pages of a step of *cls*; empty if it has none, or others."""
    listing = _listing(cls)
    return listing[0][0] if len(listing) == 1 and not listing[0][1] else ""


def _written(kind: str, value: Any) -> str:
    """*value* as text, in the syntax *kind* (see `argument`)."""
    if kind == "orders":
        return orders_text(value)
    if kind == "race":
        return f'"{value}"'
    separators = {"flags": " | ", "sgl": " + "}
    return separators[kind].join(map(str, value)) if kind in separators else str(value)


class Table(dict[str, "Sequence[int]"]):
    """What a program's names stand for: frames by mapping or handle, and regions in `umems`."""

    def __init__(self, pages: MutableMapping[str, Sequence[int]]) -> None:
        super().__init__(pages)
        self[NULL_NAME] = (NULL,)
        self.umems: dict[str, Any] = {}
        #: Number of pages in each region, by name.
        self.sizes: dict[str, int] = {}


@frozen(kw_only=True)
class Step:
    """One call with its arguments. Each call has a subclass.

    Class attributes and methods describe the call, so that no other code needs to know its name.

    :param cpu: The processor on which the call is to run. All candidates ignore it so far.
    """

    #: The name of the call.
    call: ClassVar[str] = ""

    #: The call makes a handle, named by the field ``handle``: the pages that it pinned or got.
    binds_handle: ClassVar[bool] = False
    #: The handle holds the folios of these pages, each once, and a candidate's method returns them.
    holds_folios: ClassVar[bool] = False
    #: The call makes a region, named by the field ``umem``.
    binds_umem: ClassVar[bool] = False
    #: The call releases the region that the field ``umem`` names, and names no pages.
    releases_umem: ClassVar[bool] = False

    #: The call pins the pages of its list (FOLL_PIN).
    pins: ClassVar[bool] = False
    #: The call takes plain references to the pages of its list (as FOLL_GET does).
    gets: ClassVar[bool] = False
    #: The call releases pins.
    unpins: ClassVar[bool] = False
    #: The call grabs all pages of its list in one walk of the page tables, not in batches of 512.
    one_walk: ClassVar[bool] = False
    #: The call begins with GUP-fast, the walk without locks that leaves what it cannot grab.
    fast_path: ClassVar[bool] = False
    #: The call that grabs the same pages by the slow path alone; empty if there is none.
    slower: ClassVar[str] = ""
    #: The call has a slow path, which returns -errno, not 0, if it cannot grab the first page.
    slow_path: ClassVar[bool] = False
    #: The call has an argument that says whether to dirty the pages.
    asks_dirty: ClassVar[bool] = False

    #: The call's argument is an array of pages, which may contain NULL.
    takes_array: ClassVar[bool] = False
    #: The call skips NULL anywhere in its array; other calls skip it only before a run.
    skips_null: ClassVar[bool] = False
    #: The call's argument is a folio, or an array of folios. A step names each by any of its pages;
    #: candidates get the heads.
    takes_folios: ClassVar[bool] = False
    #: The call's arguments include the first page and the number of pages of a range.
    takes_range: ClassVar[bool] = False
    #: The call's argument is exactly one page.
    takes_one_page: ClassVar[bool] = False
    #: The call's list may be empty. GUP-fast is not called with no pages: its walk would not end.
    may_be_empty: ClassVar[bool] = False
    #: The sequence of the pages in the call's list has no effect.
    unordered: ClassVar[bool] = False
    #: The field that holds a position in the call's list; empty if there is no such field.
    position: ClassVar[str] = ""

    #: What the call returns. "pages", "entries": their number, or -errno; "error": 0 or -errno.
    returns: ClassVar[str] = ""
    #: The call changes which frames form a compound page.
    regroups: ClassVar[bool] = False
    #: The other call that this call undoes if both name the same pages; empty if there is none.
    undoes: ClassVar[str] = ""
    #: What must exist before a step of the call is drawn; None if nothing must.
    needs: ClassVar[Need | None] = None
    #: The field of `Semantics` that is true in the versions that have the call; empty: all have it.
    only_with: ClassVar[str] = ""
    #: Candidates have the call only if they say so; the trees of a version may lack it.
    optional: ClassVar[bool] = False
    #: The call in the place of whose steps searches draw this one, in a part of the programs.
    drawn_for: ClassVar[str] = ""
    #: The search exhaustive uses the call unless other calls are asked for.
    enumerated: ClassVar[bool] = False
    #: Searches name only few pages in a step of this call, even in a large layout.
    names_few: ClassVar[bool] = False
    #: How often the search soak draws this call, relative to other calls.
    draw_weight: ClassVar[int] = 1

    cpu: int = 0

    @classmethod
    def lacked_by(cls, semantics: Semantics) -> bool:
        """Whether the call is missing in the kernel version of *semantics*."""
        return bool(cls.only_with) and not getattr(semantics, cls.only_with)

    def text(self) -> str:
        """The statement of this step in a trace."""
        parts = []
        for i, a in enumerate(shown(self)):
            value = getattr(self, a.name)
            if i == 0 or value != a.default:
                kind = a.metadata["kind"]
                label = "" if i == 0 or kind == "flags" else f"{a.name}="
                parts.append(label + _written(kind, value))
        if self.cpu:
            parts.append(f"cpu={self.cpu}")
        made = f"{self.makes} = " if self.makes else ""
        return f"{made}{self.call}({', '.join(parts)})"

    @classmethod
    def name_field(cls) -> str:
        """The field with the name of the handle or region that the call makes; empty if neither."""
        return "handle" if cls.binds_handle else "umem" if cls.binds_umem else ""

    @property
    def makes(self) -> str:
        """The name of the handle or region that the step makes; empty if it makes none."""
        name = self.name_field()
        return getattr(self, name) if name else ""

    def lists(self) -> Iterator[PageList]:
        """The lists of pages that the step names."""
        cls: Any = type(self)
        for name, is_sgl in _listing(cls):
            value = getattr(self, name)
            if is_sgl:
                yield from (entry.pages for entry in value)
            else:
                yield value

    @property
    def npages_named(self) -> int:
        """Number of pages that the step names, repeats included."""
        cls: Any = type(self)
        only = _only_list(cls)
        return len(getattr(self, only)) if only else sum(map(len, self.lists()))

    @property
    def npages_visited(self) -> int:
        """Number of pages that the step names, each as often as the call acts on it."""
        return self.npages_named

    def npages_touched(self, table: Table) -> int:
        """Number of pages that the step visits or, for a release, that its region has."""
        return self.npages_visited

    def complaint(self, table: Table) -> str:
        """Why an argument is invalid; empty if all are valid."""
        return ""

    def orders_made(self) -> tuple[int, ...]:
        """Orders of the compound pages that the step makes; empty if it makes none."""
        return ()

    def changes_page_table(self) -> bool:
        """Whether a page table entry changes during the call."""
        return bool(self.race_kind())

    def race_kind(self) -> str:
        """The kind of race during the call, one of `RACES`; empty if there is none."""
        return ""

    def fails_append(self) -> bool:
        """Whether memory for scatterlist entries runs out during the call."""
        return False

    def uses(self) -> set[str]:
        """The names of mappings, handles and regions that the step uses."""
        return {name for pages in self.lists() for name in pages.names()}

    def arguments(self, table: Table) -> tuple[Any, ...]:
        """The arguments of the candidate's method `call`.

        :raises BadInput: if a page lies outside its mapping or handle, a range is not
            contiguous, or a region does not exist.
        """
        raise NotImplementedError

    def bind(self, table: Table, arguments: tuple[Any, ...], outcome: Any) -> int | None:
        """Enter in *table* the handle or region that the call made; return `Snapshot.returned`.

        :param outcome: What the candidate's method returned: a number, a region or None.
        """
        return outcome if isinstance(outcome, int) else None


def contiguous(pages: Sequence[int], named: PageList) -> Sequence[int]:
    """Return *pages*, the frames of the list *named*; raise BadInput unless they are contiguous."""
    if isinstance(pages, range):
        good = pages.step == 1 or len(pages) < 2
    else:
        good = all(b == a + 1 for a, b in itertools.pairwise(pages))
    if not good:
        raise BadInput(f"{named} is not a range: its frames are not contiguous")
    return pages
