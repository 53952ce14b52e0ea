# SPDX-License-Identifier: MIT

"""Encodes calls, page lists and numbers for C."""

from collections.abc import Sequence
from typing import NamedTuple

from model.steps import STEPS


def operation(call: str) -> str:
    """The enumerator of *call* in ``enum hc_op``."""
    return f"HC_{call.upper()}"


#: The enumerators of all calls: HC_CALLS of shim/shared.h.
OPERATIONS = ",".join(map(operation, STEPS))


class Segment(NamedTuple):
    """One ``struct hc_seg``: part of a list of pages, or an extent of compound pages.

    :param start: The first frame.
    :param length: Number of pages; of an extent, number of compound pages.
    :param step: From one frame to the next; of an extent, its attributes (``enum hc_attribute``).
    :param order: Of an extent, the order of its compound pages.
    :param refs: Of an extent, the refcount and mapcount that each head starts with.
    :param kind: Of an extent, a value of ``enum hc_kind``.
    """

    start: int
    length: int
    step: int = 1
    order: int = 0
    refs: int = 0
    kind: int = 0


def signed(number: int) -> int:
    """An ``unsigned long`` reinterpreted as a ``long``."""
    return number - (1 << 64) if number >= 1 << 63 else number


def segments(pages: Sequence[int]) -> list[Segment]:
    """The frames *pages* as arithmetic sequences, in order."""
    if isinstance(pages, range):
        return [Segment(pages.start, len(pages), pages.step)] if pages else []
    found: list[Segment] = []
    start, count, step = 0, 0, 0
    for page in pages:
        if count == 1:
            step = page - start
        elif count and page != start + count * step:
            found.append(Segment(start, count, step))
            start, count, step = page, 0, 0
        elif not count:
            start = page
        count += 1
    if count:
        found.append(Segment(start, count, step))
    return found
