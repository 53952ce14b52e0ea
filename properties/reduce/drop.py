# SPDX-License-Identifier: MIT

"""Passes that leave something out: steps, pairs of them, compound pages, entries of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.step import shown
from properties.reduce.cut import CannotCut, without_entries, without_steps
from properties.reduce.rewrite import without_compound


if TYPE_CHECKING:
    from collections.abc import Generator

    from model.program import Program
    from properties.reduce.rewrite import Pass

#: In programs of no more steps every two of them are tried without.
MOST_PAIRS = 12

#: A list is long if it has more entries than this.
LONG = 256

#: Pieces of less than one part in this many are not tried everywhere.
FINE = 16


def _chunks(length: int) -> Generator[tuple[int, int], bool, None]:
    """Intervals of 0..length, halves first, from the end; sent whether it went."""
    size = length
    while size:
        stop = length
        while stop > 0:
            start = max(0, stop - size)
            if (yield start, stop):
                length -= stop - start
            stop = start
        size //= 2


def drop_steps(program: Program) -> Pass:
    """Leave steps out, with all that used them. The last is the one that fails."""
    chunks = _chunks(len(program.steps) - 1)
    went = None
    while True:
        try:
            start, stop = next(chunks) if went is None else chunks.send(went)
        except StopIteration:
            return
        size = len(program.steps)
        answer = yield without_steps(program, start, stop)
        program = answer or program
        went = len(program.steps) < size


def drop_pairs(program: Program) -> Pass:
    """Leave two steps out of a short program: what the one does the other may undo."""
    later = len(program.steps) - 2
    while 0 < later < MOST_PAIRS:
        for earlier in range(later - 1, -1, -1):
            smaller = without_steps(program, later, later + 1)
            answer = yield without_steps(smaller, earlier, earlier + 1)
            if answer:
                program = answer
                break
        later = min(later, len(program.steps) - 1) - 1


def drop_compound(program: Program) -> Pass:
    """Leave compound pages out, with all that named them."""
    for name in [m.name for m in program.mappings]:
        mapping = next(m for m in program.mappings if m.name == name)
        size = mapping.ncompound
        while size:
            stop = mapping.ncompound
            while stop > 0:
                start = max(0, stop - size)
                for smaller in without_compound(program, name, start, stop):
                    answer = yield smaller
                    if answer:
                        program = answer
                        break
                stop = start
                found = [m for m in program.mappings if m.name == name]
                if not found:
                    break
                mapping = found[0]
                stop = min(stop, mapping.ncompound)
            else:
                size //= 2
                continue
            break


def halve_lists(program: Program) -> Pass:
    """Name far fewer pages in each list that is long, before its steps are tried one by one."""
    return fewer_pages(program, long=LONG)


def fewer_pages(program: Program, long: int = 0) -> Pass:
    """Name fewer pages in each list that has more than *long*.

    :param long: If not 0, only large pieces are tried, an eighth at least.
    """
    index = len(program.steps) - 1
    while index >= 0:
        step = program.steps[index]
        kinds = [a.metadata["kind"] for a in shown(step)]
        if kinds[0] == "pages" and step.call not in {"unpin_user_page", "alloc_pages"}:
            length = step.npages_named
            size = length // 2 if length > long else 0
            while size > (length // 8 if long else 0):
                stop = length
                while stop > 0:
                    if size * FINE < length and 0 < stop < length:
                        # Small pieces go from the ends only: few lists are long for
                        # the sake of what is in them.
                        stop = min(stop, size)
                    start = max(0, stop - size)
                    try:
                        smaller = without_entries(program, index, start, stop)
                    except CannotCut:
                        stop = start
                        continue
                    answer = yield smaller
                    if answer:
                        if len(answer.steps) < len(program.steps):
                            # Later steps went too; this one still stands where it was.
                            index = min(index, len(answer.steps) - 1)
                        program = answer
                        length = program.steps[index].npages_named
                    stop = min(start, length)
                size = min(size, length) // 2
        index -= 1
