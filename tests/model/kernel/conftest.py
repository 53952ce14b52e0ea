# SPDX-License-Identifier: MIT

"""Trees to cut from: a toy that is ours, and kernels where there are any."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from attrs import evolve

from model.kernel.build import build
from model.kernel.source import Source
from model.kernel.tree import read


pytest.importorskip("cffi", reason="no cffi: pip install -e '.[kernel]'")
pytest.importorskip("tree_sitter_c", reason="no tree-sitter-c: pip install -e '.[kernel]'")

TOY = Path(__file__).with_name("toy")


def pytest_collection_modifyitems(items):
    """What compiles needs a compiler."""
    if shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no cc: apt install gcc"))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory):
    """Keep what toys are compiled to out of the user's cache; kernels may stay there."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def toy():
    """The toy tree."""
    return read(str(TOY))


@pytest.fixture(scope="session")
def edited(toy):
    """A function that changes one file of the toy tree: each (old, new) once."""

    def edit(*changes, file="mm/gup.c"):
        text = toy.files[file]
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        return evolve(toy, files={**toy.files, file: text})

    return edit


@pytest.fixture
def compiled():
    """A function that compiles a tree; its worker is gone after the test."""
    made = []

    def compile_(tree, model="vmemmap"):
        made.append(Source("toy", build(tree, model)))
        return made[-1]

    yield compile_
    for source in made:
        source.worker.close()
