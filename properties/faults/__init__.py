# SPDX-License-Identifier: MIT

"""Planted bugs that the searches must find, and harmless changes that they must not report.

Each is a candidate: a small override of the optimised model. The table FAULTS is used to
measure how well the searches find bugs.
"""

from importlib import import_module
from pkgutil import iter_modules

from properties.faults.fault import FAULTS, GROUPS, Fault

__all__ = ["FAULTS", "GROUPS", "Fault"]

# Importing a module adds its faults to FAULTS, in the order of the modules' names.
for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
