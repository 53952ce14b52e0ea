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
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from attrs import frozen

from model.abilities import Abilities
from model.attributes import ATTRIBUTES
from model.candidate import Candidate, Snapshot
from model.errors import BadInput
from model.mapping import Mapping
from model.memory import Oops
from model.program import Program
from model.steps import STEPS

#: How the first line of a recording begins, how the line of each snapshot begins, and the line of
#: a step that ended in an Oops.
FIRST = "# recorded "
STEP = "> "
OOPS = "> ! "


@frozen
class Recording:
    """The snapshots that *kernel* showed of *program*, one for each step.

    :param oops: The text of the Oops in which the step after the last snapshot ended, if any.
    """

    kernel: str
    program: Program
    snapshots: tuple[Snapshot, ...]
    oops: str = ""

    def text(self) -> str:
        """The recording as text."""
        lines = [_line(self.program.mappings, snapshot) for snapshot in self.snapshots]
        lines += [OOPS + self.oops] if self.oops else []
        return f"{FIRST}{self.kernel}\n{self.program.text()}" + "".join(f"{x}\n" for x in lines)


def _line(mappings: Sequence[Mapping], shown: Snapshot) -> str:
    """The line of the snapshot *shown*."""
    heads = []
    for pfn, state in sorted(shown.heads.items()):
        looks = ("D" if state.dirty else "") + ("A" if state.allocated else "")
        looks += "P" if pfn in shown.maybe_pinned else ""
        heads.append(f"{_name(mappings, pfn)}={state.refcount},{state.pincount},{looks}")
    events = [
        f"{event.what}({_name(mappings, event.page)},{event.refs}{',D' if event.dirty else ''})"
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


def _name(mappings: Sequence[Mapping], pfn: int) -> str:
    """Frame *pfn* as mapping and position."""
    for mapping in mappings:
        at = mapping.offset(pfn)
        if at is not None:
            return f"{mapping.name}[{at}]"
    raise BadInput(f"frame {pfn:#x} is in no mapping")


class RecordedKernel(Candidate):
    """A candidate that shows the snapshots of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def abilities(self) -> Abilities:
        version = self._recording.program.semantics.version
        name = f"recording of {self._recording.kernel}"
        return Abilities(
            name,
            semantics=frozenset({version}),
            calls=frozenset(STEPS),
            attributes=ATTRIBUTES,
        )

    def execute(self, program: Program) -> Iterator[Snapshot]:
        """The recorded snapshots, or BadInput if *program* is not the recorded one."""
        known = self._recording.program
        for index, snapshot in enumerate(self._recording.snapshots):
            if (program.mappings, program.steps[index]) != (known.mappings, known.steps[index]):
                raise BadInput(f"step {index + 1} was not recorded")
            yield snapshot
        if self._recording.oops:
            raise Oops(self._recording.oops)


def recorded(kernel: str, program: Program, candidate: Candidate) -> Recording:
    """What *candidate*, which is *kernel*, shows of *program*, to the end or to an Oops."""
    shown: list[Snapshot] = []
    try:
        shown.extend(candidate.execute(program))
    except Oops as err:
        return Recording(kernel, program, tuple(shown), str(err))
    return Recording(kernel, program, tuple(shown))


def write_recordings(path: Path, recordings: Sequence[Recording]) -> None:
    """Write *recordings* to *path*, compressed; equal recordings give equal bytes."""
    text = "".join(recording.text() for recording in recordings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
