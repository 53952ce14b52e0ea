# SPDX-License-Identifier: MIT

"""NULL among the pages of a list, in versions that step over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.pagelist import NULL_NAME, PageList, Slice
from properties.strategies import one_in


if TYPE_CHECKING:
    from random import Random

    from model.semantics import Semantics

#: Of so many lists one has NULL in it.
ONE_IN = 4

#: So many in a row at most.
MOST = 3


def with_nulls(random: Random, semantics: Semantics, pages: PageList) -> PageList:
    """*pages*, or now and then with NULL before them, and more rarely after or between them.

    Nothing is drawn for versions that do not step over NULL.
    """
    if not semantics.null_skipped or not one_in(random, ONE_IN):
        return pages
    terms = [*pages.terms]
    at = random.randrange(len(terms) + 1) if one_in(random, 3) else 0
    terms.insert(at, Slice(NULL_NAME, range(1), 1 + random.randrange(MOST)))
    return PageList(tuple(terms))
