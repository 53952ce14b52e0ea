# SPDX-License-Identifier: MIT

"""The lemmas about the formulas of `properties.proof.formulas`."""

from collections.abc import Callable, Mapping
from typing import Any

import z3

from model.semantics import BIAS
from properties.proof.formulas import Place, kernel_dropped, kernel_run, wide_dropped, wide_run
from properties.proof.solver import Lemma


def steps(run: Callable[[Place], Any], types: str, *, wide: bool) -> list[Lemma]:
    """The lemmas about one step of the range iterator, whose run has ``run(place)`` pages.

    :param types: The name of the types in reports.
    :param wide: Whether the types are wide enough for all lemmas to hold; if not, as in 5.13,
        some have to be refuted.
    """
    place = Place()
    got = run(place)
    progress = z3.UGE(got, 1)
    maximal = z3.Or(got == place.left, got == place.rest)
    claims = [
        ("no run goes beyond the range", True, z3.ULE(got, place.left)),
        ("no run leaves its compound page", True, z3.ULE(got, place.rest)),
        ("every run has at least one page", wide, progress),
    ]
    if wide:
        claims += [("every run ends where the range or its compound page ends", True, maximal)]
    else:
        multiple = z3.And(place.compound, z3.Extract(31, 0, place.left) == 0)
        below = z3.ULT(place.left, 1 << 32)
        claims += [
            (
                "a run is 0 on compound pages where npages - i = k * 2^32, and only there",
                True,
                (got == 0) == multiple,
            ),
            (
                "a run that is not 0 ends where the range or its compound page ends",
                False,
                z3.Implies(progress, maximal),
            ),
            (
                "if npages - i < 2^32, no run is 0 and each ends with range or compound page",
                True,
                z3.Implies(below, z3.And(progress, maximal)),
            ),
        ]
    names = ("left", "order", "page", "i", "head", "npages", "rest")
    least = {**{name: getattr(place, name) for name in names}, "run": got}
    return [
        Lemma(types, text, holds, place.assumed, claim, least, _tell_step)
        for text, holds, claim in claims
    ]


def _tell_step(at: Mapping[str, int]) -> str:
    times, more = divmod(at["left"], 1 << 32)
    left = f"{times} * 2^32" + (f" + {more}" if more else "") if times else str(more)
    where = f"order {at['order']}, frame {at['page']:#x}, i {at['i']}, npages {at['npages']}"
    if at["head"] != at["page"] + at["i"]:
        where += f", head {at['head']:#x}"
    return f"{where}: npages - i = {left} gives a run of {at['run']}"


def puts(dropped: Callable[[Any], Any], types: str, *, wide: bool) -> list[Lemma]:
    """The lemmas about a put of n pins that count BIAS each: it drops ``dropped(n)`` references.

    :param types: The name of the types in reports.
    :param wide: Whether the types have 64 bits.
    """
    refs = z3.BitVec("refs", 64)
    got = dropped(refs)
    # Computed in 128 bits, so that this product cannot wrap.
    right = z3.SignExt(64, got) == z3.ZeroExt(64, refs) * BIAS
    most = 1 << 53 if wide else 1 << 31
    assumed = z3.And(z3.UGE(refs, 1), z3.ULT(refs, most))
    claims = [(f"a put of refs pins drops {BIAS} * refs references", wide, right)]
    if not wide:
        only = right == z3.ULT(refs, 1 << 21)
        claims += [("it drops that number if refs < 2^21, and only then", True, only)]
    least = {"refs": refs, "dropped": got}
    return [
        Lemma(types, text, holds, assumed, claim, least, _tell_put) for text, holds, claim in claims
    ]


def _tell_put(at: Mapping[str, int]) -> str:
    refs = at["refs"]
    power = f"2^{refs.bit_length() - 1}" if refs & (refs - 1) == 0 else str(refs)
    return f"refs = {power} pins: {at['dropped']} dropped, where {BIAS * refs} are due"


def lemmas() -> list[Lemma]:
    """All lemmas."""
    return [
        *steps(wide_run, "wide types", wide=True),
        *steps(kernel_run, "kernel's types", wide=False),
        *puts(wide_dropped, "wide types", wide=True),
        *puts(kernel_dropped, "kernel's types", wide=False),
    ]
