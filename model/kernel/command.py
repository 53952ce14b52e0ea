# SPDX-License-Identifier: MIT

"""Runs compilers and package tools, with their output captured."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run(
    command: Sequence[str], cwd: Path | None = None, stdin: str | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end; its exit status and its output, in English.

    :param cwd: The directory to run it in.
    :param stdin: Its standard input.
    :param environ: More environment variables.
    """
    return subprocess.run(  # noqa: S603 - the caller looked the program up
        command,
        cwd=cwd,
        input=stdin,
        env={**os.environ, "LC_ALL": "C", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
