# SPDX-License-Identifier: MIT

"""What a guest's probes hear: after each boot every call is made, and its journal is read.

A compiler may inline a function that is probed, into all of its callers or into some. Its probe
is then deaf there, and a count of what it heard says nothing about the kernel.
"""

from collections.abc import Iterator

from attrs import frozen

from model.abilities import Unheard
from model.kernel.guest.answer import CALLS, answer, clean, settled
from model.kernel.guest.emulator import BOOT_SECONDS, Emulator

#: What the probe of each event is on. Which grabs are one function differs between versions.
PROBES = {
    "grab": "try_grab_folio",
    "put": "gup_put_folio",
    "dirty": "folio_mark_dirty",
    "free": "mm_page_free",
    "warning": "__warn",
}

#: A page without a pincount, one with, and one that is freed: their numbers.
SINGLE, LARGE, FREED = 0, 512, 1024

#: The requests that place these pages.
PLACE = (f"place base 1 {SINGLE}", f"place thp 1 {LARGE}", f"driver 2 0:{FREED}:1:1")


@frozen
class Trial:
    """A request, the function that it calls, and what must be heard in it."""

    request: str
    call: str = ""
    events: tuple[str, ...] = ()


def _trials() -> Iterator[Trial]:
    """The trials, in order; those without events prepare the next."""
    for page in (SINGLE, LARGE):
        three = f"{page} {page} {page}"
        yield Trial(f"pin 1 1 {three}", "pin_user_pages_fast", ("grab",))
        yield Trial(f"pin 1 0 {three}", "pin_user_pages", ("grab",))
        yield Trial(f"get 0 0 {page}", "get_user_pages", ("grab",))
        for call, request in CALLS.items():
            if call.startswith("unpin_"):
                yield Trial(f"{request} 0 0 {page}", call, ("put",))
            if call.endswith("_dirty_lock"):
                yield Trial(f"{request} 1 0 {page}", call, ("put", "dirty"))
                yield Trial(f"clean 0 0 {page}")
    yield Trial(f"pin 1 1 {FREED}")
    yield Trial(f"unmap {FREED} 1")
    yield Trial(f"unpin-page 0 0 {FREED}", events=("free",))
    yield Trial("warn 0 0", events=("warning",))


TRIALS = (*_trials(),)


def listen(emulator: Emulator) -> tuple[Unheard, ...]:
    """Make the trials in a guest that has its pages; return what was not heard.

    :raises Ended, Panic, NoProgress: if a trial cannot be made.
    """
    requests = [trial.request for trial in TRIALS]
    text = "\n".join(["begin", *PLACE, "settle", *requests, "end", "absent", ""])
    placed, *lines, end, absent = emulator.talk(text.encode(), len(TRIALS) + 3, BOOT_SECONDS)
    settled(placed)
    found: dict[tuple[str, str], Unheard] = {}
    for trial, line in zip(TRIALS, lines, strict=True):
        said = answer(line)
        heard = {event.what for event, _ in said.events} | ({"warning"} if said.warnings else set())
        for event in trial.events:
            if event not in heard:
                probe = PROBES[event]
                lacking = any(name.startswith(probe) for name in absent.split())
                found[event, trial.call] = Unheard(event, trial.call, probe, lacking)
    clean(end)
    return (*found.values(),)
