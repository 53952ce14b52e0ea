# SPDX-License-Identifier: MIT

"""``python -m properties`` is the command ``headcount``."""

from __future__ import annotations

from properties.cli import main


main()
