# SPDX-License-Identifier: MIT

"""Tells of each changed line of a tree whether it was under test, and whether it ran."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher
from functools import cached_property

from attrs import frozen

from model.kernel.source.conditions import COMMENT, active, settled, stacks
from model.kernel.source.cut import SHIM
from model.kernel.source.items import Item, items, words
from model.kernel.source.tree import Tree
from model.under_test import Changed, Fate, Function, UnderTest

#: Files of these types are code; others are not looked at.
CODE = (".c", ".h", ".S", ".rs")

#: Lines inside a function that have no code of their own.
BARE = re.compile(r"[{}();\s]*(?:(?:else|do)\b[{\s]*)?|#\s*(?!define\b).*")
DECLARATION = re.compile(
    r"(?!return\b|goto\b|break\b|continue\b|else\b)(?:\w+[\s*]+)+\w+(?:\[\w*\])*"
    r"(?:\s*,\s*\**\w+(?:\[\w*\])*)*;"
)

#: A line after which another statement begins, if its parentheses are closed.
ENDED = re.compile(r"[;{}:)]$|^$|^#|\b(?:else|do)$")

#: Text outside of functions that compiles to nothing here: prototypes, exports, includes.
OUTSIDE = re.compile(
    r"EXPORT_\w+\(\w+\);?|#\s*(?:include|undef|pragma|error|warning)\b.*"
    r"|(?:\w+[\s*]+)+\w+\([^{}=]*\)[^{}=]*;|(?:struct|union|enum)\s+\w+;"
)


@frozen
class _File:
    """A file that was changed.

    :param lines: Its lines without comments.
    :param kept: For each line, whether the preprocessor keeps it.
    :param items: What it defines, as far as it is kept.
    """

    lines: list[str]
    kept: list[bool]
    items: list[Item]

    def at(self, line: int) -> Item | None:
        """The definition that *line* belongs to."""
        return next((one for one in self.items if one.line <= line <= one.last), None)

    def statement(self, line: int) -> tuple[int, int]:
        """The first and last line of the statement that *line* belongs to, or of its head."""
        first = last = line
        while first > 1 and (
            self._depth(first, line) < 0 or not ENDED.search(self.lines[first - 2])
        ):
            first -= 1
        while last < len(self.lines) and (
            self._depth(first, last) > 0 or not ENDED.search(self.lines[last - 1])
        ):
            last += 1
        return first, last

    def _depth(self, first: int, last: int) -> int:
        """How many parentheses are open after the lines *first* to *last*."""
        text = "".join(self.lines[first - 1 : last])
        return text.count("(") - text.count(")")

    def code(self, line: int) -> str:
        """The text of the statement that *line* belongs to."""
        first, last = self.statement(line)
        return " ".join(self.lines[first - 1 : last])


class Changes:
    """The changed lines of a tree.

    :param flags: Compiler flags that decide which lines the preprocessor keeps.
    :param cut: The names of all definitions that were compiled.
    """

    def __init__(
        self, tree: Tree, compiler: str, flags: tuple[str, ...], cut: AbstractSet[str]
    ) -> None:
        self._tree = tree
        self._cut = cut
        before = tree.edits.before or tree.files
        self._files = [
            (file, _file(file, text, compiler, flags), [*_lines(before.get(file, ""), text, file)])
            for file, text in tree.files.items()
            if text != before.get(file, "")
        ]

    def lines(self, ran: UnderTest) -> list[Changed]:
        """Each changed line, and what became of it; *ran* is what ran."""
        used = _Used(self._tree, self._cut, ran)
        found = []
        for name, file, lines in self._files:
            functions = {one.name: one for one in ran.functions if one.file == name}
            judge = _Judge(file, self._cut, functions, used)
            for line, removed in lines:
                item = file.at(line)
                fate = judge.removed(line, item) if removed else judge.fate(line, item)
                found.append(Changed(name, line, item.names[0] if item else "", fate))
        for part in self._tree.edits.unread:
            if part.file.endswith(CODE):
                found += [Changed(part.file, *at, Fate.OUTSIDE) for at in part.changed()]
        return found


def _file(file: str, text: str, compiler: str, flags: tuple[str, ...]) -> _File:
    under = stacks(text)
    holding = settled({one for one in under if one is not None}, compiler, SHIM / "config.h", flags)
    return _File(
        lines=[line.strip() for line in _uncommented(text).split("\n")],
        kept=[stack is None or stack in holding for stack in under],
        items=list(items(file, active(text, under, holding))),
    )


def _uncommented(text: str) -> str:
    """*text* without comments, with the same lines."""
    return COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)


def _lines(old: str, new: str, file: str) -> Iterator[tuple[int, bool]]:
    """The lines of *new* that are changed, and whether there code was only removed before them.

    Definitions that are removed altogether do not count.
    """
    left = {name for item in items(file, new) for name in item.names}
    gone = [item for item in items(file, old) if left.isdisjoint(item.names)]
    was, now = old.split("\n"), new.split("\n")
    bare = _uncommented(old).split("\n")
    for tag, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        yield from ((line, False) for line in range(c + 1, d + 1))
        code = [n + 1 for n in range(a, b) if not BARE.fullmatch(bare[n].strip())]
        if c == d and any(not any(i.line <= n <= i.last for i in gone) for n in code):
            yield min(c + 1, len(now)), True


@frozen
class _Judge:
    """Judges the changed lines of one file.

    :param functions: Its functions under test, by name.
    """

    file: _File
    cut: AbstractSet[str]
    functions: dict[str, Function]
    used: _Used

    def fate(self, line: int, item: Item | None) -> Fate:
        """What became of *line*, which belongs to *item*."""
        text = self.file.lines[line - 1]
        if BARE.fullmatch(text):
            return Fate.NO_CODE
        if not self.file.kept[line - 1]:
            return Fate.OFF
        if item is None and OUTSIDE.fullmatch(self.file.code(line)):
            return Fate.NO_CODE
        if item is None or self.cut.isdisjoint(item.names):
            return Fate.OUTSIDE
        if item.kind != "function":
            return self.used.fate(item, text)
        counts = self._counts(item)
        if line - item.line <= item.head.count("\n"):
            return Fate.RAN if any(counts.values()) else Fate.NEVER
        if line in counts:
            return Fate.RAN if counts[line] else Fate.NEVER
        if DECLARATION.fullmatch(self.file.code(line)):
            return Fate.NO_CODE
        first, last = self.file.statement(line)
        return Fate.RAN if any(counts.get(n) for n in range(first, last + 1)) else Fate.NEVER

    def removed(self, line: int, item: Item | None) -> Fate:
        """What became of the code that was removed before *line*, which belongs to *item*."""
        if item is None or self.cut.isdisjoint(item.names):
            return Fate.OUTSIDE
        if item.kind != "function":
            return self.used.fate(item, "")
        counts = self._counts(item)
        lines = sorted(counts)
        beside = [*[n for n in lines if n < line][-1:], *[n for n in lines if n >= line][:1]]
        return Fate.RAN if any(counts[n] for n in beside) else Fate.NEVER

    def _counts(self, item: Item) -> Mapping[int, int]:
        """How often each line of code of the function *item* ran."""
        function = self.functions.get(item.names[0])
        return function.lines if function else {}


class _Used:
    """The names that lines mention which ran, themselves or by way of macros and types."""

    def __init__(self, tree: Tree, cut: AbstractSet[str], ran: UnderTest) -> None:
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
        waiting = [name for one in self._ran.functions if one.ran for name in self._in(one)]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += mentioned.get(name, ())
        return found

    def _in(self, function: Function) -> frozenset[str]:
        """The names in the head of *function* and in its lines that ran."""
        lines = self._tree.files[function.file].split("\n")
        head = range(function.line, min(function.lines, default=function.line))
        ran = (n for n, count in function.lines.items() if count)
        return words(" ".join(lines[n - 1] for n in (*head, *ran)))
