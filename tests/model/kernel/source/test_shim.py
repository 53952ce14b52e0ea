# SPDX-License-Identifier: MIT

"""What the shim gives to the functions of newer kernels, on a toy that uses it as they do."""

from __future__ import annotations

import pytest
from attrs import evolve

from properties.judging.judge import judge
from tests.model.kernel.source.test_source import ALL, program

#: By file, (old, new): the toy as 7.3 would write it.
NEWEST = {
    "drivers/infiniband/core/umem.c": (
        ("struct ib_umem *ib_umem_get(", "static struct ib_umem *__ib_umem_get_va("),
        ("= kzalloc(sizeof(*umem), GFP_KERNEL);", "= kzalloc_obj(*umem);"),
        (
            "\tif (!size)\n",
            "\tif (device->cc_dma_bounce)\n\t\treturn ERR_PTR(-EOPNOTSUPP);\n\tif (!size)\n",
        ),
    ),
    "lib/scatterlist.c": (
        ("kcalloc(nents, sizeof(*table->sgl), gfp)", "kzalloc_objs(*table->sgl, nents, gfp)"),
        ("kcalloc(table->nents + n, sizeof(*sgl), gfp)", "kzalloc_objs(*sgl, table->nents + n)"),
    ),
    "include/linux/page-flags.h": (
        (
            "static inline struct page *compound_head(",
            (
                "static inline bool compound_info_has_mask(void)\n{\n"
                "\treturn IS_ENABLED(CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP);\n}\n\n"
                "static inline struct page *compound_head("
            ),
        ),
        (
            "\treturn page->compound_head % 2",
            (
                "\tif (compound_info_has_mask() && page->compound_head % 2)\n"
                "\t\treturn (struct page *)((unsigned long)page & page->compound_head - 1);\n"
                "\treturn page->compound_head % 2"
            ),
        ),
        ("struct page *head)\n{\n", "struct page *head, unsigned int order)\n{\n"),
        (
            "= (unsigned long)head + 1;",
            (
                "= compound_info_has_mask() ?\n\t\t"
                "GENMASK(BITS_PER_LONG - 1, order + order_base_2(sizeof(*page))) | 1 :\n\t\t"
                "(unsigned long)head + 1;"
            ),
        ),
    ),
}


@pytest.fixture(scope="session")
def newest(toy):
    """The toy tree with `NEWEST`."""
    files = dict(toy.files)
    for file, changes in NEWEST.items():
        for old, new in changes:
            assert old in files[file]
            files[file] = files[file].replace(old, new, 1)
    return evolve(toy, files=files)


@pytest.mark.parametrize("model", ["vmemmap", "classic"])
def test_newest(compiled, newest, model):
    """Allocation by type, regions by __ib_umem_get_va(), tails that are made from the order."""
    source = compiled(newest, model)
    verdict = judge(program(*ALL.split("\n")), source())

    assert ("agrees", 26) == (verdict.kind, verdict.steps), verdict.worst
    assert "__ib_umem_get_va" in source.library.names


@pytest.mark.parametrize(
    ("allocation", "kind"),
    [
        ("kzalloc(sizeof(*umem), GFP_KERNEL)", "agrees"),
        ("kcalloc(1, sizeof(*umem), GFP_KERNEL)", "agrees"),
        ("kmalloc(sizeof(*umem), GFP_KERNEL | __GFP_ZERO)", "agrees"),
        ("kzalloc_obj(*umem, GFP_KERNEL)", "agrees"),
        ("kmalloc(sizeof(*umem), GFP_KERNEL)", "diverges"),
        ("kmalloc_array(1, sizeof(*umem), GFP_KERNEL)", "diverges"),
        ("kmalloc_obj(*umem)", "diverges"),
        ("(void *)__get_free_page(GFP_KERNEL)", "diverges"),
    ],
)
def test_what_is_not_zeroed(compiled, edited, allocation, kind):
    """Memory that nobody asked to be zero is none, so that a use of it before it is set shows."""
    source = compiled(
        edited(
            ("kzalloc(sizeof(*umem), GFP_KERNEL)", allocation),
            file="drivers/infiniband/core/umem.c",
        )
    )
    lines = ("m1 = ib_umem_get(a[0:8])", "ib_umem_release(m1)")

    assert kind == judge(program(*lines), source()).kind
