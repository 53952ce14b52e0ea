# SPDX-License-Identifier: MIT

"""The search that mutants of the model are put to: no chance in it, and over in a second."""

from __future__ import annotations

import pytest

from model.optimised import Optimised
from properties.search import Search, Watcher
from properties.searches.soak import soak


class Keeper(Watcher):
    def __init__(self):
        self.findings = []

    def found(self, program, finding):
        self.findings.append(finding)


@pytest.mark.parametrize("number", range(8))
def test_nothing_is_found(number):
    """A thousand random steps find nothing in the optimised model, not even a dearer step."""
    keeper = Keeper()
    soak(Search(Optimised, strict=True, watcher=keeper), number, 1_000)

    assert [] == keeper.findings
