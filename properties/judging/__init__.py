# SPDX-License-Identifier: MIT

"""Judging one program: the Run, the ledger, the oracles, the watchdog."""
