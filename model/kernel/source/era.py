# SPDX-License-Identifier: MIT

"""Which way of counting a tree has, by what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import BadInput


if TYPE_CHECKING:
    from model.kernel.source.cut import Cut
    from model.kernel.source.tree import Tree

#: Frames of a section of the classic memory model, as shim/headcount.h has them.
SECTION = 1 << 10

#: Functions that pin and unpin in some era: the first of them that all are there says which.
ERAS = (
    ("6.12", ("gup_put_folio", "try_grab_folio", "try_grab_folio_fast")),
    ("6.1", ("gup_put_folio", "try_grab_folio", "try_grab_page", "is_zero_folio")),
    ("5.18", ("gup_put_folio", "try_grab_folio", "try_grab_page")),
    ("5.13", ("put_compound_head", "try_grab_compound_head", "compound_range_next")),
    ("5.11", ("put_compound_head", "try_grab_compound_head", "try_grab_page")),
)


#: What each version is known to do otherwise than one page at a time, by the names that
#: `properties.judging.oddities` tells of.
ODDITIES = {
    "5.11": ("one-grab",),
    "5.13": ("one-grab", "product", "run-of-zero"),
    "5.18": ("one-grab", "run-of-zero"),
    "6.1": ("one-grab", "run-of-zero"),
    "6.12": ("one-grab", "run-of-zero", "null-in-run"),
}

#: From 5.18 on the range call goes from page to page by this, through frames. In 6.18 it
#: is gone: pages of a range must lie side by side in the memmap then, so that it is the
#: caller's affair to keep to a section.
BY_FRAMES = "nth_page"


def recognised(tree: Tree, cut: Cut) -> str:
    """The row of `model.semantics` that *tree* counts by.

    :raises BadInput: if it is of no era that is known.
    """
    for version, names in ERAS:
        if all(name in cut.known for name in names):
            return version
    put = next((n for n in ("gup_put_folio", "put_compound_head") if n in cut.known), "")
    if not put:
        msg = "mm/gup.c has neither put_compound_head() (5.11) nor gup_put_folio() (5.18)"
        raise BadInput(msg, file=tree.where)
    wanted = next(names for _, names in reversed(ERAS) if put in names)
    missing = ", ".join(f"{name}()" for name in wanted if name not in cut.known)
    msg = f"mm/gup.c has {put}(), but lacks {missing}"
    raise BadInput(msg, file=tree.where)


def known_for(cut: Cut, version: str, model: str) -> tuple[str, ...]:
    """What a tree that counts by *version* is known to do otherwise in a memory *model*."""
    plain = version == "5.13" or BY_FRAMES not in cut.known
    ranges = "unpin_user_page_range_dirty_lock" in cut.known
    return ODDITIES[version] + (("sections",) if model == "classic" and plain and ranges else ())
