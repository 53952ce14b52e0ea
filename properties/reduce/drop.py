# SPDX-License-Identifier: MIT

"""Passes that drop parts of a program: steps, compound pages, entries of lists."""

from model.program import Program
from model.step import shown
from properties.reduce.lists import CannotRewrite
from properties.reduce.mappings import ncompound, without_compound
from properties.reduce.proposals import Proposals, first_accepted
from properties.reduce.remove import without_entries, without_steps

#: Pieces of less than 1/FINEST_PARTS of a list are dropped from its ends only.
FINEST_PARTS = 16


def drop_steps(program: Program) -> Proposals:
    """Drop steps, and the steps that use what they make; never the last step, which fails."""
    size = len(program.steps) - 1
    while size > 0:
        stop = len(program.steps) - 1
        while stop > 0:
            start = max(0, stop - size)
            program = (yield without_steps(program, start, stop)) or program
            stop = min(start, len(program.steps) - 1)
        size //= 2


def drop_compound(program: Program) -> Proposals:
    """Drop compound pages, and remove their pages from all lists."""
    for name in [m.name for m in program.mappings]:
        size = ncompound(program, name)
        while size:
            stop = ncompound(program, name)
            while stop > 0:
                start = max(0, stop - size)
                smaller = without_compound(program, name, start, stop)
                program = (yield from first_accepted(smaller)) or program
                stop = min(start, ncompound(program, name))
            size //= 2


def fewer_pages(program: Program) -> Proposals:
    """Drop entries of lists: halves first, then smaller parts."""
    index = len(program.steps) - 1
    while index >= 0:
        step = program.steps[index]
        kinds = [a.metadata["kind"] for a in shown(step)]
        if kinds[0] == "pages" and not step.takes_one_page and "orders" not in kinds:
            length = step.npages_named
            size = length // 2
            while size:
                stop = length
                while stop > 0:
                    if size * FINEST_PARTS < length and 0 < stop < length:
                        # Skip the middle of a long list: dropping small parts there rarely helps.
                        stop = min(stop, size)
                    start = max(0, stop - size)
                    try:
                        smaller = without_entries(program, index, start, stop)
                    except CannotRewrite:
                        stop = start
                        continue
                    answer = yield smaller
                    if answer:
                        if len(answer.steps) < len(program.steps):
                            # If the program now ends before step *index*, go on with its last step.
                            index = min(index, len(answer.steps) - 1)
                        program = answer
                        length = program.steps[index].npages_named
                    stop = min(start, length)
                size = min(size, length) // 2
        index -= 1
