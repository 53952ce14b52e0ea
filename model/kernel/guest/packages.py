# SPDX-License-Identifier: MIT

"""Kernels from Debian packages: downloaded and unpacked, not installed."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.guest.apt import Apt, checked, of_suites, of_this_machine
from model.kernel.source.tree import cache
from model.leftovers import temporary

#: Kernel versions that can be booted; the first is the default.
VERSIONS = ("6.1", "6.12", "7.3")

#: Suites of Debian with versions that the machine's own may lack; the last has the kernel.
SUITES = {"6.1": ("bookworm",), "7.3": ("trixie", "trixie-backports")}

#: Libraries of a version's build tools, where these may need a newer C library than the
#: machine's, and those of the tools that run when a module is built.
LIBRARIES = {"7.3": ("libc6", "libelf1t64", "libzstd1", "zlib1g")}
LIBRARY_PATH = "usr/lib/x86_64-linux-gnu"
BUILD_TOOLS = ("scripts/mod/modpost.real-lsb-64", "tools/objtool/objtool.real-x86")

FLAVOUR = "cloud-amd64"

#: Files to keep of a kernel package: the kernel, and modules for the virtio port.
KEPT = re.compile(
    r".*/vmlinuz[^/]*|.*/(?:virtio|virtio_ring|virtio_pci|virtio_pci_modern_dev"
    r"|virtio_pci_legacy_dev|virtio_console)\.ko"
)


@frozen
class Unpacked:
    """An unpacked Debian kernel.

    :param version: ``6.1``.
    :param abi: The version in the names of packages, ``6.1.0-56``.
    :param path: Its directory.
    """

    version: str
    abi: str
    path: Path

    @property
    def kernel(self) -> Path:
        """The kernel image to boot, ``vmlinuz``."""
        return next((self.path / "boot").iterdir())

    @property
    def headers(self) -> Path:
        """The directory of the headers to build modules with."""
        return self.path / "usr/src" / f"linux-headers-{self.abi}-{FLAVOUR}"

    def modules(self) -> dict[str, bytes]:
        """The modules for the virtio port, by file name; none if they are built in."""
        return {path.name: path.read_bytes() for path in sorted(self.path.rglob("virtio*.ko"))}


def guests() -> Path:
    """The cache directory of kernels."""
    return cache() / "guests"


def present(version: str) -> Unpacked | None:
    """The latest unpacked kernel of *version*; None if there is none."""
    found = _kept(version)
    if not found:
        return None
    latest = max(found, key=lambda place: _numbers(place.name))
    return Unpacked(version, latest.name, latest)


def unpack(version: str, progress: Callable[[str], None] = lambda _text: None) -> Unpacked:
    """The latest kernel of *version* in apt, downloaded and unpacked if necessary.

    Older unpacked kernels of *version* are deleted. If apt knows none, the
    latest unpacked one is used.

    :param progress: Called with progress messages.
    :raises BadInput: if no kernel is unpacked, and apt is missing or does not know one.
    """
    place = guests()
    try:
        with temporary(place) as work:
            try:
                apt, abi = _found(version, work / "apt", progress)
            except BadInput:
                known = present(version)
                if known is None:
                    raise
                return known
            place /= abi
            if not place.is_dir():
                names = _packages(apt, abi)
                progress(f"downloading {names[0]} and headers to build modules")
                apt.download([*names, *LIBRARIES.get(version, ())], work)
                progress("unpacking")
                tree = _unpacked(work, place, abi)
                if not place.is_dir():  # else another process has put it there
                    tree.rename(place)
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(err.filename or place)) from None
    for old in _kept(version):
        if old != place:
            shutil.rmtree(old, ignore_errors=True)
    return Unpacked(version, abi, place)


def _kept(version: str) -> list[Path]:
    """The directories of unpacked kernels of *version*."""
    name = re.compile(rf"{re.escape(version)}\.\d+\S*")
    return [p for p in guests().glob(f"{version}.*") if name.fullmatch(p.name) and p.is_dir()]


def _numbers(abi: str) -> list[int]:
    """The numbers in *abi*, by which it is older or newer than others."""
    return [*map(int, re.findall(r"\d+", abi))]


def _found(version: str, place: Path, progress: Callable[[str], None]) -> tuple[Apt, str]:
    """The lists of packages with the kernel *version*, and its latest ABI.

    :param place: Where lists are put that are not the machine's.
    """
    apt = of_this_machine()
    suites = SUITES.get(version, ())
    # The libraries are those of the suites: the machine's lists may have the kernel without them.
    abi = "" if version in LIBRARIES else _abi(apt, version)
    if not abi and suites:
        progress(f"reading the lists of packages of {' and '.join(suites)}")
        apt = of_suites(suites, place)
        abi = _abi(apt, version)
    if not abi:
        where = f"{suites[-1]} has" if suites else "apt knows"
        msg = f"{where} no {FLAVOUR} kernel {version}"
        raise BadInput(msg if suites else f"{msg}: run apt-get update as root, on Debian 12 or 13")
    return apt, abi


def _abi(apt: Apt, version: str) -> str:
    """The latest kernel of *version* in *apt*, as packages spell it: ``6.1.0-56``; or empty."""
    names = apt.names(f"linux-image-{version}.")
    found = [re.fullmatch(rf"linux-image-(\d\S+)-{FLAVOUR}", name) for name in names]
    return max((match[1] for match in found if match), key=_numbers, default="")


def _packages(apt: Apt, abi: str) -> list[str]:
    """Names of the packages with the kernel *abi* and its headers."""
    # In newer versions linux-image-* is empty, and depends on the package with the kernel.
    image = f"linux-image-{abi}-{FLAVOUR}"
    binary = f"linux-binary-{abi}-{FLAVOUR}"
    headers = f"linux-headers-{abi}-{FLAVOUR}"
    parts = re.compile(r"linux-(?:headers|kbuild)-.*")
    needed = sorted(filter(parts.fullmatch, apt.depends(headers)))
    return [binary if binary in apt.depends(image) else image, headers, *needed]


def _unpacked(work: Path, place: Path, abi: str) -> Path:
    """Unpack the packages in *work*; return the tree, which is to be moved to *place*."""
    tree = work / "tree"
    tree.mkdir()
    for package in sorted(work.glob("*.deb")):
        if package.name.startswith(("linux-image-", "linux-binary-")):
            _extract(package, tree)
        elif package.name.startswith("linux-"):
            checked(["dpkg-deb", "-x", str(package), str(tree)], work)
        else:
            checked(["dpkg-deb", "-x", str(package), str(tree / "libraries")], work)
    # The Makefile refers to the common headers where the package would install them.
    makefile = tree / "usr/src" / f"linux-headers-{abi}-{FLAVOUR}" / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{place}/usr/src/"))
    if (tree / "libraries").is_dir():
        for tools in (tree / "usr/lib").glob("linux-kbuild-*"):
            for name in BUILD_TOOLS:
                _wrap(tools / name, place / "libraries" / LIBRARY_PATH)
    return tree


def _wrap(tool: Path, libraries: Path) -> None:
    """Have *tool* run with *libraries*, by their own dynamic linker."""
    moved = tool.rename(tool.with_name(f"{tool.name}.elf"))
    loader = f'"{libraries}/ld-linux-x86-64.so.2" --library-path "{libraries}"'
    tool.write_text(f'#!/bin/sh\nexec {loader} "${{0%/*}}/{moved.name}" "$@"\n')
    tool.chmod(0o755)


def _extract(package: Path, tree: Path) -> None:
    """Unpack the files of *package* to keep; the kernel, wherever it lies, into ``boot``."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking,  # noqa: S603 - apt's own
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        for member in archive:
            data = archive.extractfile(member) if KEPT.fullmatch(member.name) else None
            if data is not None:
                path = tree / member.name
                if path.name.startswith("vmlinuz"):
                    path = tree / "boot" / path.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data.read())
