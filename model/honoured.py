# SPDX-License-Identifier: MIT

"""What a class that runs in this process can honour: sketches may be older than some of it."""

from functools import cache
from inspect import signature
from typing import Any

from model.abilities import Abilities
from model.step import RACES
from model.steps import STEPS

#: The methods that pin, and the parts of the optimised model's that walk or grab.
PIN_PARTS = frozenset(
    {
        *(call for call, cls in STEPS.items() if cls.slow_path or cls.binds_handle),
        "check_and_migrate_movable_pages",
        "check_and_migrate_movable_folios",
        "grab_found",
        "pin_found",
        "lockless_pages_from_mm",
        "page_table_entry",
        "try_grab_compound_head",
        "try_get_compound_head",
        "grabs_exactly",
        "room",
        "_room",
        "_mapped",
        "_grab_faulted",
        "_grab_runs",
        "_walk_fast",
    }
)


@cache
def abilities_of(cls: type[Any]) -> Abilities:
    """The abilities of a class: all but attributes and races that it may not know."""
    knows = next(
        base
        for base in cls.__mro__
        if "attributes" in base.__dict__ or not PIN_PARTS.isdisjoint(base.__dict__)
    )
    methods = [getattr(cls, call, None) for call, step in STEPS.items() if step.position]
    taking = [signature(method).parameters for method in methods if callable(method)]
    takes_race = bool(taking) and all("race" in parameters for parameters in taking)
    return Abilities(
        cls.__name__,
        attributes=frozenset(knows.__dict__.get("attributes", ())),
        races=frozenset(RACES) - {"entry"} if takes_race else frozenset(),
    )
