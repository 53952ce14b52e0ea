# SPDX-License-Identifier: MIT

"""The kernel as a candidate: functions compiled from a source tree, or a booted kernel."""
