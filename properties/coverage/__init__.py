# SPDX-License-Identifier: MIT

"""Coverage points of searches: situations of steps, and combinations of two features."""
