# SPDX-License-Identifier: MIT

"""The kernel itself as a candidate: its source, cut out of a tree and compiled."""
