# SPDX-License-Identifier: MIT

"""Parses traces to programs, and layouts to mappings. Nothing is executed.

Each line is one statement in a small part of Python's grammar, parsed separately with
`ast.parse`. Parsing a whole file in one piece would use 800 MB of memory for 10^5 steps, and
raise MemoryError if nested too deeply.
"""

import ast
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from model.attributes import DEFAULTS, PLAIN, Attributes
from model.contents import contents
from model.errors import BadInput, about
from model.literals import VALUES, boolean, brackets, shortened, string, whole_number
from model.mapping import FIRST_PFN, Extent, Mapping, default_pfn, placed
from model.program import HEADER, LINE_LIMIT, VERSION, Checker, Program, check_frames, check_kind
from model.progress import tell
from model.semantics import MAX_ORDER, Semantics, semantics
from model.step import Step, shown
from model.steps import STEPS

T = TypeVar("T")

#: Maximum number of bytes of a trace or a layout, and of lines. The longest programs of searches
#: have 100,000 steps, some 4 MiB.
MAX_BYTES, MAX_LINES = 1 << 25, 1 << 18

#: How many lines are read from one telling to the next.
LINES_TOLD = 1 << 12

_NAME = re.compile(r"[a-z][a-z0-9_]{0,15}")


def read_program(path: Path) -> Program:
    """The program in the trace at *path*, or BadInput with file and line."""
    return _read(path, parse_program)


def read_layout(path: Path) -> tuple[Mapping, ...]:
    """The mappings in the layout at *path*, or BadInput with file and line."""
    return _read(path, parse_layout)


def _read(path: Path, parse: Callable[[str], T]) -> T:
    with about(path):
        try:
            text = contents(path, MAX_BYTES, "a trace or a layout").decode()
        except UnicodeDecodeError:
            raise BadInput("not a text file") from None
        return parse(text)


def parse_program(text: str) -> Program:
    """The program of the trace *text*, or BadInput with the line of the first error."""
    reader = _Reader()
    reader.read(text)
    if reader.semantics is None:
        raise BadInput('no semantics("…") line')
    if not reader.steps:
        raise BadInput("no steps: is the trace truncated?")
    return Program(
        tuple(reader.mappings),
        tuple(reader.steps),
        reader.semantics,
        reader.misuse,
        tuple(reader.comments),
        tuple(reader.lines),
    )


def parse_layout(text: str) -> tuple[Mapping, ...]:
    """The mappings of the layout *text*, a trace without steps; errors as for traces."""
    reader = _Reader(layout=True)
    reader.read(text)
    if not reader.mappings:
        raise BadInput("no mappings: is the layout truncated?")
    return tuple(reader.mappings)


class _Reader:
    """Parses a trace line by line, and keeps what the lines so far define."""

    def __init__(self, *, layout: bool = False) -> None:
        self.comments: list[str] = []
        self.mappings: list[Mapping] = []
        self.steps: list[Step] = []
        self.lines: list[int] = []
        self.semantics: Semantics | None = None
        self.misuse = False
        self._layout = layout
        self._names: set[str] = set()
        self._mapping_lines: list[int] = []
        self._end = FIRST_PFN - 1
        self._checker: Checker | None = None

    def read(self, text: str) -> None:
        if "\0" in text:
            raise BadInput("not a text file")
        # As other systems' editors write text: with a byte order mark, and with CR LF.
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        if text.count("\n") > MAX_LINES:
            raise BadInput(f"has more than {MAX_LINES:,} lines, the most that headcount reads")
        lines = text.split("\n")
        match = re.fullmatch(r"# headcount ([1-9][0-9]{0,8})", lines[0])
        if match is None:
            raise BadInput(f"does not start with {HEADER!r}", line=1)
        if int(match[1]) != VERSION:
            msg = f"unknown format version {match[1]}; this headcount reads version {VERSION}"
            raise BadInput(msg, line=1)
        if lines[-1]:
            msg = "the last line does not end with a newline: is the file truncated?"
            raise BadInput(msg, line=len(lines))
        for number, line in enumerate(lines[1:-1], start=2):
            if number % LINES_TOLD == 0:
                tell(f"reading line {number:,} of {len(lines):,}")
            try:
                self._line(line)
                self.lines += [number] * (len(self.steps) - len(self.lines))
                new = len(self.mappings) - len(self._mapping_lines)
                self._mapping_lines += [number] * new
            except BadInput as err:
                raise err.at(line=number) from None
        if self._checker is None:
            check_frames(self.mappings, self._mapping_lines)

    def _line(self, line: str) -> None:
        if len(line.encode()) > LINE_LIMIT:
            raise BadInput(f"the line is longer than {LINE_LIMIT} bytes")
        line = line.strip()
        if line.startswith("#"):
            if self.semantics is None and not self.mappings:
                self.comments.append(line[1:].removeprefix(" "))
            return
        if not line:
            return
        name, call = _statement(line)
        function = call.func.id if isinstance(call.func, ast.Name) else ""
        if function == "semantics" and not name:
            self._semantics(call)
        elif function == "mapping" and name:
            self._mapping(name, call)
        elif function in STEPS and not self._layout:
            self._step(name, STEPS[function], call)
        elif function in STEPS:
            raise BadInput(f"a layout can only have mappings, not {function}(…)")
        else:
            called = function or shortened(call.func)
            raise BadInput(f"unknown call {f'{name} = ' if name else ''}{called}(…)")

    def _semantics(self, call: ast.Call) -> None:
        if self.semantics is not None or self.mappings:
            raise BadInput("semantics(…) must come once, before everything else")
        arguments = _arguments(call, ["version"], {"misuse"})
        self.semantics = semantics(string(arguments["version"]))
        self.misuse = "misuse" in arguments and boolean(arguments["misuse"])

    def _mapping(self, name: str, call: ast.Call) -> None:
        if self.semantics is None and not self._layout:
            raise BadInput('semantics("…") must come first')
        if self._checker is not None:
            raise BadInput("mappings must come before the first step")
        _check_name(name)
        if name in self._names:
            raise BadInput(f"{name} is defined twice")
        arguments = _arguments(call, ["kind"], {"orders", "pfn", "refs", *DEFAULTS})
        if "orders" not in arguments:
            raise BadInput("mapping(…) needs orders=[…]")
        groups = brackets(arguments["orders"])
        extents = self._place(groups, arguments.get("pfn"))
        refs = whole_number(arguments["refs"]) if "refs" in arguments else 1
        mapping = Mapping(name, string(arguments["kind"]), extents, refs, _attributes(arguments))
        if self.semantics is not None:
            check_kind(mapping, self.semantics)
        orders = (order for bracket in groups for order, _ in bracket)
        if len(mapping.text(default_pfn(self._end, orders))) > LINE_LIMIT:
            raise BadInput(f"the line is longer than {LINE_LIMIT} bytes as headcount writes it")
        self.mappings.append(mapping)
        self._names.add(name)
        self._end = max(self._end, mapping.stop)

    def _place(
        self, groups: list[list[tuple[int, int]]], pfn: ast.expr | None
    ) -> tuple[Extent, ...]:
        flat = [run for bracket in groups for run in bracket]
        for order, _ in flat:
            if not 0 <= order <= MAX_ORDER:
                raise BadInput(f"order {order} is not in 0..{MAX_ORDER}")
        if pfn is None:
            return placed(flat, default_pfn(self._end, (order for order, _ in flat)))
        if isinstance(pfn, ast.List):
            starts = [whole_number(element) for element in pfn.elts]
            if len(starts) != len(groups):
                raise BadInput(f"{len(starts)} frames in pfn= for {len(groups)} lists of orders")
        else:
            starts = [whole_number(pfn)]
            groups = [flat]
        extents: list[Extent] = []
        for bracket, start in zip(groups, starts, strict=True):
            order, _ = bracket[0]
            if start % (1 << order):
                raise BadInput(f"pfn={start:#x} is not aligned to order {order}")
            extents += placed(bracket, start)
        return tuple(extents)

    def _step(self, name: str, cls: type[Step], call: ast.Call) -> None:
        if self.semantics is None:
            raise BadInput('semantics("…") must come first')
        if not self.mappings:
            raise BadInput("no mappings before the first step")
        if self._checker is None:
            check_frames(self.mappings, self._mapping_lines)
            self._checker = Checker(self.mappings)
        if bool(name) != bool(cls.name_field()):
            if name:
                raise BadInput(f"{cls.call}(…) returns nothing to name")
            raise BadInput(f"{cls.call}(…) needs a name: h1 = {cls.call}(…)")
        step = _step(name, cls, call)
        self._checker.step(step)
        self.steps.append(step)


def _attributes(arguments: dict[str, ast.expr]) -> Attributes:
    """The attributes among the *arguments* of a mapping."""
    given: dict[str, Any] = {
        name: (boolean if isinstance(default, bool) else string)(arguments[name])
        for name, default in DEFAULTS.items()
        if name in arguments
    }
    return Attributes(**given) if given else PLAIN


def _step(name: str, cls: type[Step], call: ast.Call) -> Step:
    attributes = shown(cls)
    first, *rest = attributes
    kinds = {a.name: a.metadata["kind"] for a in attributes} | {"cpu": "int"}
    flags = [a.name for a in rest if a.metadata["kind"] == "flags"]
    given = [first.name, *flags[: max(0, len(call.args) - 1)]]
    keywords = {a.name for a in rest} - set(flags) | {"cpu"}
    arguments = _arguments(call, given, keywords)
    values = {key: VALUES[kinds[key]](value) for key, value in arguments.items()}
    if not 0 <= values.get("cpu", 0) < 256:
        raise BadInput(f"cpu={values['cpu']} is not in 0..255")
    for a in rest:
        if a.name == "make_dirty" and a.name not in values:
            raise BadInput(f"{cls.call}(…) needs make_dirty=True or make_dirty=False")
    if name:
        _check_name(name)
        values[cls.name_field()] = name
    return cls(**values)


def _statement(line: str) -> tuple[str, ast.Call]:
    """The name and the call of ``name = call(…)``, or "" and the call of ``call(…)``.

    :param line: One line without surrounding white space.
    :raises BadInput: if *line* has neither form.
    """
    try:
        with warnings.catch_warnings():
            # Python's SyntaxWarnings do not matter, as the line is not executed.
            warnings.simplefilter("ignore")
            body = ast.parse(line).body
    except SyntaxError as err:
        raise BadInput(f"not a statement: {err.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise BadInput("not a statement: nested too deeply") from None
    match body:
        case [ast.Expr(value=ast.Call() as call)]:
            return "", call
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call)]:
            return name, call
    raise BadInput("not a call, and not an assignment of one")


def _check_name(name: str) -> None:
    """Raise BadInput if a mapping or handle may not have *name*."""
    if not _NAME.fullmatch(name) or name == "sg":
        raise BadInput(f"bad name {name!r}: use up to 16 of a-z, 0-9 and _, a letter first; not sg")


def _arguments(call: ast.Call, positional: list[str], keywords: set[str]) -> dict[str, ast.expr]:
    """The arguments of *call* by name: all of *positional*, any of *keywords*.

    :raises BadInput: if one is missing, unknown or repeated.
    """
    if len(call.args) != len(positional):
        wanted = ", ".join(positional)
        raise BadInput(f"{ast.unparse(call.func)}(…) takes {wanted} first, then keywords")
    arguments = dict(zip(positional, call.args, strict=True))
    for keyword in call.keywords:
        if keyword.arg in arguments:
            raise BadInput(f"{ast.unparse(call.func)}(…) has {keyword.arg} twice")
        if keyword.arg not in keywords:
            raise BadInput(f"{ast.unparse(call.func)}(…) has no keyword {keyword.arg}")
        arguments[keyword.arg] = keyword.value
    return arguments
