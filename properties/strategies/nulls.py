# SPDX-License-Identifier: MIT

"""NULL entries in lists of pages, for kernel versions that skip them."""

from random import Random

from model.pagelist import NULL_NAME, PageList, Slice
from model.semantics import Semantics
from properties.strategies.dice import one_in

#: One list in NULL_ONE_IN contains NULL.
NULL_ONE_IN = 4

#: Maximum number of NULL entries in one list.
MAX_NULLS = 3


def with_nulls(random: Random, semantics: Semantics, pages: PageList) -> PageList:
    """*pages*, one time in NULL_ONE_IN with NULL entries, mostly before the first page.

    For versions that do not skip NULL, *pages* is returned unchanged and *random* is not used.
    """
    if not semantics.null_skipped or not one_in(random, NULL_ONE_IN):
        return pages
    terms = [*pages.terms]
    at = random.randrange(len(terms) + 1) if one_in(random, 3) else 0
    terms.insert(at, Slice(NULL_NAME, range(1), 1 + random.randrange(MAX_NULLS)))
    return PageList(tuple(terms))
