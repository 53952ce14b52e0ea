# SPDX-License-Identifier: MIT

"""Equalities: ways that must come to the same end, whatever the right counts are.

Unpinning a list at once, in two parts, page by page or in another order, as a
list, a range or a region: each law names ways that differ in nothing that
lasts. No reference is needed to see that two of them differ, so this is what
is left to find where candidate, reference and ledger share a mistake.

Each way is judged first like any other program. What fails there is reported
as usual, because it can be judged again and reduced; only what nobody else
objects to is reported as a law that is broken.
"""

from __future__ import annotations

from properties.searches.laws.equations import LAWS
from properties.searches.laws.search import equalities
from properties.searches.laws.ways import unequal


__all__ = ["LAWS", "equalities", "unequal"]
