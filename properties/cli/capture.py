# SPDX-License-Identifier: MIT

"""``headcount capture``: write the page layout of this machine to a file."""

import shlex
from pathlib import Path

import click

from model.capture import capture_machine, capture_process
from model.errors import BadInput
from properties.cli import options
from properties.cli.console import console, put, reported
from properties.cli.options import PATH


@click.command()
@click.option("-o", "--output", type=PATH, help="File to write; default: standard output.")
@options.count("--pid", show_default="all", help="Capture the pages of one process only.")
@options.count("--limit", show_default="no limit", help="Maximum number of mappings.")
@click.option(
    "--when",
    default="at an unknown date",
    show_default=True,
    help="The date to write into the file.",
)
@reported
def capture(output: Path | None, pid: int | None, limit: int | None, when: str) -> int:
    """Capture this machine's page layout (needs root)."""
    if not when.isprintable():
        raise BadInput("--when must be one line of text")
    found = capture_process(pid, when, limit=limit) if pid else capture_machine(when, limit=limit)
    if output is None:
        click.echo(found.text(), nl=False)
        return 0
    put(output, found.text())
    pages = sum(m.npages for m in found.mappings)
    console.print(f"captured {len(found.mappings)} mappings, {pages:,} pages into {output}")
    console.print(f"search   headcount verify --layout {shlex.quote(str(output))}")
    return 0
