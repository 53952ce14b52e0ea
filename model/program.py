# SPDX-License-Identifier: MIT

"""Programs: a few mappings of compound pages, and the steps that use them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from attrs import field, frozen

from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, default_pfn
from model.pagelist import NULL_NAME
from model.semantics import DEFAULT, Semantics
from model.step import Step, Table
from model.steps import STEPS

#: The version of the trace format, and the first line of a trace.
VERSION = 1
HEADER = f"# headcount {VERSION}"

#: Maximum length of a line of a trace, in bytes.
LINE_LIMIT = 4096

#: Maximum number of pages of a list that is not one slice (a slice is not stored page by page).
MAX_LISTED = 1 << 23


class Size(NamedTuple):
    """The size of a program. Sizes are compared field by field, in this order.

    :param orders: Sum of the orders of all compound pages.
    :param pages_named: Sum, over all steps, of the number of pages that a step names.
    :param text: The statements of the program, *characters* long.
    """

    steps: int
    compound_pages: int
    orders: int
    pages_named: int
    characters: int
    text: str

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The size without the text: steps, compound pages, sum of orders and pages named."""
        return self[:4]


@frozen
class Program:
    """Mappings and steps: what is judged, reduced, saved and replayed.

    :param steps: The steps; a search may append some while the program is carried out.
    :param misuse: Whether the program breaks the contract on purpose.
    :param comments: Comment lines at the top of the trace, without ``#``.
    :param lines: For a parsed program, the line number of each step in the trace; else empty.
    """

    mappings: tuple[Mapping, ...]
    steps: Sequence[Step]
    semantics: Semantics = DEFAULT
    misuse: bool = False
    comments: tuple[str, ...] = ()
    lines: tuple[int, ...] = field(default=(), eq=False, repr=False)

    def table(self) -> Table:
        """A new `Table` with the frames of the mappings."""
        return Table({mapping.name: mapping.pages for mapping in self.mappings})

    def statements(self) -> list[str]:
        """The statements of the trace: one for the semantics, each mapping and each step."""
        misuse = ", misuse=True" if self.misuse else ""
        lines = [f'semantics("{self.semantics.version}"{misuse})']
        return lines + mapping_lines(self.mappings) + [step.text() for step in self.steps]

    def text(self) -> str:
        """The trace. Parsing it gives an equal program, whose text has the same bytes."""
        lines = [HEADER, *(f"# {c}".rstrip() for c in self.comments), *self.statements()]
        return "\n".join(lines) + "\n"

    def size(self) -> Size:
        """The size of the program."""
        text = "\n".join(self.statements())
        return Size(
            steps=len(self.steps),
            compound_pages=sum(m.ncompound for m in self.mappings),
            orders=sum(e.order * e.count for m in self.mappings for e in m.extents),
            pages_named=sum(step.npages_named for step in self.steps),
            characters=len(text),
            text=text,
        )


def mapping_lines(mappings: Sequence[Mapping]) -> list[str]:
    """The statement of each of *mappings*, as a line of a trace."""
    lines = []
    end = FIRST_PFN - 1
    for m in mappings:
        lines.append(m.text(default_pfn(end, (e.order for e in m.extents))))
        end = max(end, m.stop)
    return lines


def clash(mappings: Sequence[Mapping]) -> tuple[int, int] | None:
    """The index of a mapping, and a frame of it that one before it has, too; None if there is none.

    All are looked at together: one at a time would take quadratic time on a large layout.
    """
    extents = sorted((e.pfn, e.stop, at) for at, m in enumerate(mappings) for e in m.extents)
    clashes = (
        (max(here, there), pfn)
        for (_, stop, here), (pfn, _, there) in pairwise(extents)
        if pfn < stop
    )
    return min(clashes, default=None)


def check_frames(mappings: Sequence[Mapping], lines: Sequence[int] = ()) -> None:
    """Raise BadInput if two of *mappings* have a frame in common; *lines* are where they stand."""
    found = clash(mappings)
    if found is not None:
        at, pfn = found
        msg = f"mapping {mappings[at].name}: frame {pfn:#x} belongs to a mapping before it"
        raise BadInput(msg, line=lines[at] if lines else 0)


def check_kind(mapping: Mapping, semantics: Semantics) -> None:
    """Raise BadInput if *mapping* has an order or attribute that *semantics* do not allow it."""
    allowed = semantics.orders[mapping.kind]
    for extent in mapping.extents:
        if extent.order not in allowed:
            listed = ", ".join(map(str, sorted(allowed)))
            raise BadInput(
                f"mapping {mapping.name}: {mapping.kind} pages of order {extent.order} do not "
                f"exist in {semantics.version}; existing orders are {listed}"
            )
    highest = max(extent.order for extent in mapping.extents)
    complaint = mapping.attributes.complaint(mapping.kind, highest, semantics)
    if complaint:
        raise BadInput(f"mapping {mapping.name}: {complaint}")


class Checker:
    """Checks that each step fits the steps before it, without carrying out any.

    A handle is assumed to hold all pages of its list; when carried out, the call may pin fewer.
    """

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._table = Table({m.name: m.pages for m in mappings})
        self._made = {NULL_NAME, *(m.name for m in mappings)}

    def step(self, step: Step) -> None:
        """Check *step*, and keep the name that it defines for later steps.

        :raises BadInput: if a name does not exist yet or is defined twice, a page lies outside
            its mapping or handle, a range is not contiguous, or an argument is invalid.
        """
        uses = step.uses()
        if NULL_NAME in uses and not step.takes_array:
            *arrays, last = sorted(call for call, cls in STEPS.items() if cls.takes_array)
            accept = f"{', '.join(arrays)} and {last}"
            raise BadInput(f"{step.call} of NULL: only {accept} accept it")
        for name in sorted(uses):
            if name not in self._made:
                raise BadInput(f"{name} is used before it is defined")
        for pages in step.lists():
            if not pages.terms:
                raise BadInput(f"{step.call} of a list that names nothing")
            one_slice = len(pages.terms) == 1 and pages.terms[0].times == 1
            if not one_slice and len(pages) > MAX_LISTED:
                raise BadInput(f"{pages} lists more than {MAX_LISTED} pages")
        if len(step.text()) > LINE_LIMIT:
            raise BadInput(f"the line is longer than {LINE_LIMIT} bytes as headcount writes it")
        self._counts(step)
        step.arguments(self._table)
        complaint = step.complaint(self._table)
        if complaint:
            raise BadInput(complaint)
        if step.makes:
            if step.makes in self._made:
                raise BadInput(f"{step.makes} is defined twice")
            self._made.add(step.makes)
            if step.binds_handle:
                self._table[step.makes] = next(step.lists()).resolve(self._table)
            else:
                self._table.umems[step.makes] = step

    def _counts(self, step: Step) -> None:
        counts = [len(pages) for pages in step.lists()]
        if step.takes_one_page and counts != [1]:
            raise BadInput(f"{step.call} takes one page, not {counts[0]}")
        if 0 in counts and not step.may_be_empty:
            raise BadInput(f"{step.call} of no pages")


def check(program: Program) -> None:
    """Raise BadInput for the first invalid mapping or step of *program*; carry out nothing."""
    check_frames(program.mappings)
    for mapping in program.mappings:
        check_kind(mapping, program.semantics)
    checker = Checker(program.mappings)
    for step in program.steps:
        checker.step(step)
