# SPDX-License-Identifier: MIT

"""Output for people: the failure report, page maps, saved traces, commands to repeat them."""
