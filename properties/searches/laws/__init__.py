# SPDX-License-Identifier: MIT

"""The search laws: variants of a program that must end in the same state."""
