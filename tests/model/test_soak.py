# SPDX-License-Identifier: MIT

"""The search that mutants of the model are put to: no chance in it, and over in a second."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.search import Search, Tally
from properties.searches.soak import soak


@pytest.mark.parametrize("number", range(8))
def test_nothing_is_found(number):
    """A thousand random steps find nothing in the optimised model, not even a dearer step."""
    tally = Tally()
    soak(Search(Optimised, strict=True, watcher=tally), number, 1_000)

    assert tally.worst is None
