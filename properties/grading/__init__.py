# SPDX-License-Identifier: MIT

"""How well searches do on planted bugs: trials, what came of them, tables and pictures."""
