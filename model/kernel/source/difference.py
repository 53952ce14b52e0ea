# SPDX-License-Identifier: MIT

"""Compares two texts of a C file: the lines that were changed, and where code was only removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import TypeAlias

from attrs import field, frozen

from model.kernel.source.items import Item, items
from model.kernel.source.lines import TOKEN, Lines, lines

#: A line with the column at which it begins.
Comparable: TypeAlias = tuple[int, str]

#: What `SequenceMatcher` says of a stretch of lines: what, and where in the old and the new text.
Code: TypeAlias = tuple[str, int, int, int, int]


@frozen(slots=False)
class Text:
    """A file of C, whatever its conditions.

    :param items: Its definitions. One name can have several, in different branches of ``#if``.
    """

    file: str
    text: str
    lines: Lines = field(init=False)
    items: list[Item] = field(init=False)

    @lines.default
    def _lines(self) -> Lines:
        return lines(self.text)

    @items.default
    def _items(self) -> list[Item]:
        return [*items(self.file, self.text)]

    @cached_property
    def same(self) -> dict[tuple[str, ...], Item]:
        """The items by their code, without comments and without space that means nothing."""
        return {self._tokens(item): item for item in self.items}

    def _tokens(self, item: Item) -> tuple[str, ...]:
        text = "\n".join(self.lines.text[item.line - 1 : item.last])
        if item.kind == "macro":
            return tuple(text.split())
        return tuple(TOKEN.findall(text))

    def code(self, item: Item) -> Iterator[int]:
        """The lines of *item* that are not blank."""
        return (n for n in range(item.line, item.last + 1) if self.lines.text[n - 1])


@frozen
class Place:
    """A place where lines were changed.

    :param added: The lines that are there now, but for those of definitions that are the same.
    :param removed: Lines of code that were there, at a depth at which no code is there now.
    :param first: The first line that was there.
    :param above: The last line before the place.
    :param below: The first line after it.
    """

    added: tuple[int, ...]
    removed: tuple[int, ...]
    first: int
    above: int
    below: int


def places(old: Text, new: Text) -> list[Place]:
    """Where *new* differs from *old* in code, comments and directives left out of account.

    Definitions that were only moved, reformatted, or removed altogether do not count.
    """
    was, now = _comparable(old.lines), _comparable(new.lines)
    codes = SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
    found = [code[1:] for code in _slid(codes, was, now) if code[0] != "equal"]
    same = old.same.keys() & new.same.keys()
    kept = _all(new.same[one] for one in same)
    gone = _all(old.same[one] for one in same) | _gone(old, new, found)
    return [one for one in (_place(old, new, kept, gone, *region) for region in found) if one]


def _comparable(of: Lines) -> list[Comparable]:
    return [(level if text else 0, text) for level, text in zip(of.levels, of.text, strict=True)]


def _slid(
    codes: Sequence[Code], was: Sequence[Comparable], now: Sequence[Comparable]
) -> list[Code]:
    """*codes*, with lines that were only added or removed moved among lines that are the same.

    The diff of two error branches of which one is new may begin in the middle of the other one:
    here it begins with the least deep of its lines, as git's does.
    """
    found = [*codes]
    for n, (tag, a, b, c, d) in enumerate(codes):
        lines, start, stop = (was, a, b) if tag == "delete" else (now, c, d)
        if tag not in {"delete", "insert"}:
            continue
        before = codes[n - 1][2] - codes[n - 1][1] if n else 0
        after = codes[n + 1][2] - codes[n + 1][1] if n + 1 < len(codes) else 0
        by = _slide(lines, start, stop, before, after)
        found[n] = (tag, a + by, b + by, c + by, d + by)
    return found


def _slide(lines: Sequence[Comparable], start: int, stop: int, before: int, after: int) -> int:
    """By how many lines to move *start* and *stop*; the number of equal lines bounds that."""
    moves = [0]
    while -moves[-1] < before and lines[start + moves[-1] - 1] == lines[stop + moves[-1] - 1]:
        moves.append(moves[-1] - 1)
    moves.append(0)
    while moves[-1] < after and lines[start + moves[-1]] == lines[stop + moves[-1]]:
        moves.append(moves[-1] + 1)

    def depth(by: int) -> int:
        return next((level for level, text in lines[start + by : stop + by] if text), 0)

    return min(moves, key=lambda by: (depth(by), -by))


def _place(
    old: Text, new: Text, kept: set[int], gone: set[int], a: int, b: int, c: int, d: int
) -> Place | None:
    added = tuple(n for n in range(c + 1, d + 1) if n not in kept)
    removed = [n for n in range(a + 1, b + 1) if n not in gone and not old.lines.bare(n)]
    levels = {new.lines.level(n) for n in added if not new.lines.bare(n)}
    left = tuple(n for n in removed if old.lines.level(n) not in levels)
    if not added and not left:
        return None
    return Place(added, left, a + 1, c, d + 1)


def _gone(old: Text, new: Text, found: Iterable[tuple[int, int, int, int]]) -> set[int]:
    """The lines of *old* in definitions of which no line, or not even the name, is left."""
    names = {name for item in new.items for name in item.names}
    changed = {n for a, b, _, _ in found for n in range(a + 1, b + 1)}
    return _all(
        (i for i in old.items if names.isdisjoint(i.names) or changed.issuperset(old.code(i))),
    )


def _all(found: Iterable[Item]) -> set[int]:
    return {n for item in found for n in range(item.line, item.last + 1)}
