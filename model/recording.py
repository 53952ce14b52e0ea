# SPDX-License-Identifier: MIT

"""Recordings: a program and the snapshot that a real kernel showed after each step.

A recording is text: a trace, then one line for each step::

    # recorded 6.1.0-56
    # headcount 1
    semantics("6.1")
    a = mapping("base", orders=[0, 0])
    h1 = pin_user_pages(a[0:2])
    > 2 2 0 | a[0]=1025,0,AP a[1]=1025,0,AP | |

A line holds the returned number (``-`` if none) and both statistics (acquired, released);
then the heads whose state changed (refcount, pincount, and D for dirty, A for allocated, P
for maybe pinned); then the journal of puts and dirtyings; then the places where the kernel warned.
"""

import lzma
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from attrs import evolve, frozen

from model.abilities import Abilities
from model.candidate import Candidate, Snapshot
from model.errors import BadInput
from model.mapping import Mapping
from model.page import Event, HeadState
from model.parse import parse_program
from model.program import Program

#: How the first line of a recording begins, and how the line of each snapshot begins.
FIRST = "# recorded "
STEP = "> "

#: Maximum number of bytes of an unpacked file of recordings, and of repeats of an event.
MAX_UNPACKED = 1 << 26

#: Matches a head. Groups: mapping, position, refcount, pincount, flags.
HEAD = re.compile(r"(\w+)\[(\d+)\]=(-?\d+),(-?\d+),(D?A?P?)")
#: Matches an event. Groups: what, mapping, position, references, D if page was dirty, repeats.
EVENT = re.compile(r"(put|dirty)\((\w+)\[(\d+)\],(-?\d+)(,D)?\)(?:\*(\d+))?")
#: Matches a snapshot. Groups: returned number, acquired, released, heads, journal, warnings.
LINE = re.compile(r"> (-|-?\d+) (-?\d+) (-?\d+) \|(.*)\|(.*)\|(.*)")


@frozen
class Recording:
    """The snapshots that *kernel* showed of *program*, one for each step."""

    kernel: str
    program: Program
    snapshots: tuple[Snapshot, ...]

    def text(self) -> str:
        """The recording as text; parsing it gives an equal recording."""
        names = _Names(self.program.mappings)
        lines = [names.line(snapshot) for snapshot in self.snapshots]
        return f"{FIRST}{self.kernel}\n{self.program.text()}" + "".join(f"{x}\n" for x in lines)


class RecordedKernel(Candidate):
    """A candidate that shows the snapshots of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def abilities(self) -> Abilities:
        version = self._recording.program.semantics.version
        return Abilities(f"recording of {self._recording.kernel}", semantics=frozenset({version}))

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """The recorded snapshots, or BadInput if *program* is not the recorded one."""
        known = self._recording.program
        for index, snapshot in enumerate(self._recording.snapshots):
            if (program.mappings, program.steps[index]) != (known.mappings, known.steps[index]):
                raise BadInput(f"step {index + 1} was not recorded")
            yield snapshot


def parse_recording(text: str) -> Recording:
    """The recording in *text*, or BadInput with the line number."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith(FIRST):
        raise BadInput(f"a recording begins with '{FIRST.strip()}' and the kernel", line=1)
    at = next((i for i, line in enumerate(lines) if line.startswith(STEP)), len(lines))
    try:
        program = parse_program("\n".join(lines[1:at]) + "\n")
    except BadInput as err:
        raise BadInput(err.reason, line=err.line + 1 if err.line else 0) from None
    if len(lines) - at != len(program.steps):
        msg = f"{len(program.steps)} steps, but {len(lines) - at} lines of snapshots"
        raise BadInput(msg, line=len(lines))
    names = _Names(program.mappings)
    shown = [names.snapshot(line, number) for number, line in enumerate(lines[at:], at + 1)]
    program = evolve(program, lines=())
    return Recording(lines[0].removeprefix(FIRST).strip(), program, tuple(shown))


class _Names:
    """Converts between frames and page names (mapping and position) in a recording."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._mappings = {mapping.name: mapping for mapping in mappings}

    def _name(self, pfn: int) -> str:
        for name, mapping in self._mappings.items():
            at = mapping.offset(pfn)
            if at is not None:
                return f"{name}[{at}]"
        raise BadInput(f"frame {pfn:#x} is in no mapping")

    def _pfn(self, name: str, at: str, line: int) -> int:
        mapping = self._mappings.get(name)
        if mapping is None or not int(at) < mapping.npages:
            raise BadInput(f"{name}[{at}] is not a page of the program", line=line)
        return mapping.pages[int(at)]

    def line(self, shown: Snapshot) -> str:
        """The line of the snapshot *shown*."""
        heads = []
        for pfn, state in sorted(shown.heads.items()):
            looks = ("D" if state.dirty else "") + ("A" if state.allocated else "")
            looks += "P" if pfn in shown.maybe_pinned else ""
            heads.append(f"{self._name(pfn)}={state.refcount},{state.pincount},{looks}")
        events = [
            f"{event.what}({self._name(event.page)},{event.refs}{',D' if event.dirty else ''})"
            for event in shown.events
            if event.what in {"put", "dirty"}
        ]
        runs = [(text, sum(1 for _ in same)) for text, same in groupby(events)]
        journal = " ".join(text if times == 1 else f"{text}*{times}" for text, times in runs)
        returned = "-" if shown.returned is None else shown.returned
        line = f"{STEP}{returned} {shown.acquired} {shown.released}"
        for part in (" ".join(heads), journal, "; ".join(shown.warnings)):
            line += f" | {part}" if part else " |"
        return line

    def snapshot(self, text: str, line: int) -> Snapshot:
        """The snapshot in *text*, which is line number *line*, or BadInput."""
        found = LINE.fullmatch(text)
        if found is None:
            raise BadInput(f"not the line of a snapshot: {text[:60]!r}", line=line)
        returned, acquired, released, heads, journal, warned = map(str.strip, found.groups())
        states, pinned = {}, []
        for name, at, refcount, pincount, looks in _words(HEAD, heads, line):
            pfn = self._pfn(name, at, line)
            states[pfn] = HeadState(int(refcount), int(pincount), "D" in looks, "A" in looks)
            if "P" in looks:
                pinned.append(pfn)
        events: list[Event] = []
        for what, name, at, refs, dirty, times in _words(EVENT, journal, line):
            event = Event(what, self._pfn(name, at, line), int(refs), bool(dirty))
            events += [event] * min(int(times or 1), MAX_UNPACKED)
        return Snapshot(
            returned=None if returned == "-" else int(returned),
            heads=states,
            acquired=int(acquired),
            released=int(released),
            warnings=tuple(warned.split("; ")) if warned else (),
            puts=sum(event.what == "put" for event in events),
            dirty_locks=sum(event.what == "dirty" for event in events),
            maybe_pinned=frozenset(pinned),
            events=events,
        )


def _words(pattern: re.Pattern[str], text: str, line: int) -> Iterator[tuple[str, ...]]:
    """The groups of *pattern* for each word of *text*, or BadInput if a word does not match."""
    for word in text.split():
        found = pattern.fullmatch(word)
        if found is None:
            raise BadInput(f"not part of a snapshot: {word[:60]!r}", line=line)
        yield found.groups()


def write_recordings(path: Path, recordings: Sequence[Recording]) -> None:
    """Write *recordings* to *path*, compressed; equal recordings give equal bytes."""
    text = "".join(recording.text() for recording in recordings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def read_texts(path: Path) -> list[str]:
    """The text of each recording in the file *path*, or BadInput."""
    try:
        unpacking = lzma.LZMADecompressor()
        text = unpacking.decompress(path.read_bytes(), max_length=MAX_UNPACKED).decode()
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as err:
        raise BadInput(str(err), file=str(path)) from None
    if not unpacking.eof or unpacking.unused_data:
        raise BadInput("is truncated, or data follows its end", file=str(path))
    return [FIRST + part for part in re.split(f"^{FIRST}", text, flags=re.MULTILINE)[1:]]
