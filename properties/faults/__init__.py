# SPDX-License-Identifier: MIT

"""Planted bugs: what this harness must find, and variants that it must not report.

Each is a candidate of its own: a small override of the optimised path, and
nothing else. The table measures searches, so that "it would have been found"
is a figure and not a hope.
"""
