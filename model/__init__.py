# SPDX-License-Identifier: MIT

"""What pages are, and the ways to pin and unpin them.

No module of this package imports Hypothesis, pytest or `properties`.
"""
