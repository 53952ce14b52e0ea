# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


TESTS = Path(__file__).parent


@pytest.fixture(scope="session")
def sketches():
    """The module tests/sketches.py."""
    spec = importlib.util.spec_from_file_location("sketches", TESTS / "sketches.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
