# SPDX-License-Identifier: MIT

"""Planted bugs: what this harness must find, and variants that it must not report.

Each is a candidate of its own: a small override of the optimised path, and
nothing else. The table measures searches, so that "it would have been found"
is a figure and not a hope.
"""

from __future__ import annotations

# Each of these modules enters its faults as it is imported.
from properties.faults import (
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


__all__ = [
    "FAULTS",
    "GROUPS",
    "Fault",
    "bias",
    "cost",
    "dirty_flag",
    "equivalent",
    "grab",
    "lifetime",
    "list_iterator",
    "no_progress",
    "range_math",
    "statistics",
    "umem",
    "umem_get",
    "undo",
]
