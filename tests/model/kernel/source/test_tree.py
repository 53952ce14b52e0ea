# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest

from model.errors import BadInput
from model.kernel.source import tree as module
from model.kernel.source.tree import cache, read
from model.progress import told_to
from tests.helpers import TOY


def test_directory(toy):
    """A tree's files are those that matter of it, and its Makefile says its version."""
    assert "5.13.0-toy" == toy.version
    assert "mm/gup.c" in toy.files
    assert "Makefile" not in toy.files
    assert set(toy.files) <= set(module.FILES)


def test_tarball(tmp_path, toy, monkeypatch):
    """A tarball gives the same files, and is unpacked once."""
    with tarfile.open(tmp_path / "linux-source-5.13.tar.xz", "w:xz") as archive:
        archive.add(TOY, "linux-source-5.13")
    first = read(str(tmp_path / "linux-source-5.13.tar.xz"))

    monkeypatch.setattr(module, "_extract", None)
    again = read(str(tmp_path / "linux-source-5.13.tar.xz"))

    assert [*toy.files.items()] == [*first.files.items()] == [*again.files.items()]
    assert toy.version == first.version


def test_tarball_that_another_process_has_unpacked(tmp_path, toy, monkeypatch):
    """Who comes second takes what is there."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(TOY, "./linux")
    real = module._extract

    def both(tarball, work):
        real(tarball, work)
        other = next(path for path in kept.iterdir() if path.name.startswith("made-"))
        name = known.pop()
        shutil.copytree(other / "tree", kept / name)

    kept = cache() / "trees"
    before = set(kept.iterdir()) if kept.is_dir() else set()
    read(str(tmp_path / "a.tar"))
    (made,) = set(kept.iterdir()) - before
    known = [made.name]
    shutil.rmtree(made)
    monkeypatch.setattr(module, "_extract", both)

    assert toy.files == read(str(tmp_path / "a.tar")).files


def test_tarball_cannot_be_kept(tmp_path, monkeypatch):
    """What goes wrong otherwise is not taken for that, but told."""
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.add(TOY, "linux")

    def fails(self, target):
        raise PermissionError(target)

    monkeypatch.setattr(Path, "rename", fails)

    with pytest.raises(BadInput):
        read(str(tmp_path / "b.tar"))


def test_tarball_is_read_no_further(tmp_path, monkeypatch):
    """What is not needed is not unpacked: it ends with the last file that is."""
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        archive.add(TOY / "Makefile", "linux/Makefile")
        archive.add(TOY / "mm" / "gup.c", "linux/Makefile")
    monkeypatch.setattr(module, "FILES", ())
    module._extract(tmp_path / "c.tar", tmp_path)

    assert (TOY / "Makefile").read_text() == (tmp_path / "Makefile").read_text()


@pytest.mark.parametrize("data", [b"no tarball", b"\xfd7zXZ\x00 but broken off"])
def test_no_tarball(tmp_path, data):
    """A file that is none is told in one line, with its name."""
    path = tmp_path / "linux.tar.xz"
    path.write_bytes(data)

    with pytest.raises(BadInput, match=r"linux\.tar\.xz: cannot be read as a tarball: "):
        read(str(path))


def test_large_file(tmp_path):
    """A file of a tree is read up to a bound, which is named; so it is in a tarball."""
    shutil.copytree(TOY, tmp_path / "tree")
    with (tmp_path / "tree/mm/gup.c").open("wb") as file:
        file.truncate(module.MAX_FILE + 1)
    with tarfile.open(tmp_path / "linux.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(tmp_path / "tree", "linux")

    said = "has more than 16 MiB, the most that a file of a kernel tree may have"
    with pytest.raises(BadInput, match=rf"tree/mm/gup\.c: {said}"):
        read(str(tmp_path / "tree"))
    with pytest.raises(BadInput, match=rf"linux\.tar\.gz: mm/gup\.c {said}"):
        read(str(tmp_path / "linux.tar.gz"))


def test_large_tarball(tmp_path, monkeypatch):
    """A tarball is unpacked up to a bound."""
    with tarfile.open(tmp_path / "linux.tar", "w") as archive:
        archive.add(TOY, "linux")
    monkeypatch.setattr(module, "MAX_UNPACKED", 1 << 13)

    with pytest.raises(BadInput, match=r"linux\.tar: unpacks to more than 0 GiB without all"):
        read(str(tmp_path / "linux.tar"))


def test_pipe_in_a_tree(tmp_path):
    """What is no file in a tree is not waited for."""
    shutil.copytree(TOY, tmp_path / "tree")
    (tmp_path / "tree/mm/gup.c").unlink()
    os.mkfifo(tmp_path / "tree/mm/gup.c")

    with pytest.raises(BadInput, match=r"not a kernel tree: it has no mm/gup\.c"):
        read(str(tmp_path / "tree"))


def test_progress(tmp_path):
    """How far a tarball is unpacked is told."""
    with tarfile.open(tmp_path / "told.tar", "w") as archive:
        archive.add(TOY, "linux")
    told = []
    with told_to(told.append):
        read(str(tmp_path / "told.tar"))

    assert f"unpacking {tmp_path}/told.tar: 0 MiB of its files so far" == told[0]


def test_nothing_there(tmp_path):
    """So is a name that leads nowhere, and a directory that holds no kernel."""
    with pytest.raises(BadInput, match="nowhere: no such directory or tarball"):
        read(str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match=r"not a kernel tree: it has no mm/gup\.c"):
        read(str(tmp_path))


def test_no_version(tmp_path):
    """A tree without a Makefile, or with another, has no version."""
    shutil.copytree(TOY, tmp_path / "tree")
    (tmp_path / "tree" / "Makefile").write_text("all:\n")

    assert not read(str(tmp_path / "tree")).version


def test_cache(monkeypatch, tmp_path):
    """What is kept is kept where the user's system says, or in ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path / "headcount" == cache()

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / ".cache" / "headcount" == cache()
