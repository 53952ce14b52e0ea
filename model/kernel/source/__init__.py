# SPDX-License-Identifier: MIT

"""A kernel tree as a candidate: its functions, extracted and compiled."""
