# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib.util

import pytest

from model.abilities import Abilities
from model.errors import BadInput
from model.optimised import Optimised
from model.semantics import DEFAULT
from properties.candidates import Spec, counting_as, load
from tests.helpers import TOY


def test_named():
    """What comes with headcount is known by its name."""
    assert Optimised is load("optimised").make


def test_package():
    """A class is found in a module that can be imported."""
    assert Optimised is type(load("model.optimised:Optimised").make())


def test_file(home):
    """A class is found in a file."""
    (home / "sketch.py").write_text(
        "from model.optimised import Optimised\nclass Mine(Optimised):\n    pass\n"
    )

    spec = load("sketch.py:Mine")

    assert "sketch.py:Mine" == spec.text
    assert isinstance(spec.make(), Optimised)


@pytest.mark.parametrize(
    ("text", "source", "reason"),
    [
        ("nonsense", None, "candidate 'nonsense' is none of optimised,"),
        ("sketch.py:", None, "is none of"),
        ("sketch.py:Mine", None, "sketch.py: no such file"),
        ("sketch.py:Mine", "class Other: pass", "sketch.py has no class Mine; it has Other"),
        ("sketch.py:Mine", "Mine = 3", "sketch.py has no class Mine"),
        ("sketch.py:Mine", "x = (\n", "sketch.py:1: cannot be imported: SyntaxError"),
        (
            "sketch.py:Mine",
            "x = 1\nimport nope_",
            "sketch.py:2: cannot be imported: ModuleNotFound",
        ),
        (
            "sketch.py:Mine",
            "class Mine: pass",
            "Mine is no subclass of model.optimised.Optimised",
        ),
        (
            "sketch.py:Mine",
            "from model.candidate import Candidate\nclass Mine(Candidate): abilities = 3\n",
            "Mine cannot be used: TypeError",
        ),
        (
            "sketch.py:Mine",
            "from model.optimised import Optimised\nclass Mine(Optimised): abilities = 3\n",
            "Mine cannot be used: AttributeError",
        ),
        (
            "sketch.py:Mine",
            "class Mine:\n    abilities = 1\n    def execute(self, program): pass\n",
            "Mine is no subclass of",
        ),
        (
            "sketch.py:Mine",
            "from model.candidate import InProcess\nclass Mine(InProcess): pass\n",
            "Mine lacks get_user_pages(), ib_umem()",
        ),
        (
            "sketch.py:Mine",
            "from model import optimised as o\nclass Mine(o.Optimised): _ib_umem_release = print\n",
            "Mine has a method _ib_umem_release(), which is called release_umem() now",
        ),
        (
            "sketch.py:Mine",
            "from model.optimised import *\nclass Mine(Optimised): attributes = ('writeable',)\n",
            "Mine honours writeable; attributes of mappings are fault, gone, isolates, mapped,",
        ),
        ("no.such.module:Mine", None, "no.such.module: cannot be imported: ModuleNotFoundError"),
    ],
)
def test_refused(home, text, source, reason):
    """What cannot be used is refused in one line that says why."""
    if source is not None:
        (home / "sketch.py").write_text(source)

    with pytest.raises(BadInput) as info:
        load(text)

    assert reason in str(info.value)
    assert 1 == len(str(info.value).splitlines())


def test_scheme_needs_its_extra(monkeypatch):
    """What is not installed is told, with the extra that brings it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(
        BadInput, match=r"kernel-source needs cffi: pip install 'headcount\[kernel\]' "
    ):
        load("kernel-source:/usr/src/linux")


def test_scheme():
    """A kernel tree is named by its directory, and counts as it does itself unasked."""
    pytest.importorskip("cffi")
    pytest.importorskip("tree_sitter_c")
    spec = load(f"kernel-source:{TOY}")

    assert "kernel-source 5.13.0-toy (vmemmap)" == spec.make().abilities.name
    assert DEFAULT is counting_as(spec, None)
    with pytest.raises(BadInput, match=r"does not follow the semantics of 6\.1"):
        counting_as(spec, "6.1")
    with pytest.raises(BadInput, match="semantics '7' are not known"):
        counting_as(spec, "7")


@pytest.mark.parametrize(
    ("known", "followed"),
    [
        ({"5.11", "5.13", "6.1"}, "5.13"),
        ({"5.11", "6.1"}, "6.1"),
        ({"6.1", "6.12"}, "6.12"),
        ({"5.11"}, "5.11"),
    ],
)
def test_counting_unasked(known, followed):
    """Unasked a candidate is held to the series, or else to the last version it knows."""

    class Narrow(Optimised):
        abilities = Abilities("narrow", semantics=frozenset(known))

    assert followed == counting_as(Spec("narrow", Narrow), None).version


@pytest.mark.parametrize(
    ("method", "known", "followed"),
    [
        ("unpin_folios", None, "7.3"),
        ("folios_next", None, "7.3"),
        ("unpin_user_page_range_dirty_lock", None, "5.13"),
        ("put_compound_head", None, "5.13"),
        ("unpin_folios", {"5.13", "6.12", "6.18"}, "6.18"),
        ("folio_add_pins", {"5.13", "6.12"}, "5.13"),
    ],
)
def test_counting_as_what_it_overrides(method, known, followed):
    """A sketch that overrides a call is held to a version that has it, if it knows one."""
    sketch = type("Sketch", (Optimised,), {method: lambda self, *args: None})
    if known:
        sketch.abilities = Abilities("sketch", semantics=frozenset(known))

    assert followed == counting_as(Spec("sketch", sketch), None).version


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("kernel-guest", ""),
        ("kernel-guest,1g", ",1g"),
        ("kernel-guest:6.12,1g", "6.12,1g"),
        ("kernel-guest:a:b", "a:b"),
    ],
)
def test_options_of_a_scheme(monkeypatch, text, argument):
    """Options may follow the name of a scheme without its argument."""
    monkeypatch.setattr("model.kernel.guest.booted.load", lambda argument: lambda: argument)

    assert argument == load(text).make()


def test_bad_guest():
    """What is no guest is told as it was written."""
    with pytest.raises(BadInput, match=r"^kernel-guest,2g does not match kernel-guest\["):
        load("kernel-guest,2g")
