# SPDX-License-Identifier: MIT

"""What must hold of every way to unpin, and the searches for a program that breaks it."""
