# SPDX-License-Identifier: MIT

"""Reads those files of a kernel tree, or of its tarball, that concern pins."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from model.contents import contents, expanded
from model.errors import BadInput
from model.kernel.source.diff import Part
from model.leftovers import temporary
from model.progress import tell

#: Files to read, in the order in which names are looked up. `mm/gup.c`, which is under
#: test, comes first.
FILES = (
    "mm/gup.c",
    "drivers/infiniband/core/umem.c",
    "lib/scatterlist.c",
    "include/linux/scatterlist.h",
    "include/rdma/ib_umem.h",
    "include/linux/page_ref.h",
    "include/linux/page-flags.h",
    "include/linux/mm_types.h",
    "include/linux/mm.h",
    "include/linux/mm_inline.h",
    "include/linux/huge_mm.h",
    "include/linux/hugetlb.h",
    "include/linux/memremap.h",
    "include/linux/mmzone.h",
    "include/linux/vmstat.h",
    "include/linux/pagemap.h",
    "include/linux/gfp_types.h",
    "include/linux/gfp.h",
    "include/linux/pgtable.h",
    "include/rdma/ib_verbs.h",
    "include/uapi/rdma/ib_user_ioctl_verbs.h",
    "include/linux/dma-direction.h",
    "mm/internal.h",
    "mm/util.c",
    "mm/huge_memory.c",
    "mm/hugetlb.c",
    "include/linux/mm_types_task.h",
    "include/linux/list.h",
    "include/linux/migrate.h",
    "include/linux/rmap.h",
    "include/linux/sched/mm.h",
    "include/linux/swapops.h",
    "include/linux/leafops.h",
    "include/linux/pgtable_api.h",
    "mm/memfd.c",
    "include/linux/pagevec.h",
    "include/linux/folio_batch.h",
)

#: A tree without these is rejected.
NEEDED = (
    *("mm/gup.c", "include/linux/mm.h", "include/linux/mm_types.h"),
    *("drivers/infiniband/core/umem.c", "lib/scatterlist.c"),
)

#: Maximum size of one of `FILES` in bytes, and what it is, for messages. The largest has 150 KiB.
MAX_FILE, PART = 1 << 24, "a file of a kernel tree"

#: Maximum number of bytes that a tarball unpacks to before all files are found; 7.3 has 1.7 GiB.
MAX_UNPACKED = 1 << 34


def cache() -> Path:
    """The user's cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "headcount"


@frozen
class Edits:
    """What was changed in a tree before it was read, or by a patch after that.

    :param before: The text of each of `FILES` without the changes; None if nothing was changed.
    :param unread: What was changed in other files.
    :param notes: Where a patch did not fit exactly, and what git does not track.
    """

    before: dict[str, str] | None = None
    unread: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.before is not None

    def also(self, before: dict[str, str], unread: Iterable[Part], notes: Iterable[str]) -> Edits:
        """These edits and those of a patch to the files *before*."""
        first = before if self.before is None else self.before
        return Edits(first, (*self.unread, *unread), (*self.notes, *notes))


@frozen
class Tree:
    """The files of a kernel tree.

    :param where: The directory or the tarball, as the user named it.
    :param version: From its Makefile, ``6.1.192``; empty if that does not say.
    :param files: The text of each of `FILES` that exists.
    :param edits: What was changed in it.
    """

    where: str
    version: str
    files: dict[str, str]
    edits: Edits = Edits()


def read(where: str) -> Tree:
    """Read the tree at *where*, a directory or a tarball as in the package ``linux-source-*``.

    :raises BadInput: if it is no kernel tree, or cannot be read.
    """
    path = expanded(where)
    try:
        if not path.is_dir() and not path.is_file():
            raise BadInput("no such directory or tarball", file=where)
        place = path if path.is_dir() else _unpacked(path)
        wanted = [name for name in (*FILES, "Makefile") if (place / name).is_file()]
        files = {name: text(contents(place / name, MAX_FILE, PART)) for name in wanted}
    except OSError as err:
        raise BadInput(err.strerror or str(err), file=str(err.filename or where)) from None
    for name in NEEDED:
        if name not in files:
            raise BadInput(f"not a kernel tree: it has no {name}", file=where)
    return Tree(where, _version(files.pop("Makefile", "")), files)


def text(data: bytes) -> str:
    """*data* as text, whatever its bytes."""
    return data.decode("utf-8", errors="replace")


def _version(makefile: str) -> str:
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)", makefile, re.MULTILINE))
    extra = re.search(r"^EXTRAVERSION *= *(\S+)", makefile, re.MULTILINE)
    if "VERSION" not in found:
        return ""
    version = ".".join(found.get(k, "0") for k in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    return version + (extra[1] if extra else "")


def _unpacked(tarball: Path) -> Path:
    """The directory in the cache with those files of *tarball* that are read."""
    stat = tarball.stat()
    known = f"{tarball.resolve()} {stat.st_size} {stat.st_mtime_ns} {FILES}"
    kept = cache() / "trees" / hashlib.sha256(known.encode()).hexdigest()[:16]
    if not kept.is_dir():
        with temporary(kept.parent) as place:
            work = place / "tree"
            work.mkdir()
            _extract(tarball, work)
            try:
                work.rename(kept)
            except OSError:
                if not kept.is_dir():  # else another process has put it there
                    raise
    return kept


def _extract(tarball: Path, work: Path) -> None:
    left = {*FILES, "Makefile"}
    try:
        with tarfile.open(tarball, "r|*") as archive:
            for member in archive:
                name = member.name.removeprefix("./").partition("/")[2]
                tell(f"unpacking {tarball}: {member.offset >> 20:,} MiB of its files so far")
                if member.offset + member.size > MAX_UNPACKED:
                    msg = f"unpacks to more than {MAX_UNPACKED >> 30} GiB without all that is read"
                    raise BadInput(msg, file=str(tarball))
                if name in left and member.size > MAX_FILE:
                    msg = (
                        f"{name} has more than {MAX_FILE >> 20} MiB, the most that {PART} may have"
                    )
                    raise BadInput(msg, file=str(tarball))
                data = archive.extractfile(member) if name in left else None
                if data is not None:
                    (work / name).parent.mkdir(parents=True, exist_ok=True)
                    (work / name).write_bytes(data.read())
                    left.discard(name)
                if not left:
                    break
    except (tarfile.TarError, EOFError, OSError) as err:
        raise BadInput(f"cannot be read as a tarball: {err}", file=str(tarball)) from None
