# SPDX-License-Identifier: MIT

"""Programs of pins that meet attributes: what is drawn is valid, and has all there are."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import evolve

from model.attributes import ATTRIBUTES
from model.optimised import Optimised
from model.program import check_kind
from model.semantics import SEMANTICS
from model.steps import Pin, PinFast
from properties.judging.judge import Run
from properties.strategies.dice import Dice
from properties.strategies.met import draw_met

ABILITIES = evolve(Optimised().abilities, races=frozenset({"collapse", "fork"}))


def rows(semantics):
    """Each kind and order."""
    return [(kind, order) for kind, some in semantics.orders.items() for order in sorted(some)]


@pytest.mark.parametrize("version", SEMANTICS)
def test_all_are_met(version):
    """Each attribute is drawn, with pins on both paths; the programs can be carried out."""
    semantics = SEMANTICS[version]
    drawn = Counter()
    for number in range(1200):
        mappings, steps = draw_met(Dice(number), rows(semantics), semantics, ABILITIES)
        for mapping in mappings:
            check_kind(mapping, semantics)
        assert [] == mappings[1].attributes.given()
        drawn.update(mappings[0].attributes.given())
        drawn.update(type(step) for step in steps)
        drawn.update(step.race for step in steps if isinstance(step, PinFast))
        run = Run(Optimised(), mappings, semantics)
        assert run.step(steps[0]) is None

    races = {"entry"} | (ABILITIES.races - semantics.lacks)
    lacks = semantics.lacks | ({"migrates", "isolates"} if "movable" in semantics.lacks else set())
    assert {*(ATTRIBUTES - lacks), *races, Pin, PinFast} <= drawn.keys()
    assert not drawn.keys() & semantics.lacks
