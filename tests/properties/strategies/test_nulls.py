# SPDX-License-Identifier: MIT

"""NULL in lists: drawn where it is stepped over, and found where that goes wrong."""

from __future__ import annotations

from itertools import groupby

import pytest

from model.optimised import Optimised
from model.pagelist import NULL, span
from model.semantics import SEMANTICS
from model.step import MIN_ERR_VALUE
from properties.search import Search, Tally
from properties.searches.registry import load
from properties.strategies.dice import Dice
from properties.strategies.nulls import with_nulls

ROW = SEMANTICS["6.12"]


@pytest.mark.parametrize("version", ["5.11", "5.13", "5.18", "6.1"])
def test_nothing_is_drawn_before(version):
    """A version that does not step over NULL draws as if it were not there."""
    pages = span("h1", 0, 3)

    assert pages is with_nulls(None, SEMANTICS[version], pages)


def test_drawn():
    """One list in four has NULL in it, mostly in front, and all its pages in their order."""
    drawn = [str(with_nulls(Dice(n), ROW, span("h1", 0, 3))) for n in range(1000)]
    texts = {text: len([*some]) for text, some in groupby(sorted(drawn))}

    assert 650 < texts.pop("h1[0:3]") < 850
    assert {"NULL + h1[0:3]", "NULL*3 + h1[0:3]", "h1[0:3] + NULL", "h1[0:3] + NULL*2"} <= {*texts}
    assert all("h1[0:3]" in text for text in texts)


class Wrong(Optimised):
    """Walks a list in a way of its own."""

    def unpin_user_pages(self, pages, npages):
        i = 0
        while i < (0 if npages >= MIN_ERR_VALUE else npages):
            if pages[i] == NULL:
                i += self.after_null(npages)
                continue
            head, ntails = self.compound_next(i, npages, pages)
            self.put_compound_head(head, ntails)
            i += ntails
        if npages >= MIN_ERR_VALUE:
            self.memory.warn("npages")


class Stops(Wrong):
    """Takes NULL for the end of the list."""

    def after_null(self, npages):
        return npages


class SkipsTwo(Wrong):
    """Steps over the entry behind NULL as well."""

    def after_null(self, npages):
        return 2


class SkipsOne(Wrong):
    """Is right."""

    def after_null(self, npages):
        return 1


DEAR = pytest.mark.slow("three seconds of the machine; soak shows the same")


@pytest.mark.parametrize(
    ("search", "make", "wrong"),
    [
        ("soak", Stops, True),
        ("soak", SkipsTwo, True),
        ("soak", SkipsOne, False),
        ("machine", Stops, True),
        pytest.param("machine", SkipsTwo, True, marks=DEAR),
        pytest.param("machine", SkipsOne, False, marks=DEAR),
    ],
)
def test_found(search, make, wrong):
    """Who steps over NULL wrongly is found, who does so rightly is not."""
    tally = Tally()
    for number in range(6):
        load(search)(Search(make, ROW, watcher=tally), number)

    assert wrong == (tally.failure is not None)
