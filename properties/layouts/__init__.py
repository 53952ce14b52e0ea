# SPDX-License-Identifier: MIT

"""Captured layouts shipped with headcount; searches cut windows from them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from model.mapping import Mapping
from model.parse import read_layout

#: Directory of the shipped layouts.
DIRECTORY = Path(__file__).parent


@cache
def shipped() -> tuple[Mapping, ...]:
    """The mappings of all layouts that are shipped with headcount."""
    return load(sorted(DIRECTORY.glob("*.layout")))


def load(paths: Sequence[Path]) -> tuple[Mapping, ...]:
    """The mappings of the layout files *paths*, in order.

    :raises BadInput: if a file cannot be read or parsed.
    """
    return tuple(mapping for path in paths for mapping in read_layout(path))
