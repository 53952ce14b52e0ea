# SPDX-License-Identifier: MIT

"""Compiles the kernel module and the agent, and packs them into an initramfs."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.command import run
from model.kernel.guest.initramfs import archive
from model.kernel.guest.packages import Unpacked


INSIDE = Path(__file__).with_name("inside")
AGENT = ("agent.c", "requests.c", "place.c", "area.c", "pools.c", "ask.c", "port.c")

#: Maximum number of archives in the cache for one kernel.
KEPT = 8


@frozen
class Image:
    """A kernel and an initramfs to boot.

    :param version: ``6.1``.
    :param abi: The version in the names of packages, ``6.1.0-56``.
    """

    version: str
    abi: str
    kernel: Path
    initrd: Path


def build(unpacked: Unpacked, progress: Callable[[str], None] = lambda _text: None) -> Image:
    """The image of *unpacked*, from the cache or newly compiled.

    :param progress: Called with progress messages.
    :raises BadInput: if there is no compiler, or the build fails.
    """
    cc = shutil.which("gcc-12") or shutil.which("gcc")
    make = shutil.which("make")
    if not cc or not make:
        missing = " and ".join(name for name, there in (("gcc", cc), ("make", make)) if not there)
        msg = f"building the module needs gcc and make: apt install {missing.replace(' and', '')}"
        raise BadInput(msg)
    initrd = unpacked.path / f"initrd-{_digest(cc)}"
    image = Image(unpacked.version, unpacked.abi, unpacked.kernel, initrd)
    if initrd.is_file():
        initrd.touch()
        return image
    progress(f"building the module and the agent for {unpacked.abi}")
    try:
        with tempfile.TemporaryDirectory(dir=unpacked.path) as name:
            work = Path(name) / "inside"
            shutil.copytree(INSIDE, work)
            _module(make, cc, unpacked, work)
            flags = ("-O2", "-static", "-Wall", "-Wextra", "-Wno-missing-field-initializers")
            sources = (str(work / source) for source in AGENT)
            _run([cc, *flags, "-o", str(work / "agent"), *sources], work)
            files = {"init": (work / "agent").read_bytes(), **unpacked.modules()}
            files["headcount.ko"] = (work / "headcount.ko").read_bytes()
            made = work / "initrd"
            made.write_bytes(archive(files))
            made.rename(initrd)
        _forget(unpacked.path)
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(err.filename or initrd)) from None
    return image


def _forget(place: Path) -> None:
    """Delete all but the `KEPT` archives that were used last."""
    archives = sorted(place.glob("initrd-*"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-KEPT]:
        path.unlink(missing_ok=True)


def _module(make: str, cc: str, unpacked: Unpacked, work: Path) -> None:
    # BTF type information would need pahole.
    words = (f"M={work}", f"CC={cc}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules")
    _run([make, "-s", "-C", str(unpacked.headers), *words], work)
    strip = shutil.which("strip")
    if strip:
        _run([strip, "--strip-debug", str(work / "headcount.ko")], work)


def _run(command: Sequence[str], work: Path) -> None:
    done = run(command, work)
    if done.returncode:
        text = done.stderr.replace(f"{work}/", "")
        error = re.search(r"^.*(?:error|undefined|cannot find|Error).*$", text, re.MULTILINE)
        reason = error[0] if error else (text.strip().splitlines() or ["nothing"])[0]
        if "No such file" in reason or "cannot find -lc" in reason:
            reason += " (apt install libc6-dev)"
        raise BadInput(f"the module or the agent cannot be built: {reason}")


def _digest(cc: str) -> str:
    """A hash of everything that the archive is made from."""
    stat = Path(cc).stat()
    parts = [cc, str(stat.st_size), str(stat.st_mtime_ns)]
    for path in sorted(INSIDE.iterdir()):
        parts += [path.name, path.read_text()]
    for path in (Path(__file__), Path(__file__).with_name("initramfs.py")):
        parts.append(path.read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
