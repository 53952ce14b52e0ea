# SPDX-License-Identifier: MIT

"""How well searches find planted bugs: trials, their results and grades."""
