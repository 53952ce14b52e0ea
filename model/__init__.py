# SPDX-License-Identifier: MIT

"""What pages are, and the ways to pin and unpin them.

Nothing in here knows of Hypothesis, of pytest or of `properties`.
"""
