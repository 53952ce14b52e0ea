# SPDX-License-Identifier: MIT

"""A grab that stops half-way does so on one page, at the limit of its counter.

Cutting never leads there from a page that is unmapped, or from a counter that
many steps drove up: all of them have to go at once, and one other comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from model.mapping import FIRST_PFN, MAX_REFS, Mapping, placed
from model.pagelist import PageList, Slice, span
from model.steps import GetPage, GetUserPages, IbUmemGet, PinUserPages
from properties.reduce.cut import with_lists


if TYPE_CHECKING:
    from model.program import Program
    from properties.reduce.rewrite import Pass

#: Calls that refuse a page whose counter is at its limit, and keep those before it.
GRABS = (PinUserPages, GetUserPages, IbUmemGet)


def at_limit(program: Program) -> Pass:
    """Let the last step name one page twice, whose counter has room for the first alone."""
    last = program.steps[-1]
    if isinstance(last, GRABS):
        page = Mapping("a", "base", placed([(0, 1)], FIRST_PFN))
        fill = GetPage(pages=span("a", 0, 1), n=MAX_REFS - page.refs)
        twice = PageList((Slice("a", range(1), times=2),))
        grab = with_lists(last, lambda _pages: twice)
        yield evolve(program, mappings=(page,), steps=(fill, grab), lines=())
