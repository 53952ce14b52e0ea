# SPDX-License-Identifier: MIT

"""The oracles: functions that check one step each, in the order in which they run.

Each takes a `properties.judging.oracles.record.Record` and returns a finding, or None.
`dirty_before_put` and `entry_lengths` come first: their findings explain a dirty flag, or a number
of scatterlist entries, that differs. The other invariants come last: a count that differs says more
than a page that was freed too early.
"""

from properties.judging.oracles.agreement import agreement, legal
from properties.judging.oracles.invariants import (
    counted_before_put,
    dirty_before_put,
    freed_once,
    held_throughout,
    locked_to_dirty,
)
from properties.judging.oracles.regions import entry_lengths, pinned_for_device

ORACLES = (
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
