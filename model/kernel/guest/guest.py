# SPDX-License-Identifier: MIT

"""A guest that runs one program after another, and the answers of its agent."""

import re
from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from model.candidate import Unavailable
from model.kernel.guest.emulator import BOOT_SECONDS, Emulator, Ended, Killed
from model.kernel.guest.image import Image
from model.memory import NoProgress, Panic
from model.page import Event

#: Maximum number of attempts to boot a guest, and to start a program in it.
TRIES = 3

#: An answer to a call: result, statistics, heads, events, warnings.
ANSWER = re.compile(
    r"= (?P<returned>-?\d+) (?P<acquired>-?\d+) (?P<released>-?\d+)"
    r"(?: h(?P<heads>(?: \d+:-?\d+:-?\d+:\d)*))?"
    r"(?: e(?P<events>(?: [gpdf]\d+:-?\d+:\d\*\d+)*))?(?: w (?P<warnings>.*))?"
)
HEAD = re.compile(r"(\d+):(-?\d+):(-?\d+):(\d)")
EVENT = re.compile(r"([gpdf])(\d+):(-?\d+):(\d)\*(\d+)")

EVENTS = {"g": "grab", "p": "put", "d": "dirty", "f": "free"}


@frozen
class Answer:
    """The agent's answer to one call. Pages are numbers of `model.kernel.guest.layout`.

    :param heads: Number, refcount, pincount and flags (1 dirty, 2 allocated, 4 maybe pinned)
        of each head that changed.
    :param events: The events in order, each with how many times in a row it happened.
    """

    returned: int
    acquired: int
    released: int
    heads: Sequence[Sequence[int]] = ()
    events: Sequence[tuple[Event, int]] = ()
    warnings: tuple[str, ...] = ()


def answer(line: str) -> Answer:
    """Parse *line*, the agent's answer to one request.

    :raises Panic: if *line* is malformed, or says that pages are in an unexpected state.
    """
    if line.startswith("! "):
        raise Panic(f"in the guest: {line[2:]}")
    found = ANSWER.fullmatch(line)
    if found is None:
        raise Panic(f"the guest answers {line[:80]!r}")
    heads = [tuple(map(int, head)) for head in HEAD.findall(found["heads"] or "")]
    events = [
        (Event(EVENTS[kind], int(number), int(refs), dirty == "1"), int(times))
        for kind, number, refs, dirty, times in EVENT.findall(found["events"] or "")
    ]
    returned, acquired, released = map(int, found.group("returned", "acquired", "released"))
    warnings = tuple(found["warnings"].split("|")) if found["warnings"] else ()
    return Answer(returned, acquired, released, heads, events, warnings)


def _clean(line: str) -> None:
    """Raise Ended if *line*, the answer to ``end`` or ``room``, reports changed pages."""
    unclean, _, why = line.removeprefix(".").strip().partition(" ")
    if unclean != "0":
        raise Ended(f"{unclean} pages differ from before the program")
    if why:
        raise Ended(why)


def _settled(line: str) -> None:
    """Raise Panic if *line*, the answer to ``settle``, reports a changed page or a warning."""
    settled = answer(line)
    if settled.warnings:
        raise Panic(f"a WARN at {'; '.join(settled.warnings)} while pages were mapped")
    if settled.heads:
        raise Panic(f"page {settled.heads[0][0]} is not in its initial state: {line}")


@define(eq=False)
class Guest:
    """A guest that boots when it is first needed, and again when it cannot be reused.

    :param memory: Memory in MiB.
    :param room: Number of compound pages in each pool of the agent, by the pool's name.
    :param words: More words for the kernel command line.
    :ivar boots: Number of boots so far.
    """

    image: Image
    memory: int
    room: Mapping[str, int]
    words: tuple[str, ...] = ()
    boots: int = field(init=False, default=0)
    _emulator: Emulator | None = field(init=False, default=None)
    #: The candidate whose program is running.
    _owner: object = field(init=False, default=None)

    def whole(self, requests: Sequence[str], calls: Sequence[str]) -> tuple[list[str], str]:
        """Run a whole program: map pages with *requests*, make *calls*, release everything.

        Returns the answers to *calls*, and a text about pages left in another state, or "".

        :raises Unavailable: if the guest does not boot, or cannot provide the pages.
        :raises NoProgress: if a call does not return.
        :raises Panic: if the kernel reports an error.
        """
        *lines, last = self._begin(None, requests, [*calls, "end"])
        try:
            _clean(last)
        except Ended as err:
            self.close()
            return lines, str(err)
        return lines, ""

    def one(self, owner: object, requests: Sequence[str], call: str) -> str:
        """Make *call* in *owner*'s program, after starting it with *requests* if any are given.

        Returns the answer. Parameters and exceptions as for `whole`.
        """
        if requests:
            return self._begin(owner, requests, [call])[0]
        if self._owner is not owner or self._emulator is None:
            raise RuntimeError("another program has started in the guest")
        return self._talk(self._emulator, f"{call}\n", 1)[0]

    def _begin(self, owner: object, requests: Sequence[str], calls: Sequence[str]) -> list[str]:
        text = "\n".join(["begin", *requests, "settle", ""])
        for _ in range(TRIES):
            self._end()
            emulator = self._started()
            try:
                (line,) = emulator.talk(text.encode(), 1)
                _settled(line)
            except (Ended, Panic, NoProgress) as err:
                # No step has run yet, so the guest is the cause: retry with a new one.
                trouble = str(err)
                self.close()
                continue
            self._owner = owner
            return self._talk(emulator, "\n".join([*calls, ""]), len(calls))
        raise Unavailable(f"the guest cannot start the program: {trouble}")

    def _end(self) -> None:
        """End the running program; stop the guest if pages are not as before that program."""
        owner, self._owner = self._owner, None
        if self._emulator is None or owner is None:
            return
        try:
            (line,) = self._emulator.talk(b"end\n", 1)
            _clean(line)
        except (Ended, Panic, NoProgress):
            self.close()

    def _talk(self, emulator: Emulator, text: str, lines: int) -> list[str]:
        try:
            return emulator.talk(text.encode(), lines)
        except Killed as err:
            self.close()
            raise Unavailable(str(err)) from None
        except Ended as err:
            self.close()
            raise Panic(str(err)) from None
        except (NoProgress, Panic, KeyboardInterrupt):
            self.close()
            raise

    def _started(self) -> Emulator:
        if self._emulator is not None and self._emulator.running:
            return self._emulator
        trouble = ""
        for _ in range(TRIES):
            emulator = Emulator(self.image, self.memory, self.words)
            try:
                emulator.boot()
                rooms = [f"room {name} {count}" for name, count in self.room.items()]
                text = "\n".join([*rooms, ""])
                for line in emulator.talk(text.encode(), len(rooms), BOOT_SECONDS):
                    _clean(line)
            except (Ended, Panic, NoProgress) as err:
                trouble = str(err)
                emulator.close()
                continue
            self._emulator, self._owner = emulator, None
            self.boots += 1
            return emulator
        raise Unavailable(f"the guest does not boot: {trouble}")

    def close(self) -> None:
        """Stop the guest; the next program boots another."""
        if self._emulator is not None:
            self._emulator.close()
        self._emulator = self._owner = None
