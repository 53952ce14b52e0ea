# SPDX-License-Identifier: MIT

"""Drops attributes of mappings, and other races, that a failing program does not need."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from attrs import evolve

from model.attributes import DEFAULTS, PLAIN, WORDS, Attributes
from model.errors import BadInput
from model.program import Program
from properties.reduce.proposals import Proposals
from properties.reduce.remove import with_step


def plain_attributes(program: Program) -> Proposals:
    """Let a mapping have no attributes, one less, or a simpler value; let only entries change."""
    plain = tuple(evolve(mapping, attributes=PLAIN) for mapping in program.mappings)
    if plain != program.mappings:
        program = (yield evolve(program, mappings=plain)) or program
    for i in range(len(program.mappings)):
        for simpler in _simpler(program.mappings[i].attributes):
            mapping = evolve(program.mappings[i], attributes=simpler)
            mappings = (*program.mappings[:i], mapping, *program.mappings[i + 1 :])
            answer = yield evolve(program, mappings=mappings)
            if answer:
                return
    for i, step in enumerate(program.steps):
        if step.race_kind() not in {"", "entry"}:
            other: Any = step
            program = (yield with_step(program, i, evolve(other, race="entry"))) or program


def _simpler(attributes: Attributes) -> Iterator[Attributes]:
    """*attributes* without any, with one of them alone, without one, or with an earlier value."""
    if attributes == PLAIN:
        return
    given: dict[str, Any] = {name: getattr(attributes, name) for name in attributes.given()}
    changes: list[tuple[Attributes, dict[str, Any]]] = [
        *((PLAIN, {name: value}) for name, value in given.items()),
        *((attributes, {name: DEFAULTS[name]}) for name in given),
        *(
            (attributes, {name: earlier})
            for name, values in WORDS.items()
            if name in given
            for earlier in values[: values.index(given[name])]
        ),
    ]
    yield PLAIN
    for base, change in changes:
        with suppress(BadInput):  # one attribute may need another
            yield evolve(base, **change)
