# SPDX-License-Identifier: MIT

"""Machines to test in, and what stands in for them: Debian's tools, and an emulator."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from model.errors import BadInput
from model.kernel.guest.booted import Booted, load
from model.kernel.guest.image import Image
from model.kernel.guest.packages import unpack

ABI = "6.1.0-7"
HEADERS = f"linux-headers-{ABI}-cloud-amd64"

DEPENDS = f"""\
case "$1 $2" in
"pkgnames linux-image-6.1.") echo "linux-image-6.1.0-6-cloud-amd64
linux-image-{ABI}-cloud-amd64
linux-image-6.1.0-9-amd64" ;;
"depends linux-image-{ABI}-cloud-amd64") echo "  Depends: kmod" ;;
"depends {HEADERS}")
  echo "  Depends: linux-headers-{ABI}-common"; echo " |Depends: linux-image-{ABI}-cloud-amd64"
  echo "  Depends: linux-kbuild-6.1" ;;
*) echo "N: Unable to locate package" >&2; exit 100 ;;
esac
"""

#: Packages are directories here, and tarballs of them.
DOWNLOAD = """\
for name in "$@"; do
  case $name in -* | download) ;; *) cp -r "$HEADCOUNT_DEBS/$name" "$name.deb" 2>/dev/null ||
    { echo "W: slow" >&2; echo "E: no $name" >&2; exit 100; } ;; esac
done
"""
DPKG = """\
case "$1" in
--fsys-tarfile) tar -C "$2" -cf - . ;;
-x) cp -r "$2"/. "$3" ;;
esac
"""

#: A compiler that makes what it is asked for, and a make that makes a module.
GCC = """\
while [ $# -gt 0 ]; do [ "$1" = -o ] && echo agent > "$2"; shift; done
"""
MAKE = """\
for word in "$@"; do case $word in M=*) echo module > "${word#M=}/headcount.ko" ;; esac; done
"""

PROGRAM = """# headcount 1
semantics("6.1")
a = mapping("base", orders=[0, 0])
h1 = pin_user_pages(a[0:1])
clean(a[0:1])
"""

#: What a kernel would answer to that program.
PINNED = "pin => = 1 1 0 h 0:1025:0:6 e g0:1:0*1"
CLEANED = "clean => = 0 1 0"


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


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A function that puts commands, shell scripts, where nothing else is found."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("cp", "tar", "sh", "mkdir"):
        (place / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HEADCOUNT_DEBS", str(tmp_path / "debs"))

    def put(**scripts):
        for name, text in scripts.items():
            path = place / (name if name.startswith("qemu") else name.replace("_", "-"))
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(f"#!{place}/sh\n{text}")
                path.chmod(0o755)

    return put


@pytest.fixture
def debian(tools, tmp_path):
    """The same, with packages of a kernel."""
    image = tmp_path / "debs" / f"linux-image-{ABI}-cloud-amd64"
    headers = tmp_path / "debs" / HEADERS / "usr/src" / HEADERS
    drivers = image / f"lib/modules/{ABI}-cloud-amd64/kernel/drivers"
    for directory in (image / "boot", drivers, headers):
        directory.mkdir(parents=True)
    (image / "boot" / f"vmlinuz-{ABI}-cloud-amd64").write_bytes(b"kernel")
    (image / "boot" / f"config-{ABI}-cloud-amd64").write_bytes(b"not wanted")
    (drivers / "virtio_ring.ko").write_bytes(b"ring")
    (drivers / "virtio_net.ko").write_bytes(b"not wanted")
    (headers / "Makefile").write_text(f"include /usr/src/linux-headers-{ABI}-common/Makefile\n")
    for name in (f"linux-headers-{ABI}-common", "linux-kbuild-6.1"):
        (tmp_path / "debs" / name).mkdir()
    tools(apt_cache=DEPENDS, apt_get=DOWNLOAD, dpkg_deb=DPKG, gcc=GCC, make=MAKE)
    return tools


@pytest.fixture
def unpacked(debian):
    """That kernel, unpacked."""
    return unpack("6.1")


@pytest.fixture
def image(tmp_path):
    """Nothing to boot."""
    return Image("6.1", "6.1.0-0", tmp_path / "kernel", tmp_path / "initrd")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A function that has the machine answer as its lines say."""
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.parent.mkdir()
    script = Path(__file__).with_name("fake.py")
    qemu.write_text(f'#!/bin/sh\nexec {sys.executable} -S {script} "$@"\n')
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{qemu.parent}:{os.environ['PATH']}")
    answers = tmp_path / "answers"
    monkeypatch.setenv("HEADCOUNT_FAKE", str(answers))

    def answer(*lines):
        answers.write_text("\n".join(lines))

    answer()
    return answer


@pytest.fixture
def booted(fake, image):
    """A kernel whose machines answer as they are told."""
    made = Booted(image)
    yield made
    made.guest.close()
