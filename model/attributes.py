# SPDX-License-Identifier: MIT

"""Attributes of mappings: what their page table entries are like, and what a pin meets there.

They hold at the start of every step, as the kernel may have swapped out, forked or balanced in
between; but a page that has migrated is movable no more. Without attributes a page is present and
writable, and may be pinned wherever it is.
"""

from typing import Any

from attrs import field, fields, frozen

from model.errors import BadInput
from model.semantics import ANONYMOUS, MAX_ORDER, PMD_ORDER, PUD_ORDER, Semantics

#: The values of each attribute that is a word; empty if the attribute is not given.
WORDS: dict[str, tuple[str, ...]] = {
    "mapped": ("pte", "pmd", "pud"),
    "fault": ("bus", "oom", "retry"),
    "isolates": ("later",),
}

#: The highest order of an entry for each value of `Attributes.mapped`.
LARGEST = {"": MAX_ORDER, "pte": 0, "pmd": PMD_ORDER, "pud": PUD_ORDER}

#: The kinds that an attribute is for, where it is not for all.
KINDS_OF = {
    "shared": ANONYMOUS,
    "movable": (*ANONYMOUS, "hugetlb", "page-cache"),
    "gone": ("device-dax",),
}

#: The attribute, and its value, without which another makes no sense.
NEEDED = {
    "fault": ("present", False),
    "migrates": ("movable", True),
    "isolates": ("movable", True),
}


@frozen(kw_only=True)
class Attributes:
    """The attributes of one mapping.

    :param mapped: The largest entry that maps its pages: a PTE, a PMD or a PUD; empty: as large as
        possible.
    :param writable: Whether the mapping may be written to.
    :param present: Whether its pages are in the page table; if not, the slow path faults them in.
    :param fault: How such a fault ends: "bus" (SIGBUS), "oom" (no memory); "retry" (the second
        try succeeds); empty: well.
    :param shared: Whether its anonymous pages are shared with a child, so that a pin needs copies.
    :param protnone: Whether the entries are PROT_NONE, as NUMA balancing makes them.
    :param movable: Whether its pages lie where a long-term pin must not keep them (ZONE_MOVABLE,
        CMA), so that it moves them first.
    :param migrates: Whether they can be moved at all.
    :param isolates: "later": its pages cannot be isolated in the first round of a step that moves
        pages; empty: they can.
    :param gone: Whether their device goes away, so that nobody gets a reference on it.
    """

    mapped: str = field(default="")
    writable: bool = field(default=True)
    present: bool = field(default=True)
    fault: str = field(default="")
    shared: bool = field(default=False)
    protnone: bool = field(default=False)
    movable: bool = field(default=False)
    migrates: bool = field(default=True)
    isolates: str = field(default="")
    gone: bool = field(default=False)

    def __attrs_post_init__(self) -> None:
        for name, values in WORDS.items():
            value = getattr(self, name)
            if value not in ("", *values):
                listed = " or ".join(f'"{one}"' for one in values)
                raise BadInput(f'{name}="{value}" is not {listed}')
        for name in self.given():
            needed, value = NEEDED.get(name, ("", None))
            if needed and getattr(self, needed) != value:
                raise BadInput(f"{self.text_of(name)} needs {needed}={value}")

    def given(self) -> list[str]:
        """The names of the attributes that differ from the default."""
        return [name for name, default in DEFAULTS.items() if getattr(self, name) != default]

    def text_of(self, name: str) -> str:
        """The attribute *name* as an argument in a trace."""
        value = getattr(self, name)
        return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"

    def text(self) -> str:
        """The attributes as arguments in a trace; empty if none is given."""
        return ", ".join(map(self.text_of, self.given()))

    def complaint(self, kind: str, highest: int, semantics: Semantics) -> str:
        """Why a mapping of *kind* cannot have the attributes in *semantics*; empty if it can.

        :param highest: The highest order of its compound pages.
        """
        for name in self.given():
            if name in semantics.lacks:
                return f"{self.text_of(name)} does not exist in {semantics.version}"
            kinds = KINDS_OF.get(name, (kind,))
            if kind not in kinds:
                return f"{self.text_of(name)} is for mappings of {', '.join(kinds)}, not {kind}"
        if self.mapped and highest < self.largest:
            return f"{self.text_of('mapped')} needs a page of order {self.largest} or more"
        return ""

    @property
    def largest(self) -> int:
        """The order of the largest entry that may map the pages."""
        return LARGEST[self.mapped]


DEFAULTS: dict[str, Any] = {a.name: a.default for a in fields(Attributes)}

#: The names of all attributes.
ATTRIBUTES = frozenset(DEFAULTS)

#: The attributes of a mapping that gives none.
PLAIN = Attributes()
