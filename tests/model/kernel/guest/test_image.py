# SPDX-License-Identifier: MIT

"""What is made of a kernel's packages to boot it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from model.errors import BadInput
from model.kernel.guest.booted import load
from model.kernel.guest.image import archive, build
from model.kernel.guest.packages import Unpacked
from tests.model.kernel.guest.conftest import GCC

ABI = "6.1.0-7"


def test_build(unpacked, tmp_path):
    """The module, the agent and the drivers go into an archive, which is kept."""
    told = []
    image = build(unpacked, told.append)
    data = image.initrd.read_bytes()

    assert (ABI, unpacked.kernel) == (image.abi, image.kernel)
    assert all(part in data for part in (b"agent\n", b"module\n", b"ring", b"dev/console"))
    assert 1 == len(told)
    assert image == build(unpacked, told.append)
    assert 1 == len(told)


def test_build_anew(unpacked, debian, monkeypatch):
    """Another compiler makes another archive; those that were used last are kept."""
    monkeypatch.setattr("model.kernel.guest.image.KEPT", 2)
    first = build(unpacked).initrd
    debian(gcc_12=GCC)
    second = build(unpacked).initrd
    for number, path in enumerate((first, second)):
        os.utime(path, (number, number))
    debian(gcc_12=None)

    assert first == build(unpacked).initrd
    debian(gcc_12=None, gcc=f"{GCC}# another\n")
    third = build(unpacked).initrd
    assert {first, third} == {*unpacked.path.glob("initrd-*")}


def test_module_is_stripped(unpacked, debian):
    """What is for debuggers is left out, where there is a tool for that."""
    debian(strip='echo stripped > "$2"')

    assert b"stripped\n" in build(unpacked).initrd.read_bytes()


@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ({"gcc": None}, "apt install gcc$"),
        ({"make": None}, "apt install make$"),
        ({"make": None, "gcc": None}, "apt install gcc make$"),
        ({"gcc": "echo 'agent.c:3: error: no' >&2; exit 1"}, "cannot be built: agent.c:3: error"),
        (
            {"gcc": "echo 'a.c:1: fatal error: errno.h: No such file' >&2; exit 1"},
            r"errno.h: No such file \(apt install libc6-dev\)",
        ),
        ({"make": "exit 2"}, "cannot be built: nothing"),
    ],
)
def test_build_fails(unpacked, debian, scripts, reason):
    """What is missing, or what the compiler says first, is told in one line."""
    debian(**scripts)
    with pytest.raises(BadInput, match=reason):
        build(unpacked)


def test_build_cannot_be_kept(unpacked, debian):
    """Nor can what is built always be kept."""
    debian(make="exit 0")  # and leaves no module
    with pytest.raises(BadInput, match=r"headcount\.ko: No such file"):
        build(unpacked)


def test_load(unpacked, debian):
    """A kernel is named by its version, perhaps with pages of 1 GiB."""
    debian(**{"qemu-system-x86_64": "exit 0"})
    plain, gigantic = load(""), load("6.1,1g")

    assert "6.1.0-7" == plain.image.abi
    assert (False, True) == (plain.gigantic, gigantic.gigantic)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5.13", r"kernel-guest:5.13 does not match kernel-guest\[:6.1\|6.12\|7.3\]\[,1g\]"),
        ("6.1,2g", "does not match"),
        ("6.12", "kernel 6.12 is not prepared; run headcount guest prepare --kernel 6.12$"),
        ("6.1", "needs qemu-system-x86_64: apt install --no-install-recommends"),
    ],
)
def test_load_fails(unpacked, text, reason):
    """What is missing is told with what to do."""
    with pytest.raises(BadInput, match=reason):
        load(text)


def test_load_unprepared(tools):
    """And so is that nothing was prepared."""
    with pytest.raises(
        BadInput, match=r"kernel 6\.1 is not prepared; run headcount guest prepare$"
    ):
        load("")


@pytest.mark.skipif(not shutil.which("cpio"), reason="no cpio: apt install cpio")
def test_archive_is_read_by_cpio(tmp_path):
    """Another reads what is written: names, modes, contents."""
    data = archive({"init": b"#!", "odd": b"12345"})
    files = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=data, capture_output=True, check=True
    ).stdout.decode()

    assert ["dev", "dev/console", "init", "odd"] == [
        line.split()[-1] for line in files.splitlines()
    ]


def test_archive():
    """An archive is made of entries whose length is a multiple of four."""
    data = archive({"init": b"12345"})

    assert 0 == len(data) % 4
    assert data.startswith(b"070701" + b"%08X" % 1 + b"%08X" % 0o040755)
    assert b"init\0" in data
    assert b"12345\0\0\0" in data
    assert data.endswith(b"TRAILER!!!\0\0\0\0")


def test_unpacked_has_no_modules(tmp_path):
    """A kernel that has them built in needs none."""
    assert {} == Unpacked("6.12", "6.12.1", tmp_path).modules()
    assert os.fspath(tmp_path) in os.fspath(Unpacked("6.12", "6.12.1", tmp_path).headers)
