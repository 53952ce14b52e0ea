# SPDX-License-Identifier: MIT

"""The command ``headcount``. Only this package prints.

Exit status: 0 if candidate and reference agree, 1 for a finding, 2 for invalid input.
"""

import click

from properties.cli.capture import capture
from properties.cli.exhaustive import exhaustive
from properties.cli.faults import faults
from properties.cli.guest import guest
from properties.cli.measure import measure
from properties.cli.prove import prove
from properties.cli.traces import reduce, replay, show
from properties.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="headcount")
def main() -> None:
    """Check that code which unpins pages in batches counts as one page at a time would."""


for command in (verify, replay, reduce, show, capture, prove, exhaustive, faults, measure, guest):
    main.add_command(command)
