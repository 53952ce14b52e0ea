# SPDX-License-Identifier: MIT

"""Detects a tree's semantics from the functions that it defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import BadInput
from model.kernel.source.tree import Tree
from model.steps import STEPS

if TYPE_CHECKING:
    from model.kernel.source.cut import Cut

#: Number of frames in a section of the classic memory model, as in shim/headcount.h.
SECTION = 1 << 10

#: Versions with functions. A tree follows the first version of which it defines all functions.
ERAS = (
    ("6.12", ("gup_put_folio", "try_grab_folio", "try_grab_folio_fast")),
    ("6.1", ("gup_put_folio", "try_grab_folio", "try_grab_page", "is_zero_folio")),
    ("5.18", ("gup_put_folio", "try_grab_folio", "try_grab_page")),
    ("5.13", ("put_compound_head", "try_grab_compound_head", "compound_range_next")),
    ("5.11", ("put_compound_head", "try_grab_compound_head", "try_grab_page")),
)

#: Known oddities of each version's source: names in `properties.judging.oddities`.
ODDITIES_BY_VERSION = {
    "5.11": ("one-grab",),
    "5.13": ("one-grab", "product", "run-of-zero"),
    "5.18": ("one-grab", "run-of-zero"),
    "6.1": ("one-grab", "run-of-zero"),
    "6.12": ("one-grab", "run-of-zero", "null-in-run"),
}

#: The macro with which the range call, since 5.18, finds a later page by its frame number. 6.18
#: lacks it: the struct pages of a range must be contiguous, which is sure only in one section.
BY_FRAMES = "nth_page"


def recognised(tree: Tree, cut: Cut) -> str:
    """The version in `model.semantics` whose rules *tree* follows, or BadInput."""
    for version, names in ERAS:
        if all(name in cut.known for name in names):
            return version
    put = next((n for n in ("gup_put_folio", "put_compound_head") if n in cut.known), "")
    if not put:
        msg = "mm/gup.c has neither put_compound_head() (5.11) nor gup_put_folio() (5.18)"
        raise BadInput(msg, file=tree.where)
    wanted = next(names for _, names in reversed(ERAS) if put in names)
    missing = ", ".join(f"{name}()" for name in wanted if name not in cut.known)
    raise BadInput(f"mm/gup.c has {put}(), but lacks {missing}", file=tree.where)


def known_for(cut: Cut, version: str, model: str) -> tuple[str, ...]:
    """Known oddities of the tree of *cut*, with semantics *version* and memory model *model*."""
    plain = version == "5.13" or BY_FRAMES not in cut.known
    ranges = any(call in cut.known for call, cls in STEPS.items() if cls.takes_range)
    sections = ("sections",) if model == "classic" and plain and ranges else ()
    return ODDITIES_BY_VERSION[version] + sections
