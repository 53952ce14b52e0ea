# SPDX-License-Identifier: MIT

from __future__ import annotations

from functools import partial

import pytest

from model.optimised import Optimised
from model.parse import parse_program
from model.reference import Reference


class World:
    """What a candidate shows of a program, and the memory it left behind."""

    def __init__(self, candidate, program):
        self.snapshots = list(candidate.execute(program))
        self.last = self.snapshots[-1]
        self.candidate = candidate
        self.memory = candidate.memory

    @property
    def returned(self):
        """What each step gave back."""
        return [snapshot.returned for snapshot in self.snapshots]

    def counts(self, pfn):
        """Refcount and exact count of pins of frame *pfn*."""
        return self.memory.page_ref_count(pfn), self.memory.page_pincount(pfn)

    def stats(self):
        """Pins that were acquired and released, by the statistics."""
        return self.last.acquired, self.last.released


def _carry_out(make, *lines, semantics="5.13"):
    """Carry out the statements *lines* on a candidate that *make* makes."""
    return World(make(), parse_program("\n".join(_trace(lines, semantics))))


def _trace(lines, semantics):
    return ["# headcount 1", f'semantics("{semantics}")', *lines, ""]


@pytest.fixture(scope="session")
def carry_out():
    """A function that carries out statements on a candidate."""
    return _carry_out


@pytest.fixture(scope="session", params=[Reference, Optimised], ids=lambda make: make.__name__)
def run(request):
    """The same on the reference, then on the optimised model."""
    return partial(_carry_out, request.param)
