# SPDX-License-Identifier: MIT

"""A guest that runs one program after another."""

from collections.abc import Mapping, Sequence

from attrs import define, field

from model.abilities import Unheard
from model.candidate import Unavailable
from model.kernel.guest.answer import clean, settled
from model.kernel.guest.emulator import BOOT_SECONDS, Emulator, Ended, Killed
from model.kernel.guest.hearing import listen
from model.kernel.guest.image import Image
from model.memory import NoProgress, Panic

#: Maximum number of attempts to boot a guest, and to start a program in it.
TRIES = 3


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
    _unheard: tuple[Unheard, ...] = field(init=False, default=())
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
            clean(last)
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
                settled(line)
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
            clean(line)
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
                    clean(line)
                self._unheard = listen(emulator)
            except (Ended, Panic, NoProgress) as err:
                trouble = str(err)
                emulator.close()
                continue
            self._emulator, self._owner = emulator, None
            self.boots += 1
            return emulator
        raise Unavailable(f"the guest does not boot: {trouble}")

    def unheard(self) -> tuple[Unheard, ...]:
        """What the probes of the last guest did not hear; boots the first guest if necessary.

        :raises Unavailable: if the guest does not boot.
        """
        if not self.boots:
            self._started()
        return self._unheard

    def close(self) -> None:
        """Stop the guest; the next program boots another."""
        if self._emulator is not None:
            self._emulator.close()
        self._emulator = self._owner = None
