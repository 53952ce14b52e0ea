# SPDX-License-Identifier: MIT

"""Command lines that repeat a search or a replay, for people to copy."""

import shlex

from model.semantics import DEFAULT

#: The default of ``--candidate``.
CANDIDATE = "optimised"


def command(
    name: str,
    *words: str,
    file: str = "",
    candidate: str = CANDIDATE,
    version: str | None = None,
    cost: str = "strict",
) -> str:
    """``headcount NAME FILE OPTIONS WORDS``, without the options that have their default."""
    parts = ["headcount", name, *([file] if file else [])]
    parts += ["--candidate", candidate] if candidate != CANDIDATE else []
    parts += ["--semantics", version] if version and version != DEFAULT.version else []
    parts += ["--cost", cost] if cost != "strict" else []
    return shlex.join([*parts, *words])
