# SPDX-License-Identifier: MIT

"""The searches by name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import BadInput
from properties.equalities import equalities
from properties.exhaustive import exhaustive
from properties.machine import explore
from properties.soak import long, soak
from properties.wide import wide


if TYPE_CHECKING:
    from properties.search import Searcher

SEARCHES: dict[str, Searcher] = {
    "machine": explore,
    "soak": soak,
    "long": long,
    "wide": wide,
    "laws": equalities,
    "exhaustive": exhaustive,
}

#: Those that ``headcount verify`` makes in turn: rounds of soak are short. The
#: rounds of exhaustive are too long for that.
TURNS = ("machine", "soak", "soak", "soak", "wide", "soak", "soak", "laws")

FORMS = f"{', '.join(SEARCHES)} or package.module:FUNCTION"


def load(name: str) -> Searcher:
    """The search called *name*.

    :raises BadInput: if there is none.
    """
    if name in SEARCHES:
        return SEARCHES[name]
    where, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Searcher = getattr(importlib.import_module(where), function)
    except (ImportError, AttributeError, ValueError):
        msg = f"search {name!r} is not known; it can be {FORMS}"
        raise BadInput(msg) from None
    return found
