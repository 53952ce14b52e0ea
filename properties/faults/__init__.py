# SPDX-License-Identifier: MIT

"""Planted bugs that the searches must find, and right variants that they must not report.

Each is a candidate: a small override of the optimised model. The table is used to measure
how well the searches find bugs.
"""

# Importing a module enters its faults into the table, in this order.
from properties.faults import (  # noqa: F401 - see above
    bias,
    cost,
    dirty_flag,
    equivalent,
    grab,
    lifetime,
    list_iterator,
    no_progress,
    range_math,
    statistics,
    umem,
    umem_get,
    undo,
)
from properties.faults.fault import FAULTS, GROUPS, Fault


__all__ = ["FAULTS", "GROUPS", "Fault"]
