# SPDX-License-Identifier: MIT

"""The oracles: functions that check one step each, in the order in which they run.

Each takes a `properties.judging.oracles.record.Record` and returns a finding, or None.
`dirty_before_put` and `entry_lengths` come first: their findings explain a dirty flag, or a number
of scatterlist entries, that differs. The other invariants come last: a count that differs says more
than a page that was freed too early.
"""

from collections.abc import Callable
from typing import TypeAlias

from model.step import Step
from model.steps import STEPS
from properties.judging.finding import Finding
from properties.judging.oracles.agreement import agreement, legal
from properties.judging.oracles.invariants import (
    counted_before_put,
    dirty_before_put,
    freed_once,
    held_throughout,
    locked_to_dirty,
)
from properties.judging.oracles.record import Record
from properties.judging.oracles.regions import entry_lengths, pinned_for_device

Oracle: TypeAlias = Callable[[Record], Finding | None]

ORACLES: tuple[Oracle, ...] = (
    dirty_before_put,
    entry_lengths,
    agreement,
    legal,
    freed_once,
    held_throughout,
    locked_to_dirty,
    counted_before_put,
    pinned_for_device,
)


def _dirties(step: type[Step]) -> bool:
    return step.asks_dirty


def _registers(step: type[Step]) -> bool:
    return step.binds_umem and step.pins


#: The steps that an oracle can find something in, where these are not all.
CONCERNED: dict[Oracle, Callable[[type[Step]], bool]] = {
    dirty_before_put: _dirties,
    locked_to_dirty: _dirties,
    counted_before_put: lambda step: step.unpins,
    entry_lengths: _registers,
    pinned_for_device: _registers,
}

#: For each call, those of ORACLES that concern its steps: for most calls half of them.
ORACLES_OF = {
    call: tuple(one for one in ORACLES if one not in CONCERNED or CONCERNED[one](cls))
    for call, cls in STEPS.items()
}
