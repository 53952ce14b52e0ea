# SPDX-License-Identifier: MIT

"""The command ``headcount``. Only this package prints.

Exit status: 0 if candidate and reference agree, 1 for a finding, 2 for invalid input.
"""

import ast
import importlib
from pathlib import Path
from types import MappingProxyType

import click

#: The module of each command. It is imported when the command is asked for: what some commands
#: need, such as Hypothesis, takes longer to import than other commands take to run.
MODULES = MappingProxyType(
    {
        "verify": "verify",
        "replay": "traces",
        "reduce": "traces",
        "show": "traces",
        "capture": "capture",
        "prove": "prove",
        "exhaustive": "exhaustive",
        "faults": "faults",
        "measure": "measure",
        "guest": "guest",
    }
)


class Commands(click.Group):
    """A group whose commands are imported when they are asked for, and not to be listed."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command *cmd_name*; None if there is none."""
        if cmd_name not in MODULES:
            return None
        module = importlib.import_module(f"{__name__}.{MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, with each one's docstring."""
        listed = [click.Command(name, short_help=docstring(name)) for name in MODULES]
        click.Group(commands=listed).format_commands(ctx, formatter)


def docstring(name: str) -> str | None:
    """The docstring of the command *name*, read without importing its module."""
    text = Path(__file__).with_name(f"{MODULES[name]}.py").read_text("utf-8")
    return next(
        ast.get_docstring(node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )


@click.group(
    cls=Commands,
    # Only the names, for suggestions and completion.
    commands=[click.Command(name) for name in MODULES],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="headcount")
def main() -> None:
    """Check that code which unpins pages in batches counts as one page at a time would."""
