# SPDX-License-Identifier: MIT

"""A kernel to boot, as a person names it; it makes candidates."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import field, frozen

from model.abilities import Abilities
from model.errors import BadInput
from model.kernel.guest.candidate import CALLS, KernelGuest
from model.kernel.guest.emulator import emulator
from model.kernel.guest.guest import Guest
from model.kernel.guest.image import build
from model.kernel.guest.packages import VERSIONS, present
from model.semantics import SEMANTICS


if TYPE_CHECKING:
    from model.kernel.guest.image import Image

#: MiB of a machine, and of one that has pages of 1 GiB.
MEMORY = 1024
GIGANTIC_MEMORY = 5632

#: Compound pages that the agent keeps. Frames that follow each other are wanted, so there
#: are several times as many as a program may have.
POOLS = {"base": 4096, "thp": 24, "hugetlb": 24, "page-cache": 2048, "zero": 1}
GIGANTIC_POOLS = {**{name: n for name, n in POOLS.items() if name != "hugetlb"}, "gigantic": 2}
GIGANTIC_WORDS = ("hugepagesz=1G", "hugepages=2")

#: Pages of each kind that a program may have.
ROOM = {
    "base": 256,
    "thp": 6 * 512,
    "hugetlb": 6 * 512,
    "page-cache": 256,
    "zero": 1,
    "driver": 4096,
}
GIGANTIC_ROOM = {**ROOM, "hugetlb": 2 << 18}

#: Pages that a step may name: so many fit into the module's list.
NAMED = 1 << 19

#: Orders of a kind, where it has not all that the version has.
ORDERS = {
    "thp": frozenset({9}),
    "hugetlb": frozenset({9}),
    "page-cache": frozenset({0}),
    "driver": frozenset(range(10)),
}
GIGANTIC_ORDERS = {**ORDERS, "hugetlb": frozenset({18})}

#: Calls that a version does not export, or not any more.
GONE = {"6.12": frozenset({"pin_user_pages_fast_only"})}

#: What each is known to do otherwise than one page at a time.
ODDITIES = {
    "6.1": ("one-grab", "one-grab-slow"),
    "6.12": ("one-grab-slow", "null-in-run"),
}

#: Pages that the fast path gives back to leave them to the slow one, which the statistics
#: count: single ones without an address space (gup_fast_folio_allowed(), 6.12).
SLOW = {"6.12": frozenset({("driver", 0)})}

FORMS = "kernel-guest[:6.1|6.12][,1g]"


@frozen(slots=False)
class Booted:
    """A kernel that is booted when it is needed.

    :param gigantic: Whether its hugetlb pages are of 1 GiB, which takes it longer.
    """

    image: Image
    gigantic: bool = False
    guest: Guest = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.gigantic:
            guest = Guest(self.image, GIGANTIC_MEMORY, GIGANTIC_POOLS, GIGANTIC_WORDS)
        else:
            guest = Guest(self.image, MEMORY, POOLS)
        object.__setattr__(self, "guest", guest)

    @cached_property
    def abilities(self) -> Abilities:
        """What can be done in such a machine."""
        version = self.image.version
        return Abilities(
            f"kernel-guest {self.image.abi}",
            semantics=frozenset({SEMANTICS[version].version}),
            calls=frozenset(CALLS) - GONE.get(version, frozenset()),
            kinds=frozenset(ROOM),
            named=NAMED,
            listed=NAMED,
            refs=1,
            orders_of=MappingProxyType(GIGANTIC_ORDERS if self.gigantic else ORDERS),
            room=MappingProxyType(GIGANTIC_ROOM if self.gigantic else ROOM),
            mixes=frozenset({"driver"}),
            changes=False,
            timed=True,
            takes_whole_programs=True,
            oddities=ODDITIES[version],
        )

    def __call__(self) -> KernelGuest:
        """A candidate, fresh."""
        return KernelGuest(self.guest, self.abilities, SLOW.get(self.image.version, frozenset()))


def load(text: str) -> Booted:
    """The kernel that *text* names: its version, and ``1g`` behind a comma.

    :raises BadInput: if it is not named so, was not prepared, or there is no emulator.
    """
    version, *options = text.split(",")
    version = version or VERSIONS[0]
    if version not in VERSIONS or options not in ([], ["1g"]):
        msg = f"kernel-guest:{text} is none of {FORMS}"
        raise BadInput(msg)
    unpacked = present(version)
    if unpacked is None:
        which = f" --kernel {version}" if version != VERSIONS[0] else ""
        msg = f"kernel-guest has no kernel {version} yet: headcount guest prepare{which}"
        raise BadInput(msg)
    emulator()
    return Booted(build(unpacked), gigantic=bool(options))
