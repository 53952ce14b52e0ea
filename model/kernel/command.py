# SPDX-License-Identifier: MIT

"""Runs compilers and package tools; makes the hashes that name their output in the cache."""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

#: Variables that tie git to another repository, as hooks set them.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def digest(compiler: str, files: Iterable[Path], *parts: str) -> str:
    """A hash of all that a build depends on: *compiler*, the texts of *files*, and *parts*."""
    stat = Path(compiler).stat()
    whole = [compiler, str(stat.st_size), str(stat.st_mtime_ns), *parts]
    for file in files:
        whole += [file.name, file.read_text()]
    return hashlib.sha256("\0".join(whole).encode()).hexdigest()[:24]


def run(
    command: Sequence[str], cwd: Path | None = None, stdin: str | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run *command* and wait for it; its exit status and its output, in English.

    :param cwd: The directory to run it in.
    :param stdin: Its standard input.
    :param environ: More environment variables.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    return subprocess.run(  # noqa: S603 - the caller looked the program up
        command,
        cwd=cwd,
        input=stdin,
        env={**inherited, "LC_ALL": "C", **environ},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
