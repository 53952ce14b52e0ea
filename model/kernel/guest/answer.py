# SPDX-License-Identifier: MIT

"""What is asked of a guest's agent, and how it answers."""

import re
from collections.abc import Sequence

from attrs import frozen

from model.kernel.guest.emulator import Ended
from model.memory import Panic
from model.page import Event

#: The agent's names of the calls.
CALLS = {
    "pin_user_pages": "pin",
    "pin_user_pages_fast_only": "pin-fast-only",
    "get_user_pages": "get",
    "unpin_user_page": "unpin-page",
    "unpin_user_pages": "unpin-list",
    "unpin_user_pages_dirty_lock": "unpin-dirty",
    "unpin_user_page_range_dirty_lock": "unpin-range",
    "get_page": "get-page",
    "put_page": "put-page",
    "set_page_dirty": "set-dirty",
    "clean": "clean",
    "unmap": "unmap",
}

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


def clean(line: str) -> None:
    """Raise Ended if *line*, the answer to ``end`` or ``room``, reports changed pages."""
    unclean, _, why = line.removeprefix(".").strip().partition(" ")
    if unclean != "0":
        raise Ended(f"{unclean} pages differ from before the program")
    if why:
        raise Ended(why)


def settled(line: str) -> None:
    """Raise Panic if *line*, the answer to ``settle``, reports a changed page or a warning."""
    found = answer(line)
    if found.warnings:
        raise Panic(f"a WARN at {'; '.join(found.warnings)} while pages were mapped")
    if found.heads:
        raise Panic(f"page {found.heads[0][0]} is not in its initial state: {line}")
