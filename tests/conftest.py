# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib.util

import pytest

from tests.helpers import SKETCHES


@pytest.fixture(scope="session")
def sketches():
    """The module tests/sketches.py."""
    spec = importlib.util.spec_from_file_location("sketches", SKETCHES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
