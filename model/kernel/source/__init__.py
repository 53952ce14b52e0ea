# SPDX-License-Identifier: MIT

"""A kernel tree as a candidate: its own functions, cut out and compiled."""
