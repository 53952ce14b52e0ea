# SPDX-License-Identifier: MIT

"""How long-term pins are entered in the ledger: which pages move, and what that counts.

The pages that must move are known before anything is pinned: references that others hold then are
what keeps a page where it is.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from properties.judging.ledger import Ledger


def moves(ledger: Ledger, pages: Sequence[int], stuck: Container[int]) -> tuple[int, bool]:
    """Move those of *pages* that a long-term pin must not keep: (attempts, whether all could move).

    Each attempt pins all *pages* and unpins them again, and moves those that can move though others
    stay. A page that is isolated later is not isolated in the first of the step.

    :param stuck: The heads that others hold.
    """
    move = dict.fromkeys(head for head, _ in ledger.runs(pages) if must_move(ledger, head))
    late = [head for head in move if ledger.attributes(head).isolates and head not in ledger.tried]
    ledger.tried.update(move)
    attempts = 0
    for heads in ([head for head in move if head not in late], late):
        if heads or (late and not attempts):
            attempts += 1
        able = [head for head in heads if head not in stuck and ledger.attributes(head).migrates]
        for head in able:
            ledger.held(head).migrated = True
        if len(able) < len(heads):
            return attempts, False
    return attempts, True


def must_move(ledger: Ledger, head: int) -> bool:
    """Whether a long-term pin may not keep *head* where it is."""
    return ledger.attributes(head).movable and not ledger.held(head).migrated
