# SPDX-License-Identifier: MIT

"""Searches by name."""

import importlib
import inspect
import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.candidate import Candidate
from model.errors import BadInput
from properties.search import Searcher

#: Where each search is. Its module is imported when it is loaded: machine needs Hypothesis, which
#: takes a quarter of a second to import.
SEARCHES = MappingProxyType(
    {
        "machine": "properties.searches.machine:explore",
        "soak": "properties.searches.soak:soak",
        "long": "properties.searches.soak:long",
        "wide": "properties.searches.wide:wide",
        "orders": "properties.searches.orders:orders",
        "laws": "properties.searches.laws.search:laws",
        "exhaustive": "properties.enumeration.exhaustive:exhaustive",
        "predrawn": "properties.searches.predrawn:predrawn",
    }
)

#: The search that draws the programs of predrawn.
DRAWS = "soak"

#: Former names of searches, so that commands in old reports still work.
FORMER_NAMES = {"whole": "predrawn"}

#: The searches of which ``headcount verify`` does one round after the other, over and over.
#: Soak is repeated because its rounds are short; a round of exhaustive would take too long.
TURNS = (
    *("soak", "orders", "soak", "machine", "soak", "orders", "soak"),
    *("wide", "soak", "orders", "soak", "laws", "soak", "soak"),
)

#: TURNS for a candidate that carries out whole programs much faster than single steps.
TURNS_PREDRAWN = ("predrawn", "predrawn", "predrawn", "machine")


def turns(candidate: Candidate) -> tuple[str, ...]:
    """The searches of which ``headcount verify`` does rounds in turn on *candidate*."""
    return TURNS_PREDRAWN if candidate.abilities.takes_whole_programs else TURNS


#: The accepted names of searches, for messages.
FORMS = f"{', '.join(SEARCHES)} or package.module:FUNCTION"


def load(name: str) -> Searcher:
    """The search *name*: one of SEARCHES, or a function written as package.module:FUNCTION.

    :raises BadInput: if it is unknown, cannot be imported, or does not take (search, number).
    """
    name = FORMER_NAMES.get(name, name)
    if name in SEARCHES:
        return _own(name)
    where, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    msg = f"search {name!r} is not one of {FORMS}"
    if not where or where.startswith(".") or not function:
        raise BadInput(msg)
    try:
        found: Any = getattr(importlib.import_module(where), function, None)
    except ModuleNotFoundError:
        raise BadInput(msg) from None
    except Exception as err:
        raise BadInput(f"search {name!r} cannot be imported: {type(err).__name__}: {err}") from None
    if inspect.isclass(found):
        found = None  # some classes can be called with two arguments, but none searches
    try:
        inspect.signature(found).bind(None, 0)
    except (TypeError, ValueError):
        reason = f"{name} is not a search: it cannot be called with (search, number)"
        raise BadInput(reason) from None
    return found  # type: ignore[no-any-return]


@cache
def _own(name: str) -> Searcher:
    """The search *name*, one of SEARCHES."""
    where, _, function = SEARCHES[name].partition(":")
    found: Any = getattr(importlib.import_module(where), function)
    return found(_own(DRAWS)) if name == "predrawn" else found  # type: ignore[no-any-return]
