# SPDX-License-Identifier: MIT

"""``python -m properties`` is the command ``headcount``."""

from properties.cli import main

main()
