# SPDX-License-Identifier: MIT

from __future__ import annotations

from properties.reduce.plainer import simplify
from tests.properties.reduce.programs import offers

PAGES = 'a = mapping("driver", orders=[2])\nh1 = pin_user_pages(a[0:4])\n'


def test_scatterlist_entry_with_fewer_pages():
    """An entry gets fewer pages; all are used, or as much of the last one as before."""
    found = offers(simplify, PAGES + "m1 = ib_umem(sg(h1[0:4], 15674))\n")

    for pages, lengths in (("0:1", (4096, 3386)), ("0:2", (8192, 7482)), ("0:4", (16384,))):
        for length in lengths:
            assert PAGES + f"m1 = ib_umem(sg(h1[{pages}], {length}))\n" in found
