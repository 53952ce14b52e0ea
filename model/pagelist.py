# SPDX-License-Identifier: MIT

"""Lists of pages in the syntax of traces: sums of slices.

``a[510:514]`` are four pages of mapping *a*, ``h1[0:2]`` two of the pages that step *h1*
pinned, ``b[1:2]*3`` is one page three times, ``h1[3::-1]`` is descending, and
``(a[0:1] + b[0:1])*2`` is A-B-A-B. ``NULL`` is an entry without a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from attrs import evolve, field, frozen

from model.errors import BadInput

Entry = tuple[str, int]

#: The frame number and the name of a NULL entry.
NULL = -1
NULL_NAME = "NULL"


@frozen
class Slice:
    """``name[start:stop:step]*times``: the pages at *indices* in one mapping or handle."""

    name: str
    indices: range
    times: int = 1

    def __len__(self) -> int:
        return len(self.indices) * self.times

    def __str__(self) -> str:
        times = f"*{self.times}" if self.times != 1 else ""
        if self.name == NULL_NAME:
            return f"{NULL_NAME}{times}"
        first, step = (self.indices.start, self.indices.step) if self.indices else (0, 1)
        if len(self.indices) < 2:
            text = f"{first}:{first + len(self.indices)}"
        else:
            last = self.indices[-1]
            stop = last + (1 if step > 0 else -1)
            text = f"{first}:{stop if stop >= 0 else ''}" + (f":{step}" if step != 1 else "")
        return f"{self.name}[{text}]{times}"

    def entries(self) -> Iterator[Entry]:
        """The entries of the slice, as `PageList.entries` gives those of a list."""
        return ((self.name, i) for _ in range(self.times) for i in self.indices)

    def resolve(self, table: Mapping[str, Sequence[int]]) -> Sequence[int]:
        """The frames of the slice, as `PageList.resolve` gives those of a list."""
        pages = table.get(self.name)
        if pages is None:
            raise BadInput(f"{self.name} holds no pages")
        indices = self.indices
        start, stop, step = indices.start, indices.stop, indices.step
        if step == 1:
            if start < stop > len(pages):
                raise self._beyond(pages)
            found = pages[start:stop]
        else:
            if indices and max(start, indices[-1]) >= len(pages):
                raise self._beyond(pages)
            found = pages[start : stop if stop >= 0 else None : step]
        return found if self.times == 1 else list(found) * self.times

    def _beyond(self, pages: Sequence[int]) -> BadInput:
        return BadInput(f"{self} lies beyond {self.name}, which holds {len(pages)} pages")


@frozen
class Group:
    """``(… + …)*times``: slices repeated together."""

    slices: tuple[Slice, ...]
    times: int

    def __len__(self) -> int:
        return sum(map(len, self.slices)) * self.times

    def __str__(self) -> str:
        return f"({' + '.join(map(str, self.slices))})*{self.times}"

    def entries(self) -> Iterator[Entry]:
        return chain.from_iterable(s.entries() for _ in range(self.times) for s in self.slices)

    def resolve(self, table: Mapping[str, Sequence[int]]) -> Sequence[int]:
        return list(chain.from_iterable(s.resolve(table) for s in self.slices)) * self.times


@frozen
class PageList:
    """A list of pages: the entries of all *terms*, in order."""

    terms: tuple[Slice | Group, ...]
    # Counted once: drawing and judging a step ask for the length four times.
    _length: int = field(init=False, eq=False, repr=False)

    @_length.default
    def _counted(self) -> int:
        return sum(map(len, self.terms))

    def __len__(self) -> int:
        return self._length

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms))

    def slices(self) -> Iterator[Slice]:
        """All slices of the list, including those in its groups."""
        for term in self.terms:
            if isinstance(term, Group):
                yield from term.slices
            else:
                yield term

    def names(self) -> set[str]:
        """The names of the mappings and handles in the list."""
        return {s.name for s in self.slices()}

    def entries(self) -> Iterator[Entry]:
        """Each entry as (name of mapping or handle, index), in order, with repeats."""
        return chain.from_iterable(term.entries() for term in self.terms)

    def resolve(self, table: Mapping[str, Sequence[int]]) -> Sequence[int]:
        """The frames; a ``range`` if the list is one slice of contiguous frames.

        :param table: The frames of each mapping and handle, by name.
        :raises BadInput: if a name is unknown or has too few pages.
        """
        terms = self.terms
        if len(terms) == 1:
            return terms[0].resolve(table)
        return list(chain.from_iterable(term.resolve(table) for term in self.terms))

    def first_named(self, table: Mapping[str, Sequence[int]]) -> int:
        """The first frame of the mapping or handle that the list names first.

        Where an empty range begins; BadInput if the name holds no pages.
        """
        name = next(self.slices()).name
        if not table[name]:
            raise BadInput(f"{name} holds no pages")
        return table[name][0]

    def prefix(self, length: int) -> PageList:
        """The first *length* entries."""
        kept: list[Slice | Group] = []
        for term in self.terms:
            if length <= 0:
                break
            if len(term) <= length:
                kept.append(term)
            elif isinstance(term, Slice):
                kept += _cut(term, length)
            else:
                rounds, rest = divmod(length, len(term) // term.times)
                if rounds > 1:
                    kept.append(evolve(term, times=rounds))
                elif rounds:
                    kept += term.slices
                if rest:
                    kept += PageList(term.slices).prefix(rest).terms
            length -= len(term)
        return PageList(tuple(kept) or (Slice(next(self.slices()).name, range(0)),))


def _cut(term: Slice, length: int) -> Iterator[Slice]:
    rounds, rest = divmod(length, len(term.indices))
    if rounds:
        yield evolve(term, times=rounds)
    if rest:
        yield Slice(term.name, term.indices[:rest])


def span(name: str, start: int, stop: int) -> PageList:
    """The list of pages *start* to *stop* (exclusive) of mapping or handle *name*."""
    return PageList((Slice(name, range(start, stop)),))


def joined(lists: Iterable[PageList]) -> PageList:
    """The concatenation of *lists*."""
    return PageList(tuple(term for pages in lists for term in pages.terms))


def from_entries(entries: Sequence[Entry]) -> PageList:
    """*entries* (at least one) as a list of ascending or descending slices, some repeated."""
    terms: list[Slice] = []
    at = 0
    while at < len(entries):
        name, first = entries[at]
        run = _run(entries, at)
        step = run[1][1] - run[0][1] if len(run) > 1 else 1
        times = 1
        while entries[at + times * len(run) : at + (times + 1) * len(run)] == run:
            times += 1
        terms.append(Slice(name, range(first, first + step * len(run), step), times))
        at += times * len(run)
    return PageList(tuple(terms))


def _run(entries: Sequence[Entry], at: int) -> Sequence[Entry]:
    """As many entries from *at* on as have one name, and indices that rise, or fall, by 1."""
    name, first = entries[at]
    for step in (1, -1):
        stop = at + 1
        while stop < len(entries) and entries[stop] == (name, first + step * (stop - at)):
            stop += 1
        if stop > at + 1:
            return entries[at:stop]
    return entries[at : at + 1]
