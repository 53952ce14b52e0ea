# SPDX-License-Identifier: MIT

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import BadInput
from model.kernel.source.build import ERAS, ERAS_32, MODELS, compiler, known_for, recognised
from model.kernel.source.cut import MEASURED, SHIM, cut
from model.semantics import SEMANTICS

CC = compiler()


def test_what_is_used_comes_along(toy):
    """Functions are cut with their helpers, macros and types, wherever they stand."""
    was = cut(toy, CC, MODELS["vmemmap"])
    names = was.names

    assert "mm/gup.c:4" == names["toy_each"]
    assert names["toy_dirty"].startswith("mm/gup.c:")
    assert names["struct page"].startswith("include/linux/mm_types.h:")
    assert names["struct toy_order"].startswith("include/linux/mm_types.h:")
    assert "enum pageflags {" in was.source
    assert "struct ib_umem" in names


def test_a_new_helper_comes_along(edited):
    """A helper that an edit adds needs nothing but to be called."""
    changed = edited(
        ("return hpage_pincount_available(head)", "return toy_new(head)"),
        (
            "static int toy_each",
            "static int toy_new(struct page *p)\n{\n\treturn 1;\n}\n\nstatic int toy_each",
        ),
    )

    assert "mm/gup.c:4" == cut(changed, CC).names["toy_new"]


def test_what_the_shim_has_stays(toy):
    """What the shim supplies is not cut, nor what only the other configuration has."""
    was = cut(toy, CC, MODELS["classic"])

    assert "page_to_pfn" not in was.names
    assert "wide" not in was.source.partition("struct page {")[2].partition("}")[0].split()


def test_lines_are_the_trees(toy):
    """The compiler is told the tree's own files and lines."""
    source = cut(toy, CC).source

    assert '#line 4 "mm/gup.c"\nstatic int toy_each(struct page *head);' in source
    assert '#line 4 "mm/gup.c"\nstatic int toy_each(struct page *head)\n{' in source


def test_a_type_comes_after_what_it_holds(toy):
    """A structure stands after those that are its members."""
    source = cut(toy, CC).source

    assert source.index("struct toy_order {") < source.index("struct page {")


def test_a_variable_comes_along(edited):
    """A variable that is used is cut with its value."""
    changed = edited(
        ("? 1 : GUP", "? toy_one : GUP"),
        ("static int toy_each", "int toy_one = 1;\n\nstatic int toy_each"),
    )

    assert '#line 4 "mm/gup.c"\nint toy_one = 1;\n' in cut(changed, CC).source + "\n"


def test_a_variable_without_a_value(edited):
    """So is one that begins as zero, and of a type that sparse checks."""
    changed = edited(
        ("? 1 : GUP", "? !toy_none : GUP"),
        ("static int toy_each", "static toy_t toy_none;\n\nstatic int toy_each"),
        ("static toy_t", "typedef unsigned int __bitwise toy_t;\nstatic toy_t"),
    )

    assert '#line 5 "mm/gup.c"\nstatic toy_t toy_none;\n' in cut(changed, CC).source
    assert "typedef unsigned int __bitwise toy_t;" in cut(changed, CC).source


def test_flags_that_nobody_has(edited):
    """A test of a flag is made from the flag's name, as the kernel's macros do."""
    changed = edited(
        (
            "PageDirty(head)",
            (
                "PageDirty(head) && !PageSwapBacked(head) && !PageNone(head) "
                "&& !folio_test_swap_backed(head)"
            ),
        )
    )
    source = cut(changed, CC).source

    assert "#define PageSwapBacked(page) hc_test(hc_head(page), PG_swap_backed)" in source
    assert "#define folio_test_swap_backed(page) hc_test(hc_head(page), PG_swap_backed)" in source
    assert "#define PageNone" not in source


def test_measured_has_no_driver(toy):
    """What is measured is cut for the passes alone."""
    source = cut(toy, CC, (), MEASURED).source

    assert "driver.c" not in source
    assert "measure.c" in source


def test_tracepoints_are_nobodys(edited):
    """A tracepoint that nobody defines does nothing."""
    changed = edited(("\tint all =", "\ttrace_toy(page, refs);\n\tint all ="))

    assert "#define trace_toy(...) ((void)0)" in cut(changed, CC).source


def test_braces(edited):
    """Where a call stands in the file and the parser does not come to it, that is said."""
    changed = edited((" ? rest : left;\n}\n", " ? rest : left;\n"))

    with pytest.raises(BadInput, match=r"cannot be parsed up to unpin_user_pages\(\)"):
        cut(changed, CC)


def test_no_such_function(edited):
    """A tree without one of the calls is refused with its name."""
    with pytest.raises(BadInput, match=r"toy: mm/gup\.c has no unpin_user_pages\(\)"):
        cut(edited(("void unpin_user_pages(", "void other_pages(")), CC)


def test_nothing_of_a_kernel_is_ours():
    """The shim is under our own licence, every file of it."""
    for file in SHIM.iterdir():
        assert file.read_text().startswith("/* SPDX-License-Identifier: MIT */"), file


def test_era(toy):
    """The toy counts as the series does; every era is a row of the semantics."""
    assert "5.13" == recognised(toy, cut(toy, CC))
    assert {version for version, _ in ERAS + ERAS_32} == set(SEMANTICS)


@pytest.mark.parametrize(
    ("old", "complaint"),
    [
        ("put_compound_head", r"has neither put_compound_head\(\) \(5\.11\) nor gup_put_folio\(\)"),
        ("try_grab_page", r"has put_compound_head\(\), but lacks try_grab_page\(\)"),
    ],
)
def test_no_era(toy, old, complaint, monkeypatch):
    """What is missing of an era is named."""
    was = cut(toy, CC)
    gone = {"compound_range_next", old}
    without = type(was)(was.source, was.names, was.known - gone)

    with pytest.raises(BadInput, match=complaint):
        recognised(toy, without)


def test_before_the_series(toy):
    """Without the range iterator it is the era before."""
    was = cut(toy, CC)

    assert "5.11" == recognised(
        toy, type(was)(was.source, was.names, was.known - {"compound_range_next"})
    )


def test_shim_is_shipped():
    """The shim lies beside the code that reads it."""
    assert {"kernel.h", "driver.c", "shared.h"} <= {Path(file).name for file in SHIM.iterdir()}


@pytest.mark.parametrize(
    ("version", "model", "known"),
    [
        ("5.11", "classic", False),
        ("5.13", "vmemmap", False),
        ("5.13", "classic", True),
        ("6.12", "classic", False),
        ("6.18", "classic", True),
        ("7.3", "vmemmap", False),
    ],
)
def test_known_for_sections(version, model, known):
    """Sections matter without VMEMMAP, before 5.18 and where ranges must lie in one piece."""
    assert known == ("sections" in known_for(SEMANTICS[version], model))


#: What came with the versions up to 7.3.
NEWEST = {
    "folio_large_order",
    "page_range_contiguous",
    "compound_info_has_mask",
    "vma_is_cow_mapping",
}


@pytest.mark.parametrize(
    ("came", "version", "version_32"),
    [
        (set(), "6.12", "6.12"),
        ({"folio_large_order"}, "6.12", "6.15-32"),
        ({"folio_large_order", "page_range_contiguous"}, "6.18", "6.15-32"),
        (NEWEST - {"vma_is_cow_mapping"}, "7.1", "6.15-32"),
        (NEWEST, "7.3", "6.15-32"),
    ],
)
def test_newest_eras(toy, came, version, version_32):
    """Later versions are told apart by what came with each; on 32 bits there is one."""
    was = cut(toy, CC)
    folios = {"gup_put_folio", "try_grab_folio", "try_grab_folio_fast"}
    made = type(was)(was.source, was.names, was.known - {"put_compound_head"} | folios | came)

    assert version == recognised(toy, made)
    assert version_32 == recognised(toy, made, ("m32",))
