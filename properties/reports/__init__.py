# SPDX-License-Identifier: MIT

"""What people read: the failure report, page maps, saved traces, commands that repeat a run."""
