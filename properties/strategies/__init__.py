# SPDX-License-Identifier: MIT

"""Strategies: random layouts, lists of pages and steps."""
