# SPDX-License-Identifier: MIT

"""What a run reached: situations of steps, and combinations of their arguments."""
