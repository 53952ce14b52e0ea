# SPDX-License-Identifier: MIT

"""Tells of each changed line of a tree whether it was under test, and whether it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from itertools import groupby

from attrs import frozen

from model.kernel.source.conditions import active, settled, stacks
from model.kernel.source.cut import FIRST, LAST, SECOND, SHIM
from model.kernel.source.diff import CODE
from model.kernel.source.difference import Place, Text, places
from model.kernel.source.items import Item, items, words
from model.kernel.source.lines import (
    BARE,
    BEFORE,
    CONDITION,
    DECLARATION,
    OUTSIDE,
    Lines,
    lines,
)
from model.kernel.source.tree import Tree
from model.under_test import Changed, Fate, Function, UnderTest


@frozen
class _File:
    """A file as it is compiled.

    :param kept: For each line, whether the preprocessor keeps it.
    :param items: What it defines, as far as it is kept.
    """

    lines: Lines
    kept: list[bool]
    items: list[Item]

    def at(self, line: int) -> Item | None:
        """The definition that *line* belongs to."""
        return next((one for one in self.items if one.line <= line <= one.last), None)

    def named(self, names: tuple[str, ...]) -> Item | None:
        """The definition with one of *names*."""
        return next((one for one in self.items if not {*names}.isdisjoint(one.names)), None)


class Changes:
    """The changed lines of a tree.

    :param flags: Compiler flags that decide which lines the preprocessor keeps.
    :param cut: The file and line of each definition that was compiled, ``mm/gup.c:264``, by name.
    """

    def __init__(
        self, tree: Tree, compiler: str, flags: tuple[str, ...], cut: Mapping[str, str]
    ) -> None:
        self._tree = tree
        self._cut = cut
        before = tree.edits.before or tree.files
        self._files = []
        for file, now in tree.files.items():
            was = before.get(file, "")
            if now != was:
                old, new = Text(file, was), Text(file, now)
                read = (_file(old, compiler, flags), _file(new, compiler, flags))
                self._files.append((file, *read, places(old, new)))

    def lines(self, ran: UnderTest) -> list[Changed]:
        """Each changed line, and what became of it; *ran* is what ran."""
        used = _Used(self._tree, self._cut, ran)
        found = []
        for name, old, new, changed in self._files:
            functions = {one.name: one for one in ran.functions if one.file == name}
            judge = _Judge(name, old, new, self._cut, functions, used)
            found += [one for place in changed for one in judge.at(place)]
        for part in self._tree.edits.unread:
            if part.file.endswith(CODE):
                found += [Changed(part.file, *at, Fate.OUTSIDE) for at in part.changed()]
        return found


def _file(of: Text, compiler: str, flags: tuple[str, ...]) -> _File:
    under = stacks(of.text)
    holding = settled({one for one in under if one is not None}, compiler, SHIM / "config.h", flags)
    return _File(
        lines=of.lines,
        kept=[stack is None or stack in holding for stack in under],
        items=list(items(of.file, active(of.text, under, holding))),
    )


@frozen
class _Judge:
    """Judges the changed lines of one file.

    :param functions: Its functions under test, by name.
    """

    name: str
    old: _File
    new: _File
    cut: Mapping[str, str]
    functions: dict[str, Function]
    used: _Used

    def at(self, place: Place) -> Iterator[Changed]:
        """What became of the lines at *place*."""
        for line in place.added:
            item = self.new.at(line)
            name = self._name(line, item)
            yield Changed(self.name, line, name, self._fate(line, item))
        told = dict.fromkeys(self._removed(line, place) for line in place.removed)
        line = min(place.below, len(self.new.kept))
        yield from (Changed(self.name, line, *one) for one in told if one)

    def _name(self, line: int, item: Item | None) -> str:
        """The name of *item*, or the one that *line* defines."""
        if item is None:
            return ""
        here = words(self.new.lines.text[line - 1])
        return next((name for name in item.names if name in here), item.names[0])

    def _is_cut(self, item: Item | None) -> bool:
        """Whether *item*, and not another definition of its name, was compiled."""
        return item is not None and any(
            self.cut.get(name) == f"{item.file}:{item.line}" for name in item.names
        )

    def _fate(self, line: int, item: Item | None) -> Fate:
        """What became of *line*, which belongs to *item*."""
        text = self.new.lines.text[line - 1]
        if CONDITION.match(text):
            return self._condition(line + 1)
        if self.new.lines.bare(line):
            return Fate.NO_CODE
        if not self.new.kept[line - 1]:
            return Fate.OFF
        if item is None and OUTSIDE.fullmatch(self.new.lines.code(line)):
            return Fate.NO_CODE
        if item is None or not self._is_cut(item):
            return Fate.OUTSIDE
        if item.kind != "function":
            return self.used.fate(item, text)
        counts = self._counts(item)
        if line - item.line <= item.head.count("\n"):
            return Fate.RAN if any(counts.values()) else Fate.NEVER
        if line not in counts:
            if DECLARATION.fullmatch(self.new.lines.code(line)):
                return Fate.NO_CODE
            if BEFORE.fullmatch(text):
                line = next((n for n in sorted(counts) if n > line), line)
            else:
                line = self._counted(line, counts)
        return Fate.RAN if counts.get(line) else Fate.NEVER

    def _counts(self, item: Item) -> Mapping[int, int]:
        """How often each line of code of the function *item* ran."""
        function = self.functions.get(item.names[0])
        return function.lines if function else {}

    def _condition(self, line: int) -> Fate:
        """What became of a condition of the preprocessor: as the code does, from *line* on."""
        last = len(self.new.kept)
        while line <= last and BARE.fullmatch(self.new.lines.text[line - 1]):
            if self.new.lines.text[line - 1].startswith("#endif"):
                return Fate.NO_CODE
            line += 1
        return self._fate(line, self.new.at(line)) if line <= last else Fate.NO_CODE

    def _counted(self, line: int, counts: Mapping[int, int]) -> int:
        """A line of the statement of *line* that ran; one that is counted; or else *line*."""
        first, last = self.new.lines.statement(line)
        counted = [n for n in range(first, last + 1) if n in counts]
        return max(counted, key=lambda n: bool(counts[n]), default=line)

    def _removed(self, line: int, place: Place) -> tuple[str, Fate] | None:
        """The function and the fate of *line* of the old file; None if that is told elsewhere."""
        text = self.old.lines.text[line - 1]
        item = self.old.at(line)
        name = item.names[0] if item else ""
        if CONDITION.match(text):
            return name, self._condition(place.below)
        if not self.old.kept[line - 1]:
            return name, Fate.OFF
        if item is None and OUTSIDE.fullmatch(self.old.lines.code(line)):
            return None
        now = self.new.named(item.names) if item else None
        if now is None or not self._is_cut(now):
            return name, Fate.OUTSIDE
        if now.kind != "function":
            return name, self.used.fate(now, "")
        function = self.functions.get(name)
        if function is None or not function.ran:
            return name, Fate.NEVER
        fate = self._beside(self.old.lines.statement(line)[0], place, function)
        return (name, fate) if fate else None

    def _beside(self, line: int, place: Place, function: Function) -> Fate | None:
        """Whether statements beside *place* in the block of *line* of the old file ran.

        None if the block was removed with *line*.
        """
        level = self.old.lines.levels[line - 1]
        whole = self.old.lines.beside(line - 1, level - 1, -1) >= place.first
        opened = not whole
        up = range(place.above + 1 if whole else 0, place.below)
        for start, step in ((place.below, 1), (place.below - 1, -1), (place.above, -1)):
            at = start
            while at := self.new.lines.beside(at, level, step):
                if step < 0 and at not in up:
                    break
                if self.new.lines.levels[at - 1] < level and at != function.last:
                    opened = opened or (step < 0 and self.new.lines.opens(at))
                    break
                counted = self._counted(at, function.lines)
                if counted in function.lines:
                    return Fate.RAN if function.lines[counted] else Fate.NEVER
                at += step
        return Fate.NEVER if opened else None


class _Used:
    """The names that lines mention which ran, themselves or by way of macros and types."""

    def __init__(self, tree: Tree, cut: Mapping[str, str], ran: UnderTest) -> None:
        self._tree = tree
        self._cut = cut
        self._ran = ran

    def fate(self, item: Item, text: str) -> Fate:
        """What became of a line *text* of *item*, which is no function."""
        names = {*item.names}
        named = names & words(text)
        return Fate.RAN if (named or names) & self._names else Fate.NEVER

    @cached_property
    def _names(self) -> set[str]:
        mentioned: dict[str, frozenset[str]] = {}
        for file, text in self._tree.files.items():
            for item in items(file, text):
                if item.kind != "function":
                    mentioned.update((n, item.uses) for n in item.names if n in self._cut)
        waiting = [*_shim()]
        for file, functions in groupby(self._ran.functions, lambda one: one.file):
            of = lines(self._tree.files[file])
            waiting += [name for one in functions if one.ran for name in _in(one, of)]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += mentioned.get(name, ())
        return found


def _in(function: Function, of: Lines) -> frozenset[str]:
    """The names in *function*, a function in *of*, but for statements that never ran."""
    counts = function.lines
    body = min((n for n in counts if n > function.line), default=function.last)
    found = [of.text[n - 1] for n in range(function.line, body)]
    for line in range(body, function.last + 1):
        first, last = of.statement(line)
        counted = [counts[n] for n in range(first, last + 1) if n in counts]
        declares = not counted and DECLARATION.fullmatch(of.code(line))
        if counts.get(line) or declares or (line not in counts and any(counted)):
            found.append(of.text[line - 1])
    return words(" ".join(found))


@cache
def _shim() -> frozenset[str]:
    """The names that headcount's own code around the functions mentions."""
    return words(" ".join((SHIM / name).read_text() for name in (*FIRST, *SECOND, *LAST)))
