# SPDX-License-Identifier: MIT

"""Lists of numbers as whoever is in C takes them: stretches, and signed."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence


def signed(number: int) -> int:
    """An ``unsigned long`` in the bits of a ``long``."""
    return number - (1 << 64) if number >= 1 << 63 else number


def segments(pages: Sequence[int]) -> list[tuple[int, ...]]:
    """*pages* as stretches whose frames rise, or fall, by the same each time."""
    if isinstance(pages, range):
        return [(pages.start, len(pages), pages.step, 0, 0, 0)] if pages else []
    found: list[tuple[int, ...]] = []
    start, count, step = 0, 0, 0
    for page in pages:
        if count == 1:
            step = page - start
        elif count and page == start + count * step:
            pass
        else:
            if count:
                found.append((start, count, step, 0, 0, 0))
            start, count, step = page, 0, 0
        count += 1
    if count:
        found.append((start, count, step, 0, 0, 0))
    return found
