# SPDX-License-Identifier: MIT

"""The ledger: what is held of each compound page, from the steps' contracts alone.

It carries nothing out. For each head it keeps the number of mappings, plain
references and pins; from these follow the only legal refcount, pincount and
statistics. A step that would release more than is held breaks the contract: batched
and unbatched code may then lawfully differ, so the ledger refuses the step.

Functions in `pins`, `fast`, `folios`, `memfd`, `regions` and `world`, one for each call, enter
steps in the ledger.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self, TypeAlias

from model.attributes import PLAIN, Attributes
from model.errors import BadInput
from model.frames import Block, Frames
from model.mapping import Extent, Mapping, side_by_side
from model.page import HeadState, head_state, wrapped
from model.pagelist import NULL
from model.program import Program
from model.semantics import BIAS, Semantics
from model.step import Step, Table
from properties.judging import fast, folios, memfd, pins, regions, world
from properties.judging.holdings import ContractBroken, Held, Region, totals
from properties.judging.pins import COUNT_LIMIT

#: For each call, a function that enters a step of this call in the ledger, and returns the
#: number that the call must return, or None.
Entries: TypeAlias = dict[str, Callable[["Ledger", Any], int | None]]

_PARTS = (pins, fast, folios, memfd, regions, world)
ENTRIES: Entries = {call: enter for part in _PARTS for call, enter in part.ENTRIES.items()}


class Ledger:
    """The ledger of one program, step by step."""

    def __init__(self, semantics: Semantics, mappings: Sequence[Mapping]) -> None:
        self.semantics = semantics
        self.mappings = mappings
        #: Whether any mapping has attributes, and whether any is movable.
        self.special = any(m.attributes != PLAIN for m in mappings)
        self.movable = any(m.attributes.movable for m in mappings)
        self.table = Table({m.name: m.pages for m in mappings})
        self.umems: dict[str, Region] = {}
        self.acquired = 0
        self.released = 0
        #: Heads that the last step touched, and whether its call must warn.
        self.touched: set[int] = set()
        self.warned = False
        #: Heads that the last step tried to isolate.
        self.tried: set[int] = set()
        #: Whether the race of the last step happened while pages were grabbed.
        self.raced = False
        #: The frames that the last step unpinned: one sequence for a list (one for each part
        #: between NULLs) or a range, one for each entry of a region; and whether they are dirtied.
        self.unpinned: Sequence[Sequence[int]] = []
        #: (head, entries) of each run of these frames.
        self.unpinned_runs: list[tuple[int, int]] = []
        self.dirties = False
        #: The memory region that was released last.
        self.released_umem: Region | None = None
        #: Heads that are pinned, heads with plain references, and free heads, as ordered sets.
        self.pinned: dict[int, None] = {}
        self.got: dict[int, None] = {}
        self.freed: dict[int, None] = {}
        self._frames = Frames(mappings)
        self._last = Block(0, 0, 0, 0, "")
        self._held: dict[int, Held] = {}

    @classmethod
    def after(cls, program: Program, steps: Sequence[Step]) -> Self:
        """The ledger of *program* after *steps*, with which the program begins.

        :raises BadInput: with the line, if one of *steps* cannot be entered.
        """
        ledger = cls(program.semantics, program.mappings)
        for index, step in enumerate(steps):
            try:
                ledger.take(step)
            except BadInput as err:
                raise at_step(err, program, index) from None
        return ledger

    def take(self, step: Step) -> int | None:
        """Enter *step* in the ledger; the number that its call must return, or None.

        :raises ContractBroken: if the step breaks the contract; nothing is entered then.
        :raises BadInput: if it names pages or a region that do not exist or do not suit its call.
        """
        self.touched = set()
        self.warned = False
        self.tried = set()
        self.raced = False
        self.unpinned = []
        self.unpinned_runs = []
        self.dirties = False
        return ENTRIES[step.call](self, step)

    def free_if_last(self, head: int, held: Held) -> None:
        """Free the compound page at *head* if nothing is held of it."""
        if not held.total:
            held.alive = False
            held.dirty = False
            self.freed[head] = None

    def rebuild(
        self, pfn: int, orders: Sequence[int], maps: int, *, dirty: bool, migrated: bool = False
    ) -> None:
        """Replace the compound pages from *pfn* on by adjacent ones of *orders*.

        :param maps: Number of mappings that each compound page begins with.
        :param migrated: Whether they lie where long-term pins may keep them, as what they were.
        """
        extents = side_by_side(orders, pfn)
        for page in range(pfn, extents[-1].stop):
            self._held.pop(page, None)
            self.freed.pop(page, None)
        # A former head may be a tail now, and a tail has no counts of its own.
        self.touched.difference_update(range(pfn, extents[-1].stop))
        self._frames.replace(extents)
        self._last = Block(0, 0, 0, 0, "")
        for extent in extents:
            each = self._each(extent.order, self.kind(extent.pfn))
            heads = extent.heads()
            self._held.update(
                (head, Held(each, maps, dirty=dirty, migrated=migrated)) for head in heads
            )
            self.touched.update(heads)

    def looks(self, head: int) -> tuple[HeadState, bool]:
        """The state that *head* must have, and whether ``page_maybe_dma_pinned()`` must be true."""
        held = self._held.get(head) or self.held(head)
        pins, each = held.pins, held.each
        count = held.maps + held.gets + pins * each
        if count >= COUNT_LIMIT:
            count = wrapped(count)
        if each == 1:
            return head_state((count, pins, held.dirty, held.alive)), pins > 0
        return head_state((count, 0, held.dirty, held.alive)), not 0 <= count < BIAS

    def held(self, head: int) -> Held:
        """What is held of the compound page at *head*."""
        self.touched.add(head)
        record = self._held.get(head)
        if record is None:
            block = self._block(head)
            record = self._held[head] = Held(self._each(block.order, block.kind), block.refs)
        return record

    def head(self, page: int) -> int:
        """The head of the compound page of *page*."""
        block = self._block(page)
        return page & -1 << block.order

    def order(self, page: int) -> int:
        """The order of the compound page of *page*."""
        return self._block(page).order

    def known(self) -> list[tuple[int, Held]]:
        """(head, what is held) of each compound page that a step touched, lowest frame first."""
        return sorted(self._held.items())

    def extents(self, mapping: Mapping) -> tuple[Extent, ...]:
        """The compound pages that the frames of *mapping* form now, as extents."""
        found = []
        for extent in mapping.extents:
            at = extent.pfn
            while at < extent.stop:
                block = self._block(at)
                stop = min(block.stop, extent.stop)
                found.append(Extent(at, block.order, (stop - at) >> block.order))
                at = stop
        return tuple(found)

    def each(self, page: int) -> int:
        """What a put of one pin subtracts from the refcount of the compound page of *page*."""
        block = self._block(page)
        return self._each(block.order, block.kind) or BIAS

    def first_refs(self, page: int) -> int:
        """The refcount of the compound page of *page* before any step, given by the mapping."""
        return self._block(page).refs

    def first_state(self, page: int) -> HeadState:
        """The state of *page* before any step touched it."""
        refs = self.first_refs(page) if self.head(page) == page else 0
        return HeadState(refs, 0, dirty=False, allocated=True)

    def attributes(self, page: int) -> Attributes:
        """The attributes of the mapping that *page* lies in."""
        return self._block(page).attributes

    def kind(self, page: int) -> str:
        """The kind of mapping that *page* lies in."""
        return self._block(page).kind

    def runs(self, pages: Sequence[int]) -> Iterable[tuple[int, int]]:
        """(head, entries) of each run: adjacent entries of one head."""
        if not isinstance(pages, range):
            return self._runs_of_list(pages)
        entries = len(pages)
        if entries:
            # Most lists are short, and one run: they need no generator.
            page, last = pages[0], pages[-1]
            mask = -1 << self._block(page).order
            if page & mask == last & mask:
                return ((page & mask, entries),)
        return self._runs_of_range(pages)

    def _runs_of_range(self, pages: range) -> Iterator[tuple[int, int]]:
        at, end, step = 0, len(pages), pages.step
        while at < end:
            page = pages[at]
            order = self._block(page).order
            head = page & -1 << order
            last = head + (1 << order) - 1 if step > 0 else head
            entries = min((last - page) // step + 1, end - at)
            yield head, entries
            at += entries

    def _runs_of_list(self, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
        head = stop = entries = 0
        for page in pages:
            if head <= page < stop:
                entries += 1
                continue
            if entries:
                yield head, entries
            order = self._block(page).order
            head = page & -1 << order
            stop = head + (1 << order)
            entries = 1
        if entries:
            yield head, entries

    def counts(self, pages: Sequence[int]) -> dict[int, int]:
        """The number of entries of each head in *pages*."""
        return totals(self.runs(pages))

    def releasable(self, pages: Sequence[int], what: str = "pins") -> int:
        """How many of *pages*, from the first one on, a step can release.

        :param what: What the step releases: ``pins`` or ``gets``.
        """
        left: dict[int, int] = {}
        done = 0
        for head, entries in self.runs(pages):
            have = left.get(head)
            if have is None:
                held = self._held.get(head)
                have = getattr(held, what) if held else 0
            left[head] = have - entries
            if have < entries:
                return done + have
            done += entries
        return done

    def _block(self, page: int) -> Block:
        # Most look-ups are of a page in the same extent as the page looked up before.
        last = self._last
        if last.start <= page < last.stop:
            return last
        block = self._frames.block(page)
        if block is None:
            msg = f"frame {page:#x} is in no mapping" if page != NULL else "NULL is no page"
            raise ContractBroken(msg)
        self._last = block
        return block

    def _each(self, order: int, kind: str) -> int:
        if self.semantics.uncounted(kind):
            return 0
        return 1 if self.semantics.exact(order) else BIAS

    def where(self, page: int) -> tuple[str, int] | None:
        """The name of the mapping that holds the frame *page*, and the offset in it."""
        for mapping in self.mappings:
            offset = mapping.offset(page)
            if offset is not None:
                return mapping.name, offset
        return None

    def name(self, page: int) -> str:
        """The frame *page* by mapping and offset: ``a+0``."""
        where = self.where(page)
        return f"{where[0]}+{where[1]}" if where else f"frame {page:#x}"


def at_step(err: BadInput, program: Program, index: int) -> BadInput:
    """*err* with the line of step *index*, or with the step's number if there are no lines."""
    line = program.lines[index] if program.lines else 0
    reason = err.reason if line else f"step {index + 1}: {err.reason}"
    return type(err)(reason, line=line)
