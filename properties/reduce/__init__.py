# SPDX-License-Identifier: MIT

"""From a program that fails to the smallest that fails in the same way."""

from properties.reduce.reducer import Reduced, reduce

__all__ = ["Reduced", "reduce"]
