# SPDX-License-Identifier: MIT

"""Makes a failing program as small as possible; the smaller one fails in the same way."""

from properties.reduce.reducer import Reduced, reduce

__all__ = ["Reduced", "reduce"]
