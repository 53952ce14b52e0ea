# SPDX-License-Identifier: MIT

"""Where a kernel comes from, and what is made to boot."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from model.errors import BadInput
from model.kernel.guest.booted import load
from model.kernel.guest.image import archive, build
from model.kernel.guest.packages import Unpacked, present, unpack

ABI = "6.1.0-7"
HEADERS = f"linux-headers-{ABI}-cloud-amd64"

DEPENDS = f"""\
case "$2" in
linux-image-cloud-amd64) echo "  Depends: linux-image-{ABI}-cloud-amd64" ;;
{HEADERS})
  echo "  Depends: linux-headers-{ABI}-common"; echo " |Depends: linux-image-{ABI}-cloud-amd64"
  echo "  Depends: linux-kbuild-6.1" ;;
*) echo "N: Unable to locate package" >&2; exit 100 ;;
esac
"""

#: Packages are directories here, and tarballs of them.
DOWNLOAD = """\
for name in "$@"; do
  case $name in linux-*) cp -r "$HEADCOUNT_DEBS/$name" "$name.deb" 2>/dev/null ||
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


def test_unpack(debian, tmp_path):
    """What is needed is downloaded and kept; the second time nothing is done."""
    told = []
    found = unpack("6.1", told.append)

    assert ("6.1", ABI) == (found.version, found.abi)
    assert b"kernel" == found.kernel.read_bytes()
    assert {"virtio_ring.ko": b"ring"} == found.modules()
    assert [found.kernel] == list((found.path / "boot").iterdir())
    common = found.path / f"usr/src/linux-headers-{ABI}-common/Makefile"
    assert f"include {common}\n" == (found.headers / "Makefile").read_text()
    assert found == present("6.1")
    assert 2 == len(told)
    assert told[0].startswith(f"downloading linux-image-{ABI}-cloud-amd64")
    debian(apt_get="exit 1")
    assert found == unpack("6.1", told.append)
    assert 2 == len(told)


def test_present(tmp_path, monkeypatch):
    """The latest one that is there is taken, by its numbers, of that very version."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    guests = tmp_path / "headcount/guests"
    assert present("6.1") is None
    for name in ("6.1.0-9", "6.1.0-56", "6.12.117+deb12", "tmpxyz"):
        (guests / name).mkdir(parents=True)
    (guests / "6.1.0-99").write_text("no directory")

    assert "6.1.0-56" == present("6.1").abi
    assert "6.12.117+deb12" == present("6.12").abi


@pytest.mark.parametrize("tool", ["apt-get", "apt-cache", "dpkg-deb"])
def test_no_apt(debian, tool):
    """Elsewhere than on Debian there are no such packages."""
    debian(**{tool.replace("-", "_"): None})
    with pytest.raises(BadInput, match=f"{tool} is not installed"):
        unpack("6.1")


def test_here_though_apt_knows_none(unpacked, debian):
    """What is here is used where apt has nothing, or is not there."""
    debian(apt_cache="exit 1")
    assert unpacked == unpack("6.1")
    debian(apt_cache=None)
    assert unpacked == unpack("6.1")


def test_older_ones_go(debian, tmp_path):
    """A newer kernel takes the place of the one before, and of no other version."""
    guests = tmp_path / "cache/headcount/guests"
    for name in ("6.1.0-6", "6.12.1"):
        (guests / name).mkdir(parents=True)
    unpack("6.1")

    assert {ABI, "6.12.1"} == {place.name for place in guests.iterdir()}


def test_not_known_to_apt(debian):
    """Lists that are missing, or old, are told with what to do."""
    with pytest.raises(
        BadInput, match=r"apt knows no cloud-amd64 kernel 6.12 .* run apt-get update as root"
    ):
        unpack("6.12")


def test_download_fails(debian, tmp_path):
    """The error is apt's own, without its warnings, and nothing is left of it."""
    shutil.rmtree(tmp_path / "debs" / "linux-kbuild-6.1")
    with pytest.raises(BadInput, match=r"apt-get download fails: no linux-kbuild-6\.1"):
        unpack("6.1")
    assert present("6.1") is None
    debian(apt_get="exit 3")
    with pytest.raises(BadInput, match="apt-get download fails: status 3"):
        unpack("6.1")


def test_another_was_faster(debian, tmp_path):
    """Whoever unpacks the same meanwhile is no trouble."""
    place = tmp_path / f"cache/headcount/guests/{ABI}"
    debian(apt_get=f"{DOWNLOAD}\nmkdir -p {place}/boot")

    assert place == unpack("6.1").path


def test_cannot_be_kept(debian, tmp_path):
    """A cache that cannot be written to is told with its name."""
    (tmp_path / "cache").write_text("no directory")
    with pytest.raises(BadInput, match="cache"):
        unpack("6.1")


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
        ("5.13", r"kernel-guest:5.13 does not match kernel-guest\[:6.1\|6.12\]\[,1g\]"),
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
