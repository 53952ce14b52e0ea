# SPDX-License-Identifier: MIT

"""Whether a step of a call can be drawn: the call's `Need` and the state that meets it."""

from collections.abc import Callable, Collection

from model.step import Need
from model.steps import STEPS
from properties.judging.ledger import Ledger
from properties.strategies.steps import RandomSteps


#: For each need, a function to the collection that meets it if not empty.
_HELD: dict[Need | None, Callable[[Ledger, RandomSteps], Collection[object]]] = {
    Need.PINS: lambda ledger, _: ledger.pinned,
    Need.REFERENCES: lambda ledger, _: ledger.got,
    Need.REGION: lambda ledger, _: ledger.umems,
    Need.FREE: lambda ledger, _: ledger.freed,
    Need.SPLITTABLE: lambda _, steps: steps.splittable,
}

#: The function of `_HELD` for each call with a need.
_NEEDED = {call: _HELD[cls.needs] for call, cls in STEPS.items() if cls.needs}


def possible(call: str, ledger: Ledger, steps: RandomSteps) -> bool:
    """Whether the need of *call* is met, so that a step of it may be drawn now."""
    needed = _NEEDED.get(call)
    return needed is None or bool(needed(ledger, steps))
