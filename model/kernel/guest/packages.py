# SPDX-License-Identifier: MIT

"""Kernels from Debian packages: downloaded and unpacked, not installed."""

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.command import run
from model.kernel.source.tree import cache

#: Kernel versions that can be booted; the first is the default.
VERSIONS = ("6.1", "6.12")

FLAVOUR = "cloud-amd64"

#: Files to keep of a kernel package: the kernel, and modules for the virtio port.
KEPT = re.compile(
    r"\./boot/vmlinuz-.*|.*/(?:virtio|virtio_ring|virtio_pci|virtio_pci_modern_dev"
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
        """The modules for the virtio port, by file name."""
        return {path.name: path.read_bytes() for path in sorted(self.path.rglob("virtio*.ko"))}


def guests() -> Path:
    """The cache directory of kernels."""
    return cache() / "guests"


def present(version: str) -> Unpacked | None:
    """The latest unpacked kernel of *version*; None if there is none."""
    found = _kept(version)
    if not found:
        return None
    latest = max(found, key=lambda place: [*map(int, re.findall(r"\d+", place.name))])
    return Unpacked(version, latest.name, latest)


def unpack(version: str, progress: Callable[[str], None] = lambda _text: None) -> Unpacked:
    """The latest kernel of *version* in apt, downloaded and unpacked if necessary.

    Older unpacked kernels of *version* are deleted. If apt knows none, the
    latest unpacked one is used.

    :param progress: Called with progress messages.
    :raises BadInput: if no kernel is unpacked, and apt is missing or does not know one.
    """
    try:
        abi = _abi(version)
    except BadInput:
        known = present(version)
        if known is None:
            raise
        return known
    place = guests() / abi
    if not place.is_dir():
        names = _packages(abi)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as name:
                work = Path(name)
                progress(f"downloading {names[0]} and headers to build modules")
                _run(["apt-get", "download", "-qq", *names], work)
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


def _abi(version: str) -> str:
    """The latest kernel of *version* in apt, as package names spell it: ``6.1.0-56``."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise BadInput(f"kernels come from Debian packages, and {tool} is not installed")
    for package in (f"linux-image-{version}-{FLAVOUR}", f"linux-image-{FLAVOUR}"):
        output = _output(["apt-cache", "depends", package])
        for abi in re.findall(rf"linux-image-(\S+)-{FLAVOUR}$", output, re.MULTILINE):
            if str(abi).startswith(f"{version}."):
                return str(abi)
    raise BadInput(
        f"apt knows no {FLAVOUR} kernel {version} (linux-image-{FLAVOUR} of Debian 12): "
        "run apt-get update as root, on Debian"
    )


def _packages(abi: str) -> list[str]:
    """Names of the packages with the kernel *abi* and its headers."""
    headers = f"linux-headers-{abi}-{FLAVOUR}"
    needed = re.findall(
        r"^ *\|?Depends: (linux-(?:headers|kbuild)-\S+)$",
        _output(["apt-cache", "depends", headers]),
        re.MULTILINE,
    )
    return [f"linux-image-{abi}-{FLAVOUR}", headers, *sorted(needed)]


def _unpacked(work: Path, place: Path, abi: str) -> Path:
    """Unpack the packages in *work*; return the tree, which is to be moved to *place*."""
    tree = work / "tree"
    tree.mkdir()
    for package in sorted(work.glob("*.deb")):
        if package.name.startswith("linux-image-"):
            _extract(package, tree)
        else:
            _run(["dpkg-deb", "-x", str(package), str(tree)], work)
    # The Makefile refers to the common headers where the package would install them.
    makefile = tree / "usr/src" / f"linux-headers-{abi}-{FLAVOUR}" / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{place}/usr/src/"))
    return tree


def _extract(package: Path, tree: Path) -> None:
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking,  # noqa: S603 - apt's own
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        for member in archive:
            data = archive.extractfile(member) if KEPT.fullmatch(member.name) else None
            if data is not None:
                path = tree / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data.read())


def _run(command: Sequence[str], work: Path) -> None:
    done = run(command, work)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if not line.startswith("W:")]
        reason = errors[0].removeprefix("E: ") if errors else f"status {done.returncode}"
        raise BadInput(f"{command[0]} {command[1]} fails: {reason}")


def _output(command: Sequence[str]) -> str:
    """The output of *command*; empty if it fails, as for an unknown package."""
    done = run(command)
    return "" if done.returncode else done.stdout
