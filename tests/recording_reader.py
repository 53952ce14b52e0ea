# SPDX-License-Identifier: MIT

"""Reads the files in tests/recordings, which `model.recording` writes: packed, or plain text."""

from __future__ import annotations

import lzma
import re

from attrs import evolve

from model.candidate import Snapshot
from model.contents import contents
from model.errors import BadInput
from model.page import Event, HeadState
from model.parse import parse_program
from model.recording import FIRST, OOPS, STEP, Recording

#: How a packed file begins.
PACKED = b"\xfd7zXZ"

#: Maximum number of bytes of a file of recordings, also of what it unpacks to.
MAX_BYTES = 1 << 26

#: Maximum number of events in the journal of one step.
MAX_EVENTS = 1 << 20

#: Matches a head. Groups: mapping, position, refcount, pincount, flags.
HEAD = re.compile(r"(\w+)\[(\d{1,13})\]=(-?\d{1,10}),(-?\d{1,10}),(D?A?P?)")
#: Matches an event. Groups: what, mapping, position, references, D if page was dirty, repeats.
EVENT = re.compile(r"(put|dirty)\((\w+)\[(\d{1,13})\],(-?\d{1,20})(,D)?\)(?:\*(\d{1,20}))?")
#: Matches a snapshot. Groups: returned number, acquired, released, heads, journal, warnings.
LINE = re.compile(r"> (-|-?\d{1,20}) (-?\d{1,20}) (-?\d{1,20}) \|(.*)\|(.*)\|(.*)")


def read_texts(path):
    """The text of each recording in the file *path*, or BadInput."""
    return texts(contents(path, MAX_BYTES, "a file of recordings"), path)


def texts(data, path):
    """The text of each recording in *data*, which the file *path* holds, or BadInput."""
    try:
        text = (unpacked(data, path) if data.startswith(PACKED) else data).decode()
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as err:
        raise BadInput(str(err), file=str(path)) from None
    if not text.startswith(FIRST):
        raise BadInput(f"a recording begins with '{FIRST.strip()}'", file=str(path))
    return [FIRST + part for part in re.split(f"^{FIRST}", text, flags=re.MULTILINE)[1:]]


def unpacked(data, path):
    """The packed *data* of the file *path* unpacked, or BadInput."""
    unpacking = lzma.LZMADecompressor()
    text = unpacking.decompress(data, max_length=MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        reason = f"has more than {MAX_BYTES >> 20} MiB unpacked, the most that it may have"
        raise BadInput(reason, file=str(path))
    if not unpacking.eof or unpacking.unused_data:
        raise BadInput("is truncated, or data follows its end", file=str(path))
    return text


def parse_recording(text):
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
    oops = lines.pop().removeprefix(OOPS) if lines[-1].startswith(OOPS) else ""
    shown = [snapshot(program.mappings, lines[i], i + 1) for i in range(at, len(lines))]
    program = evolve(program, lines=())
    return Recording(lines[0].removeprefix(FIRST).strip(), program, tuple(shown), oops)


def snapshot(mappings, text, line):
    """The snapshot in *text*, which is line number *line*, or BadInput."""
    found = LINE.fullmatch(text)
    if found is None:
        raise BadInput(f"not the line of a snapshot: {text[:60]!r}", line=line)
    returned, acquired, released, heads, journal, warned = map(str.strip, found.groups())
    states, pinned, events = {}, [], []
    for name, at, refcount, pincount, looks in words(HEAD, heads, line):
        pfn = frame(mappings, name, at, line)
        states[pfn] = HeadState(int(refcount), int(pincount), "D" in looks, "A" in looks)
        if "P" in looks:
            pinned.append(pfn)
    for what, name, at, refs, dirty, times in words(EVENT, journal, line):
        if len(events) + int(times or 1) > MAX_EVENTS:
            raise BadInput(f"a journal of more than {MAX_EVENTS:,} events", line=line)
        event = Event(what, frame(mappings, name, at, line), int(refs), bool(dirty))
        events += [event] * int(times or 1)
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


def words(pattern, text, line):
    """The groups of *pattern* for each word of *text*, or BadInput if a word does not match."""
    for word in text.split():
        found = pattern.fullmatch(word)
        if found is None:
            raise BadInput(f"not part of a snapshot: {word[:60]!r}", line=line)
        yield found.groups()


def frame(mappings, name, at, line):
    """The frame at position *at* of the mapping *name*, or BadInput."""
    mapping = next((one for one in mappings if one.name == name), None)
    if mapping is None or not int(at) < mapping.npages:
        raise BadInput(f"{name}[{at}] is not a page of the program", line=line)
    return mapping.pages[int(at)]
