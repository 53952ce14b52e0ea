# SPDX-License-Identifier: MIT

"""The abilities of a candidate: its versions, calls and pages, and what it shows."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from attrs import frozen

from model.mapping import Mapping as Pages
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED
from model.semantics import KINDS, MAX_ORDER, SEMANTICS
from model.steps import STEPS

#: All fields that a snapshot can show of a step, in the order of a report's rows.
FIELDS = (
    "returned",
    "nmap",
    "pincount",
    "refcount",
    "allocated",
    "dirty",
    "maybe_dma_pinned",
    NR_FOLL_PIN_ACQUIRED,
    NR_FOLL_PIN_RELEASED,
    "warnings",
)

#: The calls that every candidate has. Those that came later a candidate has to name.
USUAL_CALLS = frozenset(call for call, cls in STEPS.items() if not cls.optional)

#: An ability's value if it sets no limit: only the limits of `model.program` apply.
UNBOUNDED = 1 << 64


@frozen
class Unheard:
    """An event that is missing in the candidate's journal of one call.

    :param event: As in `model.page.Event`, or ``warning``.
    :param call: The call; empty if the event is heard in none.
    :param probe: The function whose calls the journal should record.
    :param absent: Whether the kernel has no such function; if it has, its probe is deaf there.
    """

    event: str
    call: str
    probe: str
    absent: bool = False


@frozen
class Abilities:
    """What programs a candidate can run, and what it shows after each step.

    :param name: The candidate's name in messages.
    :param semantics: Kernel versions whose counting it follows.
    :param fields: Those of `FIELDS` that its snapshots show.
    :param listed: Maximum length, in pages, of a page array passed to a call.
    :param span: Maximum distance, in frames, between a program's lowest and highest frame.
    :param unheard: What its journal lacks: no verdict may rest on that.
    :param oddities: Names of known deviations (`properties.judging.oddities`).
    :param orders_of: For each kind that has not all *orders*, the orders that it has.
    :param room: For each kind whose pages are limited in number, their maximum number.
    :param named: Maximum number of pages that a step may name.
    :param region: Maximum number of pages of a memory region.
    :param failing: The same of one for whose scatterlist entries memory runs out. A 32-bit kernel
        appends in batches of 1024 pages, twice as many as the models.
    :param refs: Maximum number of times that a page can be mapped.
    :param mixes: The kinds whose adjacent compound pages may differ in order; pages of
        different kinds may not be adjacent. None: neither is restricted.
    :param attributes: Names of the attributes of mappings that it honours.
    :param attributes_of: For each kind whose mappings can have only some of them, these.
    :param walked: Maximum number of pages of a list that pins in a program with such mappings, or
        in another race than of an entry.
    :param never: Attributes that no mapping can have together.
    :param together: Whether a long-term pin must be of neighbouring pages of one mapping if pages
        of a program may have to move: what is not neighbouring it pins with several calls.
    :param races: Kinds of races that it can have, besides "entry".
    :param changes: Whether a page table can change during ``pin_user_pages_fast_only()``.
    :param timed: Whether it has its own time limit for steps that do not return.
    :param takes_whole_programs: Whether it runs a complete program much faster than the
        same program step by step.
    """

    name: str
    semantics: frozenset[str] = frozenset(SEMANTICS)
    calls: frozenset[str] = USUAL_CALLS
    kinds: frozenset[str] = frozenset(KINDS)
    orders: frozenset[int] = frozenset(range(MAX_ORDER + 1))
    fields: frozenset[str] = frozenset(FIELDS)
    listed: int = UNBOUNDED
    span: int = UNBOUNDED
    unheard: tuple[Unheard, ...] = ()
    oddities: tuple[str, ...] = ()
    orders_of: Mapping[str, frozenset[int]] = MappingProxyType({})
    room: Mapping[str, int] = MappingProxyType({})
    named: int = UNBOUNDED
    region: int = UNBOUNDED
    failing: int = UNBOUNDED
    refs: int = UNBOUNDED
    mixes: frozenset[str] | None = None
    attributes: frozenset[str] = frozenset()
    attributes_of: Mapping[str, frozenset[str]] = MappingProxyType({})
    walked: int = UNBOUNDED
    never: tuple[frozenset[str], ...] = ()
    together: bool = False
    races: frozenset[str] = frozenset()
    changes: bool = True
    timed: bool = False
    takes_whole_programs: bool = False

    def makes(self, kind: str) -> frozenset[int]:
        """The orders that compound pages of *kind* can have in the candidate."""
        return self.orders & self.orders_of.get(kind, self.orders)

    def honours(self, kind: str, names: Collection[str]) -> bool:
        """Whether a mapping of *kind* can have the attributes *names* in the candidate."""
        of_kind = self.attributes & self.attributes_of.get(kind, self.attributes)
        return of_kind.issuperset(names) and not any(pair.issubset(names) for pair in self.never)

    def lacks(self, mappings: Sequence[Pages]) -> str:
        """Why the candidate cannot make *mappings*; empty if it can."""
        pages: Counter[str] = Counter()
        for mapping in mappings:
            kind = mapping.kind
            if kind not in self.kinds:
                return f"{self.name} has no {kind} mappings"
            orders = self.makes(kind)
            for extent in mapping.extents:
                if extent.order not in orders:
                    what = "compound pages" if kind not in self.orders_of else f"{kind} pages"
                    return f"{self.name} has no {what} of order {extent.order}"
            for name in mapping.attributes.given():
                if name not in self.attributes:
                    return f"{self.name} has no mappings with {mapping.attributes.text_of(name)}"
            if not self.honours(kind, mapping.attributes.given()):
                return f"{self.name} has no {kind} mappings with {mapping.attributes.text()}"
            if mapping.refs > self.refs:
                return f"{self.name} maps no page {mapping.refs} times"
            pages[kind] += mapping.npages
            if pages[kind] > self.room.get(kind, UNBOUNDED):
                return f"{self.name} has room for {self.room[kind]} {kind} pages, no more"
        if self._spanned(mappings) > self.span:
            return f"{self.name} has no room for frames {self.span} or more apart"
        return "" if self.mixes is None else self._beside(mappings, self.mixes)

    def _spanned(self, mappings: Sequence[Pages]) -> int:
        """The number of frames from the lowest to the highest of *mappings*, if that is limited."""
        extents = [e for m in mappings for e in m.extents] if self.span < UNBOUNDED else []
        return max((e.stop for e in extents), default=0) - min((e.pfn for e in extents), default=0)

    def _beside(self, mappings: Sequence[Pages], mixes: frozenset[str]) -> str:
        """A message if *mixes* forbids two adjacent extents of *mappings*; else empty."""
        lying = sorted((e.pfn, e.stop, m.kind, e.order) for m in mappings for e in m.extents)
        for (_, stop, kind, order), (pfn, _, other, next_order) in pairwise(lying):
            if stop == pfn and (kind != other or (order != next_order and kind not in mixes)):
                return f"{self.name} has no {kind} page beside a {other} page (at {pfn:#x})"
        return ""
