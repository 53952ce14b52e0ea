# SPDX-License-Identifier: MIT

"""Judging one program: the runner, the ledger, the oracles, the watchdog."""
