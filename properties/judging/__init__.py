# SPDX-License-Identifier: MIT

"""Judging one program: the runner, the ledger's books, the oracles, the watchdog."""
