# SPDX-License-Identifier: MIT

"""Where a kernel comes from: the machine's own suite of Debian, or another."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from model.errors import BadInput
from model.kernel.guest.packages import LIBRARIES, present, unpack
from tests.model.kernel.guest.conftest import ABI, DEPENDS, DOWNLOAD


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
        BadInput, match=r"apt knows no cloud-amd64 kernel 6.12: run apt-get update as root"
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


NEWER = "7.3.4+deb13"
PACKAGES = (
    f"linux-binary-{NEWER}-cloud-amd64",
    f"linux-headers-{NEWER}-cloud-amd64",
    f"linux-headers-{NEWER}-common",
    f"linux-kbuild-{NEWER}",
)

NEWER_DEPENDS = f"""\
case "$1 ${{3-$2}}" in
"pkgnames linux-image-7.3.") echo "linux-image-7.3.1+deb13-cloud-amd64
linux-image-{NEWER}-cloud-amd64" ;;
"depends linux-image-{NEWER}-cloud-amd64") echo "  Depends: {PACKAGES[0]}" ;;
"depends {PACKAGES[1]}") echo "  Depends: gcc-14-for-host
  Depends: {PACKAGES[2]}
  Depends: {PACKAGES[3]}" ;;
esac
"""

#: Lists that are fetched, as the settings say, and packages from them.
NEWER_GET = f"""\
case "$1" in
indextargets) echo "$HEADCOUNT_MIRRORS" ;;
update) read -r line < "${{2#-c=}}"; line=${{line#*\\"}}
  cp "${{line%\\";}}" "$HEADCOUNT_DEBS/sources" ;;
download) {DOWNLOAD} ;;
esac
"""

MIRRORS = "Other main x http://o/\nDebian main b-updates http://u/\nDebian main b http://m/debian/"


@pytest.fixture
def backports(debian, tmp_path, monkeypatch):
    """A Debian whose kernels are older, with a mirror that has newer ones in another suite."""
    debs = tmp_path / "debs"
    monkeypatch.setenv("HEADCOUNT_MIRRORS", MIRRORS)
    kernel = debs / PACKAGES[0] / f"usr/lib/modules/{NEWER}-cloud-amd64/vmlinuz"
    makefile = debs / PACKAGES[1] / f"usr/src/{PACKAGES[1]}/Makefile"
    kbuild = debs / PACKAGES[3] / f"usr/lib/{PACKAGES[3]}"
    tools = (kbuild / "scripts/mod/modpost.real-lsb-64", kbuild / "tools/objtool/objtool.real-x86")
    loader = debs / "libc6/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    texts = {kernel: "newer", makefile: "include /usr/src/common\n", loader: '#!/bin/sh\necho "$@"'}
    for path, written in {**texts, **dict.fromkeys(tools, "ELF")}.items():
        path.parent.mkdir(parents=True)
        path.write_text(written)
        path.chmod(0o755)
    for name in (PACKAGES[2], *LIBRARIES["7.3"][1:]):
        (debs / name).mkdir()
    debian(apt_cache=NEWER_DEPENDS, apt_get=NEWER_GET)
    return debian


def test_from_another_suite(backports, tmp_path):
    """A kernel that the machine's suites do not have comes from the same mirror's backports."""
    told = []
    found = unpack("7.3", told.append)
    sources = (tmp_path / "debs/sources").read_text().splitlines()

    assert ("7.3", NEWER) == (found.version, found.abi)
    assert b"newer" == found.kernel.read_bytes()
    assert {} == found.modules()
    assert f"include {found.path}/usr/src/common\n" == (found.headers / "Makefile").read_text()
    assert ["trixie main", "trixie-backports main"] == [
        line.rpartition("http://m/debian/ ")[2] for line in sources
    ]
    assert told == [
        "reading the lists of packages of trixie and trixie-backports",
        f"downloading {PACKAGES[0]} and headers to build modules",
        "unpacking",
    ]
    assert [found.path] == [*(tmp_path / "cache/headcount/guests").iterdir()]


def test_build_tools_run_with_their_own_libraries(backports):
    """They may need a newer C library than the machine has."""
    found = unpack("7.3")
    tool = found.path / f"usr/lib/{PACKAGES[3]}/scripts/mod/modpost.real-lsb-64"
    libraries = found.path / "libraries/usr/lib/x86_64-linux-gnu"
    said = subprocess.run([tool, "-a", "b c"], capture_output=True, text=True, check=True).stdout

    assert f"--library-path {libraries} {tool}.elf -a b c\n" == said
    assert "ELF" == tool.with_name(f"{tool.name}.elf").read_text()


@pytest.mark.parametrize(
    ("scripts", "mirrors", "reason"),
    [
        ({}, "Ubuntu main noble http://u/", "apt has no mirror of Debian, or no lists of it yet"),
        ({}, "Debian main b-security http://s/", "no mirror of Debian.* apt-get update as root"),
        ({"apt_cache": "exit 0"}, MIRRORS, "trixie-backports has no cloud-amd64 kernel 7.3$"),
        ({"apt_cache": None}, MIRRORS, "apt-cache is not installed"),
        (
            {"apt_get": NEWER_GET.replace("update)", "update) echo 'E: no net' >&2; exit 100;")},
            MIRRORS,
            "apt-get update fails: no net",
        ),
    ],
)
def test_no_backports(backports, monkeypatch, scripts, mirrors, reason):
    """What is missing is told in one line; a kernel that is here will do."""
    here = unpack("7.3")
    monkeypatch.setenv("HEADCOUNT_MIRRORS", mirrors)
    backports(**scripts)

    assert here == unpack("7.3")
    shutil.rmtree(here.path)
    with pytest.raises(BadInput, match=reason):
        unpack("7.3")


def test_older_than_the_machine(backports, tmp_path):
    """A kernel that is older than the machine's suites comes from the suite that has it."""
    depends = DEPENDS.replace("$1 $2", "$1 $3")
    backports(apt_cache=depends)
    found = unpack("6.1")

    assert ABI == found.abi
    assert not (found.path / "libraries").exists()
    assert (tmp_path / "debs/sources").read_text().endswith(" bookworm main\n")
