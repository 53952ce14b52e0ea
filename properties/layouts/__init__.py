# SPDX-License-Identifier: MIT

"""Captured layouts that searches cut windows from."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from model.parse import read_layout


if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.mapping import Mapping

#: Where the layouts lie that come with headcount.
KEPT = Path(__file__).parent


@cache
def kept() -> tuple[Mapping, ...]:
    """The mappings of all layouts that come with headcount."""
    return load(sorted(KEPT.glob("*.layout")))


def load(paths: Sequence[Path]) -> tuple[Mapping, ...]:
    """The mappings of the layouts at *paths*, one after another.

    :raises BadInput: if one cannot be read.
    """
    return tuple(mapping for path in paths for mapping in read_layout(path))
