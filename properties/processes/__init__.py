# SPDX-License-Identifier: MIT

"""Processes in which candidates run, so that whatever these do the command lives on and tells."""
