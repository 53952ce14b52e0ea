# SPDX-License-Identifier: MIT

"""Lemmas about the arithmetic of the range iterator and of puts, settled by z3.

They are about the formulas in `properties.proof.formulas`, on bit vectors as wide as
C's types. Tests compare these formulas with `model.iterators.compound_range_next` and
the optimised model's put.

This file can be imported without z3; the modules of this package cannot.
"""

from model.semantics import BIAS, MAX_ORDER

#: Printed below the lemmas: the assumptions, what the lemmas are about, and what follows
#: if every verdict is as expected.
ASSUMED = (
    f"orders 0 to {MAX_ORDER}, i < npages, frame + i in its compound page, wherever that begins",
    "struct pages are one flat array (vmemmap); range and compound page end by frame 2^52",
    f"a put is of 1 to 2^31 - 1 pins, in wide types to 2^53 - 1, of a page that counts by {BIAS}",
)
ABOUT = (
    "the formulas in properties/proof/formulas.py and nothing else; tests compare these with the",
    "model on numbers",
)
FOLLOWS = (
    "in wide types the runs partition [frame, frame + npages), in order, as they do with the",
    "kernel's types while npages < 2^32: by induction on i, which the solver does not check",
)
