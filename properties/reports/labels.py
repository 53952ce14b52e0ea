# SPDX-License-Identifier: MIT

"""Lines with a label in front: ``ran      412 of 430 lines``."""

from collections.abc import Iterable, Iterator

#: Width of the text behind a label, in columns, so that a line has at most 100.
TEXT_WIDTH = 91


def labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    """*lines*, the first one behind *label*, the others below it."""
    for number, line in enumerate(lines):
        yield f"{'' if number else label:<9}{line}"
