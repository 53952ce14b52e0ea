# SPDX-License-Identifier: MIT

"""The initramfs of the machine: a cpio archive that the kernel unpacks."""

from collections.abc import Mapping


DIRECTORY = 0o040755
PROGRAM = 0o100755
#: Mode and device number of ``/dev/console``, which the kernel opens before devtmpfs exists.
CONSOLE = (0o020600, 5, 1)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A ``newc`` archive of *files*, by name, and ``/dev/console``.

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
    # inode, mode, uid, gid, links, time, size, device, device it stands for, name, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in fields) + path
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
