# SPDX-License-Identifier: MIT

"""``python -m properties`` is the command ``headcount``."""

import sys

try:
    from properties.start import main

    main()
except KeyboardInterrupt:
    # Before headcount handles interrupts: a traceback would show which module was imported.
    sys.stderr.write("headcount: interrupted\n")
    sys.exit(130)
