# SPDX-License-Identifier: MIT

"""Trees to cut from: a toy that is ours, and kernels where there are any."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from attrs import evolve

from model.kernel.source.build import build, compiler
from model.kernel.source.tree import read
from tests.helpers import TOY
from tests.model.kernel.source.needs import lacking


class _Skipped(pytest.Module):
    """A module that is not even imported."""

    def collect(self):
        pytest.skip(lacking(), allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Skip every module here where trees cannot be compiled; not those below."""
    if module_path.parent != Path(__file__).parent or not lacking():
        return None
    return _Skipped.from_parent(parent, path=module_path)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """Keep what toys are compiled to out of the user's cache, and compile them without -O2.

    That takes a third of the time, and every second test here compiles a toy of its own.
    """
    base = tmp_path_factory.getbasetemp()
    quick = base / "cc"
    quick.write_text(f'#!/bin/sh\nexec {shlex.quote(str(compiler()))} "$@" -O0\n')
    quick.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        patch.setenv("CC", str(quick))
        yield


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
    from model.kernel.source.candidate import Source

    made = []

    def compile_(tree, model="vmemmap", configs=()):
        made.append(Source("toy", build(tree, model, configs)))
        return made[-1]

    yield compile_
    for source in made:
        source.worker.close()
