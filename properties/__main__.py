# SPDX-License-Identifier: MIT

"""``python -m properties`` is the command ``headcount``."""

from properties.start import main

main()
