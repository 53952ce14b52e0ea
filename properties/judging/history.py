# SPDX-License-Identifier: MIT

"""What happened to heads in earlier steps of a run."""

from attrs import define, field


@define
class HeadHistory:
    """What happened to heads in earlier steps of a run and is not part of their state.

    The functions in `properties.coverage` add to it, and use it in later steps.

    :param cleaned: Heads that were cleaned while they were pinned.
    :param unpinned: Heads of order 9 or more that lost their last pin and stayed allocated.
    :param again: Heads that were allocated again after they were free.
    """

    cleaned: set[int] = field(factory=set)
    unpinned: set[int] = field(factory=set)
    again: set[int] = field(factory=set)
