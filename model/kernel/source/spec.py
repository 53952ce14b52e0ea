# SPDX-License-Identifier: MIT

"""``kernel-source:DIR``: the candidate specification that names a kernel tree."""

import re
from functools import cached_property
from pathlib import Path

from attrs import field, frozen

from model.abilities import Abilities
from model.errors import BadInput
from model.kernel.source.build import MODELS, Library, build
from model.kernel.source.candidate import KernelSource
from model.kernel.source.era import SECTION
from model.kernel.source.process import Worker
from model.kernel.source.tree import Tree, read
from model.semantics import SEMANTICS
from model.steps import STEPS

#: Maximum length in pages of a list passed as an array: 2 GiB of pointers.
MOST_LISTED = 1 << 28

#: Maximum distance in frames from a program's lowest to its highest frame. The array of struct
#: pages has 16 TiB of address space, and may start up to a section below the lowest frame.
SPAN = {"vmemmap": (1 << 38) - SECTION, "classic": (1 << 37) - SECTION}

#: A directory or tarball, and the options after it.
OPTIONS = re.compile(r"(.*?)((?:,(?:classic|vmemmap|patch=[^,]+))*)", re.DOTALL)


@frozen(slots=False)
class Source:
    """A compiled tree and its worker; calling the instance makes a candidate.

    :param text: The specification after ``kernel-source:``, such as ``DIR,classic,patch=FILE``.
    """

    text: str
    library: Library
    worker: Worker = field(init=False)

    @worker.default
    def _worker(self) -> Worker:
        return Worker(self.library.path)

    @cached_property
    def abilities(self) -> Abilities:
        """What candidates of this tree can do; they have the calls of the tree's semantics."""
        library = self.library
        row = SEMANTICS[library.semantics]
        return Abilities(
            f"kernel-source {library.version or 'of unknown version'} ({library.model})",
            semantics=frozenset({row.version}),
            calls=frozenset(c for c, cls in STEPS.items() if not cls.lacked_by(row)),
            listed=MOST_LISTED,
            span=SPAN[library.model],
            oddities=library.oddities,
        )

    def __call__(self) -> KernelSource:
        """A new candidate."""
        return KernelSource(self.worker, self.abilities)


def load(text: str) -> Source:
    """Compile the tree that *text* names, or raise BadInput."""
    return Source(text, build(*chosen(text)))


def chosen(text: str) -> tuple[Tree, str]:
    """The tree and the memory model that *text* names: a directory or tarball, then options.

    Options follow after commas: ``classic`` is SPARSEMEM without VMEMMAP; ``patch=FILE``
    applies a patch to the tree first.

    :raises BadInput: if there is no kernel tree, or a patch does not apply.
    """
    parts = OPTIONS.fullmatch(text)
    assert parts is not None
    where, options = parts.groups()
    if not where:
        raise BadInput("kernel-source: needs a directory: kernel-source:DIR")
    model = "vmemmap"
    before, comma, unknown = where.rpartition(",")
    if comma and Path(before).exists() and not Path(where).exists():
        raise BadInput(f"kernel-source:{before}: {unknown!r} is not one of classic, patch=FILE")
    tree = read(where)
    for option in options.split(",")[1:]:
        if option in MODELS:
            model = option
        else:
            tree = tree.patched(Path(option.removeprefix("patch=")))
    return tree, model
