# SPDX-License-Identifier: MIT

"""``kernel-source:DIR``: a compiled kernel tree as a candidate, whose steps go to a worker."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from model.abilities import UNBOUNDED, Abilities
from model.attributes import ATTRIBUTES
from model.candidate import Candidate, Snapshot
from model.contents import expanded
from model.errors import BadInput
from model.kernel.source.build import CONFIGS, MODELS, PINS_FOLIOS, Library, build, compiler
from model.kernel.source.changes import Changes
from model.kernel.source.coverage import Counts
from model.kernel.source.patch import edited, patched
from model.kernel.source.process import ATTRIBUTES as _BITS
from model.kernel.source.process import EVENTS, FFI, KINDS, Worker
from model.kernel.source.segments import Segment, operation, segments, signed
from model.kernel.source.tree import FILES, Tree, read
from model.mapping import Mapping, side_by_side
from model.page import Event, decoded
from model.program import Program
from model.semantics import MAX_ORDER, SECTION, SEMANTICS
from model.step import RACES, Need, Step, Table
from model.steps import STEPS
from model.umem import BATCH
from model.under_test import Changed, UnderTest

#: Maximum length in pages of a list passed as an array: 2 GiB of pointers.
MOST_LISTED = 1 << 28

#: Maximum distance in frames from a program's lowest to its highest frame. The array of struct
#: pages has 16 TiB of address space, and may start up to a section below the lowest frame.
SPAN = {"vmemmap": (1 << 38) - SECTION, "classic": (1 << 37) - SECTION}

#: The same on 32 bits. The array has up to 1 GiB of address space, for 64 GiB of memory.
LISTED_32, SPAN_32 = 1 << 26, {"vmemmap": (1 << 24) - SECTION, "classic": (1 << 23) - SECTION}

#: Maximum number of pages of a list that a tree's own walks pin (shim/own.c).
MOST_WALKED = (1 << 20) - 1

#: Maximum number of pages of a region on 32 bits: 2 GiB of a process (shim/region.c).
REGION_32 = 1 << 19

#: A directory or tarball, and the options after it. The name of a patch may contain commas.
_NAMES = (*MODELS, *CONFIGS)
_OPTION = rf"(?:(?:{'|'.join(_NAMES)})(?=,|$)|(?:patch|base)=)"
OPTION = re.compile(rf",({_OPTION}(?:(?!,{_OPTION}).)*)", re.DOTALL)
ALL = re.compile(rf"(?:{OPTION.pattern})*", re.DOTALL)
OPTIONS = re.compile(rf"(.*?)({ALL.pattern})", re.DOTALL)

#: What `SPAN` is smaller by under HVO: there the array begins two of the largest pages lower.
HVO_ROOM = 2 << MAX_ORDER

#: Names of events, by the values of ``enum hc_event_kind``.
EVENT_NAMES = {number: name.removeprefix("HC_EV_").lower() for name, number in EVENTS.items()}

#: Kinds of mapping that the kernel treats specially, and their values in the shim.
KIND_OF = {
    "zero": KINDS["HC_KIND_ZERO"],
    "hugetlb": KINDS["HC_KIND_HUGETLB"],
    "base": KINDS["HC_KIND_ANON"],
    "thp": KINDS["HC_KIND_ANON"],
    "device-dax": KINDS["HC_KIND_DEVICE"],
}


#: Attributes of mappings with a value other than the default, and their bits in the shim.
BITS = {
    ("mapped", "pte"): _BITS["HC_A_PTE"],
    ("mapped", "pmd"): _BITS["HC_A_PMD"],
    ("writable", False): _BITS["HC_A_READ_ONLY"],
    ("present", False): _BITS["HC_A_ABSENT"],
    ("fault", "bus"): _BITS["HC_A_BUS"],
    ("fault", "oom"): _BITS["HC_A_OOM"],
    ("fault", "retry"): _BITS["HC_A_RETRY"],
    ("shared", True): _BITS["HC_A_SHARED"],
    ("protnone", True): _BITS["HC_A_PROTNONE"],
    ("movable", True): _BITS["HC_A_MOVABLE"],
    ("migrates", False): _BITS["HC_A_STAYS"],
    ("isolates", "later"): _BITS["HC_A_LATER"],
    ("gone", True): _BITS["HC_A_GONE"],
}


class KernelSource(Candidate):
    """Runs one program on the functions of a tree.

    All candidates of a tree share its worker: starting a program ends the previous one.
    """

    def __init__(self, worker: Worker, abilities: Abilities) -> None:
        self._abilities = abilities
        self._worker = worker
        self._regions = 0

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def execute(self, program: Program) -> Iterator[Snapshot]:
        table = program.table()
        self._worker.ask("HC_BEGIN", _extents(program.mappings))
        self._worker.owner = self
        for step in program.steps:
            yield self._take(step, table)

    def partial(self) -> list[Event]:
        events = self._worker.events()
        return [Event(EVENT_NAMES[k], pfn, refs, bool(dirty)) for k, pfn, refs, dirty in events]

    def _take(self, step: Step, table: Table) -> Snapshot:
        if self._worker.owner is not self:
            raise RuntimeError("another program has started in the worker")
        npages = step.npages_touched(table)
        arguments = step.arguments(table)
        segs, numbers = self._operands(step, *arguments)
        distinct = step.takes_range or step.releases_umem or (step.pins and step.binds_umem)
        op = operation(step.call)
        folios = step.takes_folios
        shared = self._worker.ask(op, segs, npages, *numbers, distinct=distinct, folios=folios)
        outcome: Any = shared.returned if step.returns else None
        if step.binds_umem and outcome >= 0:
            outcome = Region(self._regions, outcome)
            self._regions += 1
        heads, maybe_pinned = decoded(self._worker.heads())
        if step.holds_folios and outcome > 0:
            # The look-up has touched each folio, and found them in the order of their frames.
            outcome = sorted(heads)[:outcome]
        returned = step.bind(table, arguments, outcome)
        warnings = FFI.string(shared.warnings)
        return Snapshot(
            returned=returned,
            heads=heads,
            acquired=shared.acquired,
            released=shared.released,
            warnings=tuple(warnings.decode(errors="replace").splitlines()) if warnings else (),
            puts=shared.puts,
            dirty_locks=shared.dirty_locks,
            maybe_pinned=maybe_pinned,
            events=self.partial(),
            ran=self._worker.ran(),
            nmap=None if shared.nmap < 0 else shared.nmap,
            longest=None if shared.longest < 0 else shared.longest,
        )

    def _operands(
        self, step: Step, first: Any, *rest: Any
    ) -> tuple[Sequence[Segment], Sequence[int]]:
        """*segs* and *arg* of `Worker.ask` for *step*, whose arguments are *first* and *rest*."""
        if step.releases_umem:
            return (), (first.number, *rest)
        made = (self._regions,) if step.binds_umem else ()
        if step.needs is Need.FREE:
            (orders,) = rest
            extents = side_by_side(orders, first[0])
            return [Segment(e.pfn, e.count, order=e.order, refs=1) for e in extents], first[:1]
        if step.binds_umem and not step.pins:
            segs = [Segment(page, length) for page, length in first]
        else:
            segs = segments([first] if isinstance(first, int) else first)
        return segs, (*made, *map(_number, rest))


@frozen
class Region:
    """A memory region, which the worker knows by its *number*."""

    number: int
    sg_nents: int


def _number(argument: int | str | None) -> int:
    """*argument* of a step as a number: -1 for None, the place in `RACES` for a race."""
    if argument is None:
        return -1
    return RACES.index(argument) if isinstance(argument, str) else signed(argument)


def _extents(mappings: Sequence[Mapping]) -> list[Segment]:
    """The extents of *mappings*, lowest frame first."""
    found = []
    for m in mappings:
        kind = KIND_OF.get(m.kind, KINDS["HC_KIND_PLAIN"])
        given = sum(
            bit for (name, value), bit in BITS.items() if getattr(m.attributes, name) == value
        )
        found += [Segment(e.pfn, e.count, given, e.order, m.refs, kind) for e in m.extents]
    return sorted(found)


@frozen(slots=False)
class Source:
    """A compiled tree and its worker; calling the instance makes a candidate.

    :param text: The specification after ``kernel-source:``, such as ``DIR,classic,patch=FILE``.
    """

    text: str
    library: Library
    counts: Counts | None = field(init=False)
    worker: Worker = field(init=False)

    @counts.default
    def _counts(self) -> Counts | None:
        library = self.library
        return Counts(library.notes, library.gcov) if library.gcov else None

    @worker.default
    def _worker(self) -> Worker:
        return Worker(self.library.path, self.library.counters, self.counts)

    def listening(self, _number: int | None) -> nullcontext[None]:
        """Nothing: the compiled code counts its lines all the time."""
        return nullcontext()

    def heard(self) -> None:
        """Nothing: the worker adds its counts to a file that all processes share."""
        self.worker.dump()

    def hear(self, heard: None) -> None:
        """Nothing, likewise."""

    def under_test(self) -> UnderTest:
        """The extracted functions, and how often each line of them has run."""
        library = self.library
        if self.counts is None:
            found = UnderTest(unknown="needs gcc with its gcov, and $CC is another compiler")
        else:
            self.worker.dump()
            found = self.counts.read(FILES)
        why = library.fileless and f"{PINS_FOLIOS}(): {library.fileless}"
        notes = library.tree.edits.notes
        return evolve(found, notes=notes, unwalked=library.unwalked, left_out=why)

    def changes(self, ran: UnderTest) -> list[Changed] | None:
        """Each changed line of the tree, and what became of it; None if nothing was changed."""
        return self._changes.lines(ran) if self.library.tree.edits else None

    @cached_property
    def _changes(self) -> Changes:
        library = self.library
        return Changes(library.tree, compiler() or "", library.config_flags, library.names)

    @cached_property
    def abilities(self) -> Abilities:
        """What candidates of this tree can do; they have the calls of the tree's semantics."""
        library = self.library
        row = SEMANTICS[library.semantics]
        whole = library.model == "vmemmap" or not row.in_section
        narrow = "m32" in library.configs
        walks = not (library.unwalked or narrow)
        model = "flatmem" if narrow and library.model == "vmemmap" else library.model
        config = ", ".join((model, *library.configs))
        span = (SPAN_32 if narrow else SPAN)[library.model]
        return Abilities(
            f"kernel-source {library.version or 'of unknown version'} ({config})",
            semantics=frozenset({row.version}),
            calls=frozenset(
                call
                for call, cls in STEPS.items()
                if not cls.lacked_by(row) and (call in library.names or not cls.optional)
            ),
            listed=LISTED_32 if narrow else MOST_LISTED,
            span=span - ("hvo" in library.configs) * HVO_ROOM,
            region=REGION_32 if narrow else UNBOUNDED,
            failing=BATCH if narrow else UNBOUNDED,
            orders=frozenset(range(MAX_ORDER + 1 if whole else SECTION.bit_length())),
            oddities=library.oddities,
            attributes=ATTRIBUTES if walks else frozenset(),
            walked=MOST_WALKED,
            races=frozenset(RACES) - {"entry"} if walks else frozenset(),
        )

    def __call__(self) -> KernelSource:
        """A new candidate."""
        return KernelSource(self.worker, self.abilities)


def load(text: str) -> Source:
    """Compile the tree that *text* names, or raise BadInput."""
    return Source(text, build(*chosen(text)))


def chosen(text: str) -> tuple[Tree, str, tuple[str, ...]]:
    """What *text* names: the tree, the memory model, and those of `CONFIGS` that are chosen.

    Options follow the directory or tarball after commas: ``classic`` is SPARSEMEM without VMEMMAP;
    ``debug_vm``, ``hvo`` and ``m32`` are of `CONFIGS`; ``patch=FILE`` applies a patch to the tree
    first; ``base=REV`` names the commit that a git work tree is compared with, to know what was
    changed.

    :raises BadInput: if there is no kernel tree, or a patch does not apply.
    """
    parts = OPTIONS.fullmatch(text)
    assert parts is not None
    where, options = parts[1], parts[2]
    if not where:
        raise BadInput("kernel-source: needs a directory: kernel-source:DIR")
    model = "vmemmap"
    before, comma, unknown = where.rpartition(",")
    if comma and _exists(before) and not _exists(where):
        known = ", ".join((*_NAMES[1:], "patch=FILE", "base=REV"))
        raise BadInput(f"kernel-source:{before}: {unknown!r} is not one of {known}")
    tree = read(where)
    base = None
    patches = []
    configs = set()
    for option in _options(options):
        name, _, value = option.partition("=")
        if name == "patch":
            patches.append(Path(value))
        elif name == "base":
            base = value
        elif name in CONFIGS:
            configs.add(name)
        else:
            model = name
    if model == "classic" and "hvo" in configs:
        raise BadInput("hvo needs VMEMMAP: leave classic out")
    if {"hvo", "m32"} <= configs:
        raise BadInput("hvo needs VMEMMAP, which 32 bits do not have: leave m32 out")
    tree = edited(tree, base)
    for patch in patches:
        tree = patched(tree, patch)
    return tree, model, tuple(config for config in CONFIGS if config in configs)


def _options(text: str) -> Iterator[str]:
    """The options in *text*, each behind a comma.

    The longest name of a patch that exists is taken: it may look like a patch and options.
    """
    while text:
        option = OPTION.match(text)
        assert option is not None
        end = option.end()
        if option[1].startswith("patch="):
            name = option.start(1) + len("patch=")
            ends = [at for at in range(end, len(text) + 1) if ALL.fullmatch(text, at)]
            end = max((at for at in ends if _exists(text[name:at])), default=end)
        yield text[1:end]
        text = text[end:]


def _exists(name: str) -> bool:
    """Whether there is something of this *name*, however long that is."""
    return os.path.lexists(expanded(name))
