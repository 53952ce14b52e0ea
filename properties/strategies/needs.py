# SPDX-License-Identifier: MIT

"""What a call needs before a step of it can be drawn at all."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from properties.judging.ledger import Ledger
    from properties.strategies.steps import Steps

#: Of the ledger, or of the drawn steps, one of these holds something. A call
#: that is not here can always be drawn.
NEEDS: dict[str, tuple[str, ...]] = {
    "unpin_user_page": ("pinned",),
    "unpin_user_pages": ("pinned",),
    "unpin_user_pages_dirty_lock": ("pinned",),
    "unpin_user_page_range_dirty_lock": ("pinned",),
    "ib_umem": ("pinned",),
    "ib_umem_release": ("umems",),
    "set_page_dirty": ("pinned",),
    "clean": ("pinned",),
    "split_huge_page": ("splittable",),
    "alloc_pages": ("freed",),
    "put_page": ("got",),
}


def possible(call: str, ledger: Ledger, steps: Steps) -> bool:
    """Whether a step of *call* can be drawn now."""
    needs = NEEDS.get(call)
    return needs is None or any(getattr(ledger, n, None) or getattr(steps, n, None) for n in needs)
