# SPDX-License-Identifier: MIT

"""What must hold after each step: a list of functions, in the order they are asked.

Each takes a `properties.judging.oracles.record.Record` and gives a finding, or None.
The law about dirty flags comes first because a dirty flag that differs is then
its consequence; the other laws come last because a count that differs says
more than that a page was freed too early.
"""

from __future__ import annotations

from properties.judging.oracles.agreement import agreement
from properties.judging.oracles.invariants import counted_before_put, dirty_before_put, freed_once
from properties.judging.oracles.ledger import legal


ORACLES = (dirty_before_put, agreement, legal, freed_once, counted_before_put)
