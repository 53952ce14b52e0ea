# SPDX-License-Identifier: MIT

"""Passes that guess a short program in which the last call stops half-way.

Dropping parts one by one does not find such a program: all other steps must be dropped
at once, and one step or argument added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from model.mapping import FIRST_PFN, MAX_REFS, Mapping, placed
from model.pagelist import PageList, Slice, span
from model.program import Program
from properties.reduce.lists import with_pages
from properties.reduce.standing import get_step


if TYPE_CHECKING:
    from properties.reduce.passes import Proposals


def fail_alone(program: Program) -> Proposals:
    """Let a registration fail because mapping its scatterlist fails, with no other step."""
    step: Any = program.steps[-1]
    if step.pins and step.binds_umem:
        alone = evolve(step, nmap=0, append_fails=None)
        yield evolve(program, steps=(alone,), lines=())


def at_limit(program: Program) -> Proposals:
    """Let the last call take a page twice, though its count has room for one reference only.

    A call with a slow path keeps what it took before it fails.
    """
    last = program.steps[-1]
    if last.slow_path:
        page = Mapping("a", "base", placed([(0, 1)], FIRST_PFN))
        fill = get_step(span("a", 0, 1), MAX_REFS - page.refs)
        twice = with_pages(last, PageList((Slice("a", range(1), times=2),)))
        yield evolve(program, mappings=(page,), steps=(fill, twice), lines=())
