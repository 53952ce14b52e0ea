# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from tests import sketches as module


@pytest.fixture(scope="session")
def sketches():
    """The module tests/sketches.py."""
    return module


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
