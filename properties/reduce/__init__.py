# SPDX-License-Identifier: MIT

"""Makes a failing program as small as possible; the smaller one fails in the same way."""

from properties.reduce.reducer import MAX_WAITS, MAX_WAITS_FOR_REPORT, Reduced, reduce

__all__ = ["MAX_WAITS", "MAX_WAITS_FOR_REPORT", "Reduced", "reduce"]
