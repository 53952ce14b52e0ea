# SPDX-License-Identifier: MIT

"""The range iterator run on symbolic numbers, against one page at a time.

It is a search, weaker than the lemmas of `properties.proof` and about the
function itself, not about a formula. What it finds is so; that it finds nothing
says nothing. It follows ``%`` and ``//``, and loses its way in bit masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from hypothesis import HealthCheck, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from model.iterators import compound_range_next


if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = 200

#: Few enough for one at a time to be followed, which is a path for each number of them.
MOST_PAGES = 24
ORDERS = 4
FRAMES = 1 << 20


@frozen
class Uniform:
    """Memory of compound pages of one size, each aligned to it."""

    size: int

    def compound_head(self, page: int) -> int:
        """The head of *page*."""
        return page // self.size * self.size

    def compound_nr(self, _head: int) -> int:
        """Pages of any compound page."""
        return self.size


def one_at_a_time(memory: Uniform, i: int, npages: int, page: int) -> int:
    """The run of frame ``page + i``, counted page by page."""
    head = memory.compound_head(page + i)
    run = 1
    while i + run < npages and memory.compound_head(page + i + run) == head:
        run += 1
    return run


class Differs(AssertionError):
    """A run is not what one page at a time counts."""


@frozen
class Looked:
    """What a search came to.

    :param cases: How many paths were taken, those of shrinking too.
    :param found: The smallest numbers found on which the two differ, in one line.
    """

    cases: int
    found: str = ""

    @property
    def text(self) -> str:
        """The result in one line."""
        if self.found:
            return f"found: {self.found}"
        return f"found nothing, which proves nothing ({self.cases} cases)"


def look(
    iterator: Callable[..., tuple[int, int]] = compound_range_next,
    *,
    backend: str = "crosshair",
    examples: int = EXAMPLES,
) -> Looked:
    """Search for numbers on which *iterator* and one page at a time differ.

    :param backend: Of Hypothesis; "hypothesis" draws at random.
    """
    cases = 0

    @settings(
        backend=backend,
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.integers(0, ORDERS),
        st.integers(0, FRAMES),
        st.integers(0, MOST_PAGES),
        st.integers(1, MOST_PAGES),
    )
    def same(order: int, page: int, i: int, left: int) -> None:
        nonlocal cases
        cases += 1
        memory = Uniform(1 << order)
        head, run = iterator(memory, i, i + left, page)
        expected = one_at_a_time(memory, i, i + left, page)
        if run != expected or head != memory.compound_head(page + i):
            where = f"order {order}, frame {page:#x}, i {i}, npages {i + left}"
            text = f"{where}: a run of {run} of {head:#x}, and {expected} one page at a time"
            raise Differs(text)

    try:
        same()
    except Differs as err:
        return Looked(cases, str(err))
    except Flaky:
        # It was so of symbolic numbers only, which the backend may get wrong.
        pass
    return Looked(cases)
