# SPDX-License-Identifier: MIT

"""Enumeration of every program of a scope."""
