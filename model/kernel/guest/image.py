# SPDX-License-Identifier: MIT

"""Compiles the kernel module and the agent, and packs them into an initramfs."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from model.errors import BadInput
from model.kernel.command import digest, run
from model.kernel.guest.packages import Unpacked
from model.leftovers import temporary

INSIDE = Path(__file__).with_name("inside")
AGENT = ("agent.c", "requests.c", "entries.c", "place.c", "area.c", "pools.c", "ask.c", "port.c")

#: Maximum number of initramfs archives in the cache for one kernel.
KEPT = 8

#: Modes of archive entries. ``/dev/console`` also has a device number, and is in the archive
#: because the kernel opens it before devtmpfs exists.
DIRECTORY, PROGRAM, CONSOLE = 0o040755, 0o100755, (0o020600, 5, 1)


@frozen
class Image:
    """A kernel and an initramfs to boot; *version* and *abi* as in `Unpacked`."""

    version: str
    abi: str
    kernel: Path
    initrd: Path


def build(unpacked: Unpacked, progress: Callable[[str], None] = lambda _text: None) -> Image:
    """The image to boot for *unpacked*, from the cache or newly compiled.

    :param progress: Called with progress messages.
    :raises BadInput: if there is no compiler, or the build fails.
    """
    cc = shutil.which("gcc-12") or shutil.which("gcc")
    make = shutil.which("make")
    if not cc or not make:
        missing = " and ".join(name for name, there in (("gcc", cc), ("make", make)) if not there)
        msg = f"building the module needs gcc and make: apt install {missing.replace(' and', '')}"
        raise BadInput(msg)
    made_from = digest(cc, [*sorted(INSIDE.iterdir()), Path(__file__)])
    initrd = unpacked.path / f"initrd-{made_from}"
    image = Image(unpacked.version, unpacked.abi, unpacked.kernel, initrd)
    if initrd.is_file():
        initrd.touch()
        return image
    progress(f"building the module and the agent for {unpacked.abi}")
    try:
        with temporary(unpacked.path) as place:
            work = place / "inside"
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
    """Delete all archives except the `KEPT` most recently used."""
    archives = sorted(place.glob("initrd-*"), key=lambda path: path.stat().st_mtime)
    for path in archives[:-KEPT]:
        path.unlink(missing_ok=True)


def _module(make: str, cc: str, unpacked: Unpacked, work: Path) -> None:
    # Unset are a build step that needs pahole, and an option that gcc 12 does not have.
    unset = ("CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=")
    words = (f"M={work}", f"CC={cc}", *unset, "modules")
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


def archive(files: Mapping[str, bytes]) -> bytes:
    """An initramfs: a ``newc`` cpio archive of *files* (contents by path) and ``/dev/console``.

    See Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    # Inode numbers differ: entries with the same one would be hard links.
    entries = [_entry(1, "dev", DIRECTORY), _entry(2, "dev/console", *CONSOLE)]
    for inode, (name, data) in enumerate(files.items(), 3):
        entries.append(_entry(inode, name, PROGRAM, data=data))
    return b"".join([*entries, _entry(0, "TRAILER!!!", 0)])


def _entry(
    inode: int, name: str, mode: int, major: int = 0, minor: int = 0, data: bytes = b""
) -> bytes:
    path = name.encode() + b"\0"
    # inode, mode, uid, gid, links, time, size, device, rdev, length of the name, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in fields) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
