# SPDX-License-Identifier: MIT

"""A program: a few mappings of compound pages, and the steps done to them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from attrs import field, frozen

from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, default_pfn
from model.pagelist import NULL_NAME
from model.semantics import DEFAULT, Semantics
from model.step import Step, Table
from model.steps import STEPS


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERSION = 1
HEADER = f"# headcount {VERSION}"

#: Bytes of one line, as it is read and as it is written.
LINE_LIMIT = 4096

#: Longer lists must be one slice, which costs nothing to keep.
MAX_LISTED = 1 << 23


@frozen
class Program:
    """What is judged, reduced, saved and replayed.

    :param mappings: The pages there are.
    :param steps: What happens to them, in order. A search may append to the
        sequence while the program is carried out.
    :param semantics: The kernel version that says how to count.
    :param misuse: Whether the program breaks the contract on purpose.
    :param comments: Lines kept at the top: what the trace once broke.
    :param lines: The line that each step was read from, if it was read.
    """

    mappings: tuple[Mapping, ...]
    steps: Sequence[Step]
    semantics: Semantics = DEFAULT
    misuse: bool = False
    comments: tuple[str, ...] = ()
    lines: tuple[int, ...] = field(default=(), eq=False, repr=False)

    def table(self) -> Table:
        """What the names of the mappings stand for."""
        return Table({mapping.name: mapping.pages for mapping in self.mappings})

    def statements(self) -> list[str]:
        """The program without header and comments, a statement each."""
        misuse = ", misuse=True" if self.misuse else ""
        lines = [f'semantics("{self.semantics.version}"{misuse})']
        return lines + mapping_lines(self.mappings) + [step.text() for step in self.steps]

    def text(self) -> str:
        """The trace: parsing it gives an equal program, printing that the same bytes."""
        lines = [HEADER, *(f"# {c}".rstrip() for c in self.comments), *self.statements()]
        return "\n".join(lines) + "\n"

    def size(self) -> tuple[int, int, int, int, int, str]:
        """What *smallest* compares.

        Steps, compound pages, sum of their orders, pages named, then the text:
        shorter first, then by the alphabet.
        """
        text = "\n".join(self.statements())
        return (
            len(self.steps),
            sum(m.ncompound for m in self.mappings),
            sum(e.order * e.count for m in self.mappings for e in m.extents),
            sum(step.npages_named for step in self.steps),
            len(text),
            text,
        )


def mapping_lines(mappings: Sequence[Mapping]) -> list[str]:
    """The statements that make *mappings*."""
    lines = []
    end = FIRST_PFN - 1
    for m in mappings:
        lines.append(m.text(default_pfn(end, (e.order for e in m.extents))))
        end = max(end, m.stop)
    return lines


class Taken:
    """The frames that mappings hold, to see that no two hold the same."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, mapping: Mapping) -> None:
        """Take the frames of *mapping*.

        :raises BadInput: if one is taken already.
        """
        for extent in mapping.extents:
            at = bisect_right(self._starts, extent.pfn)
            if at and extent.pfn < self._stops[at - 1]:
                clash = extent.pfn
            elif at < len(self._starts) and self._starts[at] < extent.stop:
                clash = self._starts[at]
            else:
                self._starts.insert(at, extent.pfn)
                self._stops.insert(at, extent.stop)
                continue
            msg = f"mapping {mapping.name}: frame {clash:#x} belongs to a mapping before it"
            raise BadInput(msg)


def check_mappings(mappings: Iterable[Mapping]) -> None:
    """See that no frame is in two of *mappings*.

    :raises BadInput: if one is.
    """
    taken = Taken()
    for mapping in mappings:
        taken.add(mapping)


def check_kind(mapping: Mapping, semantics: Semantics) -> None:
    """See that *semantics* knows compound pages of that kind and order.

    :raises BadInput: if it does not.
    """
    allowed = semantics.orders[mapping.kind]
    for extent in mapping.extents:
        if extent.order not in allowed:
            listed = ", ".join(map(str, sorted(allowed)))
            msg = (
                f"mapping {mapping.name}: {mapping.kind} pages of order {extent.order} do not "
                f"exist in {semantics.version}; orders there are {listed}"
            )
            raise BadInput(msg)


class Checker:
    """Sees that steps fit what came before them, without carrying any out.

    A handle is taken to hold all pages that were asked for; whether it really
    does shows only when the program runs.
    """

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self._table = Table({m.name: m.pages for m in mappings})
        self._made = {NULL_NAME, *(m.name for m in mappings)}

    def step(self, step: Step) -> None:
        """Take *step* into account.

        :raises BadInput: if a name is not made yet or made twice, a page lies
            outside what its name holds, a range is not contiguous, or a
            number makes no sense.
        """
        uses = step.uses()
        if NULL_NAME in uses and not step.takes_array:
            arrays = sorted(call for call, cls in STEPS.items() if cls.takes_array)
            msg = f"{step.call} of NULL: only {' and '.join(arrays)} may meet it"
            raise BadInput(msg)
        for name in sorted(uses):
            if name not in self._made:
                msg = f"{name} is used before it is made"
                raise BadInput(msg)
        for pages in step.lists():
            if not pages.terms:
                msg = f"{step.call} of a list without a name"
                raise BadInput(msg)
            if not pages.is_slice() and len(pages) > MAX_LISTED:
                msg = f"{pages} lists more than {MAX_LISTED} pages"
                raise BadInput(msg)
        if len(step.text()) > LINE_LIMIT:
            msg = f"the line is longer than {LINE_LIMIT} bytes as headcount writes it"
            raise BadInput(msg)
        self._counts(step)
        arguments = step.arguments(self._table)
        complaint = step.complaint(self._table)
        if complaint:
            raise BadInput(complaint)
        if step.makes:
            if step.makes in self._made:
                msg = f"{step.makes} is defined twice"
                raise BadInput(msg)
            self._made.add(step.makes)
            if step.binds_handle:
                self._table[step.makes] = arguments[0]
            else:
                self._table.umems[step.makes] = step

    def _counts(self, step: Step) -> None:
        counts = [len(pages) for pages in step.lists()]
        if step.takes_one_page and counts != [1]:
            msg = f"{step.call} takes one page, not {counts[0]}"
            raise BadInput(msg)
        if 0 in counts and not step.may_be_empty:
            msg = f"{step.call} of no pages"
            raise BadInput(msg)


def check(program: Program) -> None:
    """See that *program* makes sense, without carrying it out.

    :raises BadInput: at the first mapping or step that does not.
    """
    check_mappings(program.mappings)
    for mapping in program.mappings:
        check_kind(mapping, program.semantics)
    checker = Checker(program.mappings)
    for step in program.steps:
        checker.step(step)


__all__ = [
    "HEADER",
    "LINE_LIMIT",
    "VERSION",
    "Checker",
    "Program",
    "Taken",
    "check",
    "check_kind",
    "check_mappings",
    "mapping_lines",
]
