# SPDX-License-Identifier: MIT

"""Compilers and package tools, run so that what they say can be read."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def said(
    command: Sequence[str], work: Path | None = None, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """*command*, which has ended: its status, and what it said, in English.

    :param work: Where it is run.
    :param given: Its standard input.
    """
    return subprocess.run(  # noqa: S603 - tools that were looked up, on what the user asked for
        command,
        cwd=work,
        input=given,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
