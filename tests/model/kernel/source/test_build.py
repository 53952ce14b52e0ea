# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import shutil

import pytest

from model.errors import BadInput
from model.kernel.source import build as module
from model.kernel.source.build import build
from model.kernel.source.candidate import Source


def test_compiled_once(toy, monkeypatch):
    """What was compiled is not compiled again; each memory model has a library of its own."""
    first = build(toy, "vmemmap")
    other = build(toy, "classic")
    monkeypatch.setattr(module, "_compile", None)

    assert first == build(toy, "vmemmap")
    assert first.path != other.path
    assert ("5.13.0-toy", "5.13", "vmemmap") == (first.version, first.semantics, first.model)
    assert "unpin_user_pages" in first.names


def test_an_edit_is_compiled(edited, toy):
    """A change of a file, however small, makes another library."""
    assert build(toy, "vmemmap").path != build(edited(("i - first", "first - i")), "vmemmap").path


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "refs * toy_each(page)",
            "refs * nowhere(page)",
            "mm/gup.c:33 uses nowhere, which is neither",
        ),
        ("int all =", "toy_t all =", "mm/gup.c:33 uses toy_t, which is neither in the files"),
        ("int all =", "int all ==", "cannot be compiled: mm/gup.c:33: expected"),
        (
            "int all = flags",
            "int all = flaps",
            "cannot be compiled: mm/gup.c:33: 'flaps' undeclared",
        ),
    ],
)
@pytest.mark.parametrize("measured", [False, True])
def test_what_cannot_be_compiled(edited, old, new, complaint, measured):
    """The first thing that is missing, or wrong, is told in one line with the tree's own."""
    with pytest.raises(BadInput) as told:
        build(edited((old, new)), "vmemmap", measured=measured)

    assert complaint in str(told.value)
    assert 1 == len(str(told.value).splitlines())


def test_a_tree_without_walks(toy):
    """Where a tree has no walks that are known, headcount's are compiled, and that is said."""
    assert build(toy, "vmemmap").unwalked == (
        "it has none of gup_fast_fallback(), internal_get_user_pages_fast()"
    )


#: A call that pins folios, and what a tree with walks of its own has.
PINNING = ("memfd_pin_folios", "gup_fast_fallback")


def test_a_call_that_cannot_be_compiled_is_left_out(edited, monkeypatch):
    """If it is memfd_pin_folios() alone, the tree's walks stay, and what is wrong is said."""
    functions = "".join(f"long {name}(void)\n{{\n\treturn 0;\n}}\n\n" for name in PINNING)
    put = "static void put_compound_head("
    tree = edited((put, f"{functions}{put}"))
    compiled = []

    def compile_all_but_one(_cc, _flags, source, made, *, program):
        compiled.append(source)
        if '"memfd.c"' in source:
            return "it is odd"
        made.write_text("")
        return ""

    monkeypatch.setattr(module, "_compile", compile_all_but_one)
    monkeypatch.setattr(module, "reader", lambda _cc: None)
    library = build(tree, "vmemmap")
    source = Source("toy", library)

    assert ("it is odd", "") == (library.fileless, library.unwalked)
    assert 2 == len(compiled)
    assert "memfd_pin_folios" not in source.abilities.calls
    assert "memfd_pin_folios(): it is odd" == source.under_test().left_out


@pytest.mark.parametrize(
    ("said", "complaint"),
    [("", "cannot be compiled: no compiler output"), ("odd\n", "cannot be compiled: odd")],
)
def test_a_compiler_that_says_little(said, complaint):
    """Where no error is told as errors are, what was said first is."""
    assert complaint == module._complaint(said)


def test_no_compiler(toy, monkeypatch):
    """Without a compiler it is said what to install."""
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(BadInput, match="apt install gcc"):
        build(toy, "vmemmap")


def test_old_libraries_go(tmp_path):
    """Of many libraries those stay that were used last."""
    for number in range(module.KEPT + 2):
        for suffix in (".so", ".json"):
            path = tmp_path / f"{number:03}{suffix}"
            path.touch()
            os.utime(path, (number, number))
    module._forget(tmp_path)

    assert module.KEPT == len(list(tmp_path.glob("*.so"))) == len(list(tmp_path.glob("*.json")))
    assert not (tmp_path / "001.so").exists()
    assert (tmp_path / "002.so").exists()


@pytest.mark.parametrize("suffix", [".so", ".json", ".gcno"])
@pytest.mark.parametrize("damage", ["empty", "other", "absent"])
def test_damaged_library(toy, tmp_path, monkeypatch, suffix, damage):
    """What is damaged in the cache is made anew."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = build(toy, "vmemmap")
    file = library.path.with_suffix(suffix)
    size = file.stat().st_size
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes(b"x" * size if damage == "other" else b"")
    again = build(toy, "vmemmap")

    assert (library.semantics, library.names) == (again.semantics, again.names)
    assert size / 2 < file.stat().st_size
    monkeypatch.setattr(module, "_make", None)
    assert again == build(toy, "vmemmap")


def test_cache_cannot_be_written(toy, tmp_path, monkeypatch):
    """Where nothing can be kept that is told, with the place."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(
        BadInput,
        match=r"file/headcount.*: cannot write the compiled library to the cache: Not a dir",
    ):
        build(toy, "vmemmap")
