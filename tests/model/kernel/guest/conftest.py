# SPDX-License-Identifier: MIT

"""Machines to test in, where kernels were prepared and there is an emulator."""

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.kernel.guest.booted import load


@pytest.fixture(scope="module", autouse=True)
def _cache():
    """Kernels lie in the user's cache."""


@pytest.fixture(scope="session")
def machines():
    """A function that gives the machine of some text after ``kernel-guest:``, or skips."""
    made = {}

    def machine(text):
        if text not in made:
            try:
                made[text] = load(text)
            except BadInput as err:
                made[text] = str(err)
        if isinstance(made[text], str):
            pytest.skip(made[text])
        return made[text]

    yield machine
    for booted in made.values():
        if not isinstance(booted, str):
            booted.guest.close()
