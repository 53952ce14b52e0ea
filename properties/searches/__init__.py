# SPDX-License-Identifier: MIT

"""The searches, one module each; no search imports another."""
