# SPDX-License-Identifier: MIT

"""What was under test, as lines of text and as JSON: functions, lines that ran, changed lines."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import evolve, frozen

from model.abilities import Unheard
from model.under_test import Changed, Fate, UnderTest, ranges
from properties.candidates import Spec
from properties.reports.labels import TEXT_WIDTH, labelled
from properties.reports.unheard import unheard_lines

#: Fates of changed lines of code that did not run, in the order in which they are named.
LEFT = (Fate.OFF, Fate.OUTSIDE, Fate.NEVER)

#: Which walks of a kernel tree are never its own (model/kernel/source/shim/own.c).
LONG_LISTS = "walks of lists of 2^20 pages and more (2^19 with ,m32), which were headcount's own"

#: Maximum number of changed functions to name; --uncovered and --json name all.
MOST_NAMED = 20


@frozen
class Extent:
    """How much of a candidate was under test.

    :param under: What of it ran; None if nobody knows.
    :param changed: What became of each changed line; None if nothing was changed.
    :param unheard: What a booted kernel's probes do not hear, so that it is not judged.
    :param mapped: The attributes of mappings and kinds of races that it can have.
    """

    under: UnderTest | None = None
    changed: Sequence[Changed] | None = None
    unheard: Sequence[Unheard] = ()
    mapped: frozenset[str] = frozenset()

    @property
    def lack(self) -> str:
        """What is said in place of *agreed* if code of the candidate's own did not run.

        That is a line of code that was changed, or a method that a sketch overrides.
        """
        fates = {one.fate for one in self.changed or ()}
        calls = self.under.calls if self.under else None
        if fates.isdisjoint(LEFT) and (calls is None or (calls and all(calls.values()))):
            return ""
        ran = Fate.RAN in fates or any((calls or {}).values())
        return "partly under test" if ran else "not under test"

    def lines(self, *, listed: bool = False) -> Iterator[str]:
        """The lines to print; if *listed*, with the lines of code that never ran."""
        yield from unheard_lines(self.unheard)
        if self.under:
            yield from labelled("edits", self.under.notes)
            if self.under.unwalked:
                said = f"headcount's own, not the tree's: {self.under.unwalked}"
                yield from labelled("walks", _wrapped("", said))
            elif self.under.long_lists:
                said = f"the tree's, but for {self.under.long_lists:,} {LONG_LISTS}"
                yield from labelled("walks", _wrapped("", said))
            if self.under.left_out:
                yield from labelled("left out", _wrapped("", self.under.left_out))
        if self.changed is not None:
            yield from labelled("changed", changes(self.changed, listed=listed))
        if self.under and self.under.calls is not None:
            yield from labelled("called", calls_lines(self.under.calls))
        if self.under and (self.under.functions or self.under.unknown):
            yield from labelled("ran", coverage_lines(self.under, listed=listed))

    def json(self) -> dict[str, Any]:
        """The JSON object."""
        return as_json(self.under, self.changed) if self.under else {}


def extent(spec: Spec) -> Extent:
    """How much of the candidate of *spec* was under test so far."""
    abilities = spec.make().abilities
    known = Extent(unheard=abilities.unheard, mapped=abilities.attributes | abilities.races)
    if spec.tested is None:
        return known
    under = spec.tested.under_test()
    return evolve(known, under=under, changed=spec.tested.changes(under))


def about_lines(spec: Spec) -> Iterator[str]:
    """What is said of a candidate before it runs: what a sketch overrides."""
    if spec.about:
        yield from labelled("sketch", textwrap.wrap(spec.about, TEXT_WIDTH))


def calls_lines(calls: Mapping[str, int]) -> Iterator[str]:
    """How often each method that is overridden was called, and which never."""
    some = [f"{name} {n:,} time{'s' * (n != 1)}" for name, n in calls.items() if n]
    never = [name for name, n in calls.items() if not n]
    told = [*some, *([f"never {', '.join(never)}"] if never else [])]
    yield from textwrap.wrap("; ".join(told) or "nothing, as nothing is overridden", TEXT_WIDTH)


def coverage_lines(under: UnderTest, *, listed: bool) -> Iterator[str]:
    """Which lines of code ran; if *listed*, also those that never ran."""
    if under.unknown:
        yield f"not known which lines ran: {under.unknown}"
        return
    files = ", ".join(under.files[:2]) + (", ..." if len(under.files) > 2 else "")
    seen = f", as far as seen: {under.sample}" if under.sample else ""
    rest = "" if listed or under.ran == under.lines else "; --uncovered lists the rest"
    count = f"{under.ran} of {under.lines} lines in {len(under.functions)} functions of {files}"
    yield from textwrap.wrap(count + seen + rest, TEXT_WIDTH)
    if not listed:
        return
    for file, functions in groupby(under.functions, lambda one: one.file):
        left = [one for one in functions if one.never]
        if left:
            yield f"never ran in {file}:"
        for one in left:
            what = ranges(one.never) if one.ran else f"all of it, {one.line}-{one.last}"
            yield from _wrapped(f"  {one.name}: ", what)


def changes(changed: Sequence[Changed], *, listed: bool) -> Iterator[str]:
    """What became of the lines that were changed, by function.

    :param listed: Whether to name all functions, not only `MOST_NAMED`.
    """
    counts = {fate: sum(one.fate is fate for one in changed) for fate in (Fate.RAN, *LEFT)}
    code = sum(counts.values())
    told = [f"{count} {fate.value}" for fate, count in counts.items() if count]
    yield (
        f"{code} line{'s' * (code != 1)} of code: {'; '.join(told)}" if code else "no line of code"
    )
    named = 0
    for fate in LEFT:
        lines = list(_named([one for one in changed if one.fate is fate], fate))
        room = len(lines) if listed else max(0, MOST_NAMED - named)
        yield from lines[:room]
        if len(lines) > room:
            yield f"  {len(lines) - room} more, {fate.value}; --uncovered lists them"
        named += len(lines)


def _named(changed: Sequence[Changed], fate: Fate) -> Iterator[str]:
    where = sorted({(one.file, one.function, one.line) for one in changed})
    for (file, function), lines in groupby(where, lambda one: one[:2]):
        name = f"{function}, " if function else ""
        yield from _wrapped(f"  {fate.value}: {file}: {name}", ranges(n for *_, n in lines))


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(start + text, TEXT_WIDTH, subsequent_indent="    ")


def as_json(under: UnderTest, changed: Sequence[Changed] | None) -> dict[str, Any]:
    """The JSON object that describes what was under test, and what was changed."""
    found: dict[str, Any] = {
        "calls": under.calls,
        "unknown": under.unknown,
        "sample": under.sample,
        "edits": list(under.notes),
        "unwalked": under.unwalked,
        "left_out": under.left_out,
        "long_lists": under.long_lists,
        "lines": under.lines,
        "ran": under.ran,
        "functions": [
            {
                "name": one.name,
                "file": one.file,
                "line": one.line,
                "last": one.last,
                "lines": {str(line): count for line, count in sorted(one.lines.items())},
                "branches": one.branches,
                "taken": one.taken,
            }
            for one in under.functions
        ],
    }
    if changed is not None:
        found["changed"] = [
            {"file": c.file, "line": c.line, "function": c.function, "fate": c.fate.value}
            for c in changed
        ]
    return found
