# SPDX-License-Identifier: MIT

"""The search laws: variants of a program that must end in the same state.

A law names step sequences with the same lasting effect: unpinning a list in one call,
in two parts, page by page or in another order, as a list, a range or a region. The
search draws a prefix, appends each variant, and compares the final states that the
candidate shows. This needs no reference, so it also finds mistakes that candidate,
reference and ledger share.

Each variant is judged first like any other program. A finding of an oracle is reported
as usual, because it can be judged again and reduced; only if no oracle finds anything
is a difference between variants reported as a broken law.
"""

from properties.searches.laws.comparison import difference
from properties.searches.laws.equations import LAWS
from properties.searches.laws.search import laws

__all__ = ["LAWS", "difference", "laws"]
