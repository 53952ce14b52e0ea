# SPDX-License-Identifier: MIT

"""What the shim gives to the functions of newer kernels, on a toy that uses it as they do."""

from __future__ import annotations

import pytest
from attrs import evolve

from model.errors import BadInput
from model.kernel.source import build as module
from model.kernel.source.build import build
from model.kernel.source.candidate import load
from model.semantics import SEMANTICS
from properties.judging.judge import judge
from tests.helpers import TOY
from tests.model.kernel.source.test_source import ALL, START, ending, program

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


@pytest.fixture
def any_era(monkeypatch):
    """The toy may hold masks in its tails, though it counts as 5.13 does."""
    monkeypatch.setattr(
        module, "SEMANTICS", {**SEMANTICS, "5.13": evolve(SEMANTICS["5.13"], tail_mask=True)}
    )


@pytest.mark.parametrize(
    ("model", "configs"),
    [
        ("vmemmap", []),
        ("classic", []),
        ("vmemmap", ["debug_vm"]),
        ("vmemmap", ["hvo"]),
        ("vmemmap", ["debug_vm", "hvo"]),
    ],
)
def test_newest(compiled, newest, any_era, model, configs):
    """Allocation by type, regions by __ib_umem_get_va(), tails that are made from the order."""
    source = compiled(newest, model, configs)
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


@pytest.mark.parametrize(
    ("statement", "said", "kind"),
    [
        ("VM_WARN_ON_ONCE(refs < 2)", "mm/gup.c:35: refs < 2", "diverges"),
        ("VM_WARN_ON_ONCE_PAGE(!PageLocked(page), page)", "!PageLocked(page)", "diverges"),
        ("VM_BUG_ON_PAGE(refs < 2, page)", "kernel BUG at mm/gup.c:35: refs < 2", "diverges"),
        ("VM_BUG_ON(refs < 1)", "", "agrees"),
        ("if (IS_ENABLED(CONFIG_DEBUG_VM)) refs++", "refcount", "diverges"),
    ],
)
def test_debug_vm(compiled, edited, statement, said, kind):
    """What CONFIG_DEBUG_VM checks is compiled in with debug_vm only, and told as it stands."""
    tree = edited(
        ("\tint all = flags", f"\t{statement};\n\tint all = flags"),
        ("static void put_compound_head", "\n\nstatic void put_compound_head"),
    )
    lines = ("h1 = pin_user_pages(a[0:1])", "unpin_user_page(h1[0:1])")

    assert "agrees" == judge(program(*lines), compiled(tree)()).kind
    verdict = judge(program(*lines), compiled(tree, "vmemmap", ["debug_vm"])())
    assert kind == verdict.kind
    assert said in str(verdict.worst)


def test_hvo(compiled, newest, any_era):
    """A mask leads from any tail to its head, wherever that lies."""
    source = compiled(newest, "vmemmap", ["hvo"])
    lines = (
        'b = mapping("hugetlb", orders=[18, 18, 9])',
        'c = mapping("driver", orders=[0], pfn=0x4000000)',
        'd = mapping("thp", orders=[9])',
        "h1 = pin_user_pages(b[262143:262146] + b[524287:524290] + c[0:1])",
        "unpin_user_pages_dirty_lock(h1[0:7], make_dirty=True)",
        "split_huge_page(d[511:512])",
    )

    assert (
        "agrees"
        == judge(program(*lines, start=START.replace("[2, 2, 1, 0]", "[0]")), source()).kind
    )
    assert source.abilities.span < load(str(TOY)).abilities.span


def test_hvo_finds_a_wrong_mask(compiled, newest, any_era):
    """A mask that is one bit too long leads to a head inside the compound page."""
    file = "include/linux/page-flags.h"
    wrong = newest.files[file].replace("order + order_base_2", "order - 1 + order_base_2")
    source = compiled(evolve(newest, files={**newest.files, file: wrong}), "vmemmap", ["hvo"])

    assert "agrees" != judge(program("h1 = pin_user_pages(a[0:4])"), source()).kind


@pytest.mark.parametrize("configs", [[], ["hvo"]])
@pytest.mark.parametrize(
    ("away", "said"),
    [(1, "accesses the struct page of a frame that is in no mapping"), (5000, "in no mapping")],
)
def test_outside_of_mappings(compiled, newest, any_era, configs, away, said):
    """The struct page of a frame that is in no mapping leads nowhere."""
    text = newest.files["mm/gup.c"]
    wrong = text.replace("(compound_head(page), 1", f"(compound_head(page + {away}), 1")
    assert wrong != text
    source = compiled(evolve(newest, files={**newest.files, "mm/gup.c": wrong}), "vmemmap", configs)

    assert said in str(ending(source, "h1 = pin_user_pages(a[10:11])", "unpin_user_page(h1[0:1])"))


def test_hvo_is_refused(toy):
    """Before 7.1 no tail holds a mask, and classic has no VMEMMAP to optimise."""
    with pytest.raises(BadInput, match=r"hvo: tails hold a mask from 7\.1 on, .* counts as 5\.13"):
        build(toy, "vmemmap", ["hvo"])
    with pytest.raises(BadInput, match="hvo needs VMEMMAP: leave classic out"):
        load(f"{TOY},hvo,classic")


def test_configured():
    """Options stand behind the tree in any order, and in the name of the candidate."""
    source = load(f"{TOY},debug_vm,classic")

    assert "kernel-source 5.13.0-toy (classic, debug_vm)" == source.abilities.name
    assert "wrapped-put" in source.abilities.oddities


#: Other ends of the toy's struct page.
SIZES = {40: "}", 72: "\tlong vendor[4];\n}", 128: "\tlong vendor;\n} __aligned(128)"}


def sized(tree, size):
    """*tree* with a struct page of *size* bytes."""
    file = "include/linux/mm_types.h"
    text = tree.files[file].replace("} __aligned(64)", SIZES[size])
    text += f"_Static_assert(sizeof(struct page) == {size});\n"
    return evolve(tree, files={**tree.files, file: text})


@pytest.mark.parametrize("model", ["vmemmap", "classic"])
@pytest.mark.parametrize("size", SIZES)
def test_size_of_struct_page(compiled, toy, size, model):
    """A struct page of another size is laid out by its own size."""
    source = compiled(sized(toy, size), model)
    lines = (
        'b = mapping("thp", orders=[9, 9])',
        *ALL.split("\n"),
        "h9 = pin_user_pages(b[0:1024])",
    )
    verdict = judge(program(*lines), source())

    assert ("agrees", 27) == (verdict.kind, verdict.steps), verdict.worst


def test_struct_page_is_refused(edited, newest, any_era):
    """What cannot be laid out is refused in one line."""
    file = "include/linux/mm_types.h"
    moved = edited(
        (
            "\tunsigned long flags;\n\tunsigned long compound_head;\n",
            "\tunsigned long compound_head, flags;\n",
        ),
        file=file,
    )
    with pytest.raises(
        BadInput, match=r"toy: cannot be run: a struct page does not begin with its flags$"
    ):
        build(moved, "vmemmap")
    with pytest.raises(
        BadInput,
        match=r"cannot be run: the size of a struct page is no power of two, which hvo needs$",
    ):
        build(sized(newest, 72), "vmemmap", ["hvo"])
