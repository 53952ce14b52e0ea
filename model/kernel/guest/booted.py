# SPDX-License-Identifier: MIT

"""``kernel-guest``: the candidate specification that names a kernel to boot."""

from contextlib import nullcontext
from functools import cached_property
from types import MappingProxyType

from attrs import field, frozen

from model.abilities import FIELDS, Abilities
from model.errors import BadInput
from model.kernel.guest.answer import CALLS
from model.kernel.guest.candidate import KernelGuest
from model.kernel.guest.emulator import emulator
from model.kernel.guest.guest import Guest
from model.kernel.guest.image import Image, build
from model.kernel.guest.layout import MOVABLE_POOL
from model.kernel.guest.packages import VERSIONS, present
from model.semantics import SEMANTICS
from model.under_test import UnderTest

#: Memory of the guest in MiB; GIGANTIC_MEMORY if it has pages of 1 GiB.
MEMORY = 1280
GIGANTIC_MEMORY = 5632

#: Number of compound pages in each pool of the agent: several times as many as a program may
#: have, so that enough of them have consecutive frames.
POOLS = {"base": 4096, "thp": 24, "hugetlb": 24, "page-cache": 2048, "zero": 1} | {
    f"{name}{MOVABLE_POOL}": count
    for name, count in (("base", 1024), ("thp", 16), ("hugetlb", 16), ("page-cache", 1024))
}

#: Words for the kernel command line. ZONE_MOVABLE is for the pools of pages that are to move alone.
WORDS = ("movablecore=256M",)
GIGANTIC_POOLS = {"base": 4096, "thp": 24, "page-cache": 2048, "zero": 1, "gigantic": 2}
GIGANTIC_WORDS = ("hugepagesz=1G", "hugepages=2")

#: Maximum number of pages of each kind in a program.
ROOM = {"base": 256, "thp": 3072, "hugetlb": 3072, "page-cache": 256, "zero": 1, "driver": 4096}
GIGANTIC_ROOM = ROOM | {"hugetlb": 2 << 18}

#: Maximum number of pages that a step may name: the length of the module's list.
NAMED = 1 << 19

#: Orders that the guest provides, for kinds to which the semantics allow other orders too.
ORDERS = {
    "thp": frozenset({9}),
    "hugetlb": frozenset({9}),
    "page-cache": frozenset({0}),
    "driver": frozenset(range(10)),
}
GIGANTIC_ORDERS = ORDERS | {"hugetlb": frozenset({18})}

#: Attributes of mappings, by kind. PTEs map the pages of a driver, and PMDs those of hugetlb.
ATTRIBUTES = {
    "base": frozenset({"mapped", "writable", "movable", "migrates"}),
    "thp": frozenset({"mapped", "writable", "movable", "migrates"}),
    "hugetlb": frozenset({"writable", "present", "movable", "migrates"}),
    "page-cache": frozenset({"mapped", "writable", "present", "movable", "migrates"}),
    "driver": frozenset({"writable", "present", "fault"}),
    "zero": frozenset(),
}

#: If PTEs map a THP that cannot be moved at the first try, 6.12 and later split it.
NEVER = frozenset({"mapped", "movable"})

#: Those that a guest with pages of 1 GiB does not have: its hugetlb pages do not move.
NOT_GIGANTIC = frozenset({"movable", "migrates"})

#: Calls that a version does not export to modules.
GONE = dict.fromkeys(("6.12", "7.3"), frozenset({"pin_user_pages_fast_only"}))

#: Known oddities of each booted version: names in `properties.judging.oddities`.
BOOTED_ODDITIES = {
    "6.1": ("one-grab", "one-grab-slow", "hugetlb-longterm"),
    "6.12": ("one-grab-slow", "null-in-run"),
    "7.3": ("one-grab-slow", "null-in-run"),
}

#: Pages of which GUP-fast takes several with one grab, but the slow path one by one: the known
#: oddity `one-grab-slow` is not one of them there.
APART = {"6.1": frozenset({("thp", 9)})}

FORMS = f"kernel-guest[:{'|'.join(VERSIONS)}][,1g]"


@frozen(slots=False)
class Booted:
    """A kernel that boots when it is first needed; calling the instance makes a candidate.

    :param gigantic: Whether hugetlb pages have 1 GiB in place of 2 MiB; booting is then slower.
    """

    image: Image
    gigantic: bool = False
    guest: Guest = field(init=False)

    @guest.default
    def _guest(self) -> Guest:
        if self.gigantic:
            return Guest(self.image, GIGANTIC_MEMORY, GIGANTIC_POOLS, GIGANTIC_WORDS)
        return Guest(self.image, MEMORY, POOLS, WORDS)

    @cached_property
    def abilities(self) -> Abilities:
        """What programs can do in the guest, which boots to find out what its probes hear."""
        version = self.image.version
        unheard = self.guest.unheard()
        warns = all(one.event != "warning" for one in unheard)
        return Abilities(
            f"kernel-guest {self.image.abi}",
            semantics=frozenset({SEMANTICS[version].version}),
            calls=frozenset(CALLS) - GONE.get(version, frozenset()),
            kinds=frozenset(ROOM),
            fields=frozenset(FIELDS) - (frozenset() if warns else {"warnings"}),
            unheard=unheard,
            named=NAMED,
            listed=NAMED,
            refs=1,
            orders_of=MappingProxyType(GIGANTIC_ORDERS if self.gigantic else ORDERS),
            room=MappingProxyType(GIGANTIC_ROOM if self.gigantic else ROOM),
            mixes=frozenset({"driver"}),
            attributes=frozenset().union(*ATTRIBUTES.values())
            - (NOT_GIGANTIC if self.gigantic else frozenset()),
            attributes_of=MappingProxyType(ATTRIBUTES),
            never=(NEVER,),
            together=True,
            changes=False,
            timed=True,
            takes_whole_programs=True,
            oddities=BOOTED_ODDITIES[version],
        )

    def listening(self, _number: int) -> nullcontext[None]:
        """Nothing: a booted kernel does not tell which lines run."""
        return nullcontext()

    def heard(self) -> None:
        """Nothing, likewise."""

    def hear(self, heard: None) -> None:
        """Nothing, likewise."""

    def under_test(self) -> UnderTest:
        """That nobody knows what ran."""
        return UnderTest(unknown="a booted kernel does not tell")

    def changes(self, _ran: UnderTest) -> None:
        """None: what was changed in the kernel is not known."""

    @property
    def slow(self) -> frozenset[tuple[str, int]]:
        """Kinds and orders of pages that the candidates do not pin by GUP-fast unasked."""
        version = self.image.version
        return SEMANTICS[version].left_to_slow_path | APART.get(version, frozenset())

    def __call__(self) -> KernelGuest:
        """A new candidate."""
        return KernelGuest(self.guest, self.abilities, self.slow)


def load(text: str) -> Booted:
    """The kernel that *text* names, for example ``6.12,1g``; see `FORMS`.

    :raises BadInput: if *text* is malformed, the kernel is not prepared, or QEMU is missing.
    """
    version, *options = text.split(",")
    version = version or VERSIONS[0]
    if version not in VERSIONS or options not in ([], ["1g"]):
        named = f"kernel-guest:{text}".replace(":,", ",")
        raise BadInput(f"{named} does not match {FORMS}")
    unpacked = present(version)
    if unpacked is None:
        which = f" --kernel {version}" if version != VERSIONS[0] else ""
        msg = f"kernel-guest: kernel {version} is not prepared; run headcount guest prepare{which}"
        raise BadInput(msg)
    emulator()
    return Booted(build(unpacked), gigantic=bool(options))
