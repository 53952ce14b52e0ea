# SPDX-License-Identifier: MIT

"""The arithmetic of the range iterator and of puts, in 64 bits and in the types of 5.13."""

from __future__ import annotations

from typing import Any

import z3
from attrs import field, frozen

from model.semantics import BIAS, MAX_ORDER

#: Frame numbers are below this: 64 bits of physical address, in pages of 4 KiB.
FRAME_LIMIT = 1 << 52


def _number(value: int) -> Any:
    return z3.BitVecVal(value, 64)


def _low(value: Any) -> Any:
    """*value* converted to ``unsigned int`` and back to 64 bits."""
    return z3.ZeroExt(32, z3.Extract(31, 0, value))


def _least(a: Any, b: Any) -> Any:
    return z3.If(z3.ULT(a, b), a, b)


@frozen
class Place:
    """The arguments of one step of the range iterator, as expressions of 64 bits.

    `page` and `npages` are computed from *skipped* and *left*, because the solver is
    faster with these two; every step can be expressed in this way.

    :param head: The frame of the head of ``page + i``.
    :param skipped: Pages of that compound page before ``page + i``.
    :param left: Pages left of the range: ``npages - i``.
    """

    order: Any = field(factory=lambda: z3.BitVec("order", 64))
    head: Any = field(factory=lambda: z3.BitVec("head", 64))
    skipped: Any = field(factory=lambda: z3.BitVec("skipped", 64))
    i: Any = field(factory=lambda: z3.BitVec("i", 64))
    left: Any = field(factory=lambda: z3.BitVec("left", 64))

    @property
    def page(self) -> Any:
        """The first frame of the range."""
        return self.head + self.skipped - self.i

    @property
    def npages(self) -> Any:
        """Pages of the whole range."""
        return self.i + self.left

    @property
    def compound(self) -> Any:
        """Whether the page ``page + i`` is compound."""
        return self.order != 0

    @property
    def rest(self) -> Any:
        """Pages left of the compound page: ``head + nr - next``."""
        return self.head + (_number(1) << self.order) - (self.page + self.i)

    @property
    def assumed(self) -> Any:
        """The condition under which the kernel calls the iterator."""
        nr = _number(1) << self.order
        return z3.And(
            z3.ULE(self.order, MAX_ORDER),
            z3.ULT(self.i, self.npages),
            z3.ULE(self.page, FRAME_LIMIT),
            z3.ULE(self.npages, FRAME_LIMIT - self.page),
            z3.ULE(self.head, FRAME_LIMIT - nr),
            z3.ULE(self.head, self.page + self.i),
            z3.ULT(self.page + self.i, self.head + nr),
        )


def wide_run(place: Place) -> Any:
    """The length of the run of *place*: the minimum of `rest` and `left`, computed in 64 bits."""
    return z3.If(place.compound, _least(place.rest, place.left), _number(1))


def kernel_run(place: Place) -> Any:
    """The length of the run in 5.13: ``min_t(unsigned int, head + nr - next, npages - i)``."""
    return z3.If(place.compound, _least(_low(place.rest), _low(place.left)), _number(1))


def wide_dropped(refs: Any) -> Any:
    """The number of references that a put of *refs* pins drops, computed in 64 bits."""
    return _dropped(refs * BIAS)


def kernel_dropped(refs: Any) -> Any:
    """The references that a put drops in 5.13: ``int refs; refs *= GUP_PIN_COUNTING_BIAS``.

    The kernel is compiled so that this product wraps. Whatever the product, at least one
    reference is dropped: ``if (refs > 1) page_ref_sub(page, refs - 1); put_page(page);``.
    """
    return _dropped(z3.SignExt(32, z3.Extract(31, 0, refs * BIAS)))


def _dropped(product: Any) -> Any:
    return z3.If(product > 1, product, _number(1))
