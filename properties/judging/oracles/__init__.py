# SPDX-License-Identifier: MIT

"""The oracles: functions that check one step each, in the order in which they run.

Each takes a `properties.judging.oracles.record.Record` and returns a finding, or None.
`dirty_before_put` comes first: its finding explains a dirty flag that differs. The other
invariants come last: a count that differs says more than a page that was freed too early.
"""

from properties.judging.oracles.agreement import agreement, legal
from properties.judging.oracles.invariants import (
    counted_before_put,
    dirty_before_put,
    freed_once,
    held_throughout,
    locked_to_dirty,
)

ORACLES = (
    dirty_before_put,
    agreement,
    legal,
    freed_once,
    held_throughout,
    locked_to_dirty,
    counted_before_put,
)
