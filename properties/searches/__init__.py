# SPDX-License-Identifier: MIT

"""The searches: each produces programs, in a file of its own, and imports no other search."""
