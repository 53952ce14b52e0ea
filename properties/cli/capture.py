# SPDX-License-Identifier: MIT

"""``headcount capture``: this machine's own page layout."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from model.capture import capture_machine, capture_process
from model.errors import BadInput
from properties.cli.common import (
    PATH,
    console,
    put,
    reported,
)


if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("-o", "--output", type=PATH, help="Where to put the layout; printed if left out.")
@click.option("--pid", type=click.IntRange(min=1), help="The pages of one process alone.")
@click.option("--limit", type=click.IntRange(min=1), help="Keep at most this many mappings.")
@click.option("--when", default="", help="The date to note in it.")
@reported
def capture(output: Path | None, pid: int | None, limit: int | None, when: str) -> int:
    """Read this machine's page layout (needs root)."""
    if not when.isprintable():
        msg = "--when is no line of text"
        raise BadInput(msg)
    when = when or "a day that was not noted"
    found = capture_process(pid, when) if pid else capture_machine(when, limit=limit)
    if output is None:
        click.echo(found.text(), nl=False)
        return 0
    put(output, found.text())
    pages = sum(m.npages for m in found.mappings)
    console.print(f"captured {len(found.mappings)} mappings, {pages:,} pages into {output}")
    console.print(f"search   headcount verify --layout {shlex.quote(str(output))}", markup=False)
    return 0
