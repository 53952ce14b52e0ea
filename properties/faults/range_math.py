# SPDX-License-Identifier: MIT

"""Faults of the range iterator's arithmetic (``compound_range_next``)."""

from __future__ import annotations

from model.optimised import Optimised
from properties.faults.fault import fault


@fault("range math", "A10, near-miss of the series")
class NoTailOffset(Optimised):
    """The run is the whole compound page, wherever in it the range begins.

    A range that starts in a tail and crosses into the next compound page takes
    too many pins from the first and too few from the next.
    """

    def compound_range_next(self, i: int, npages: int, page: int) -> tuple[int, int]:
        """A run of ``compound_nr()``, without the offset of the tail."""
        head = self.memory.compound_head(page + i)
        return head, min(self.memory.compound_nr(head), npages - i)
