# SPDX-License-Identifier: MIT

"""What is told of edits of Debian's kernels, of the kinds that a reviewer meets in a day."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve

from model.kernel.source.build import build
from model.kernel.source.candidate import Source
from model.kernel.source.items import items
from model.kernel.source.tree import read
from model.semantics import SEMANTICS
from properties import layouts
from properties.reports.store import Store
from properties.reports.under_test import Extent
from properties.search import Search
from properties.searches import registry
from properties.verify import verify
from tests.model.kernel.source.test_kernels import KERNELS

GUP, UMEM = "mm/gup.c", "drivers/infiniband/core/umem.c"
MM, FLAGS, INTERNAL = "include/linux/mm.h", "include/linux/page-flags.h", "mm/internal.h"

#: Number of rounds of the searches that `verify` runs without being told which.
ROUNDS = 12


def sub(name, pattern, new, file=GUP):
    """The edit that puts *new* for the first *pattern* in the definition of *name*."""

    def edit(files):
        for item in items(file, files[file]):
            text, found = re.subn(pattern, new, item.text, count=1, flags=re.MULTILINE)
            if name in item.names and found:
                return files | {file: files[file].replace(item.text, text)}
        raise AssertionError(f"{name} has no {pattern}")

    return edit


def moved(name, before):
    """The edit that moves the function *name* before the function *before*."""

    def edit(files):
        texts = {n: item.text for item in items(GUP, files[GUP]) for n in item.names}
        text = files[GUP].replace(f"{texts[name]}\n\n", "")
        return files | {GUP: text.replace(texts[before], f"{texts[name]}\n\n{texts[before]}")}

    return edit


def anywhere(pattern, new, file=GUP):
    """The edit that puts *new* for each *pattern* in *file*."""
    return lambda files: files | {file: re.sub(pattern, new, files[file])}


FIRST = r"^\{\n"
SOME = "{\n\tbarrier();\n"
BRANCH = "{\n\tif (refs < -9)\n\t\treturn;\n"
NOT, PARTLY, AGREED, DIVERGES = "not under test", "partly under test", "agreed", "diverges"
MASKED = sub("page_fixed_fake_head", r"head - 1", "head - 2", FLAGS)
REWORDED = sub("gup_folio_next", r"= nr - i", "= 0 + nr - i")

#: Edits, by what they are: version, what is edited, and what must be told.
TOLD = {
    "walk": ("6.12", [sub("follow_page_pte", FIRST, SOME)], AGREED),
    "walk that does not compile": (
        "6.12",
        [sub("follow_page_mask", FIRST, "{\n\tvma->vm_mm->no_such_member = 1;\n")],
        NOT,
    ),
    "fast walk": ("6.1", [sub("gup_pte_range", FIRST, SOME)], AGREED),
    "fault in": ("7.3", [sub("fault_in_writeable", FIRST, SOME)], NOT),
    "long-term": ("7.3", [sub("collect_longterm_unpinnable_folios", FIRST, SOME)], AGREED),
    "folios": ("6.12", [sub("unpin_folios", r"j - i", "1")], DIVERGES),
    "folio": ("6.12", [sub("unpin_user_folio", r"npages, F", "1, F")], DIVERGES),
    "one more pin": ("6.12", [sub("folio_add_pin", r"^.*atomic_inc.*\n", "")], DIVERGES),
    "undo removed": ("6.12", [sub("try_get_folio", r"folio_put_refs.*;", ";")], DIVERGES),
    "error removed": ("6.12", [sub("ib_umem_get", r"^.*atomic64_sub.*\n", "", UMEM)], NOT),
    "compiles to nothing": ("7.3", [sub("try_grab_folio_fast", r"(VM_WARN\w+)\(!", r"\1(")], NOT),
    "off": ("6.12", [MASKED], NOT),
    "off, and ran": ("6.12", [MASKED, REWORDED], PARTLY),
    "new branch": (
        "7.3",
        [sub("gup_put_folio", FIRST, BRANCH)],
        PARTLY,
    ),
    "label": ("6.12", [sub("try_get_folio", r"retry", "again")] * 2, AGREED),
    "reworded": ("6.1", [REWORDED], AGREED),
    "moved": ("6.12", [moved("gup_folio_range_next", "gup_put_folio")], AGREED),
    "reformatted": ("7.3", [sub("unpin_folios", r" = i \+ 1;", "=i+1 ; /* next */")], AGREED),
    "export": ("6.12", [anywhere(r"EXPORT_SYMBOL\(unpin_user_page\);\n", "")], AGREED),
    "always inlined": ("6.12", [sub("_compound_head", r"head - 1;", "head - 1UL;", FLAGS)], AGREED),
    "flag": ("6.12", [sub("FOLL_PIN", r"(FOLL_PIN = 1 <<) \d+", r"\1 27", INTERNAL)], AGREED),
    "bias": ("6.12", [sub("GUP_PIN_COUNTING_BIAS", r"<< 10", "<< 9", MM)], DIVERGES),
    "else": ("6.12", [sub("gup_put_folio", r"^\t\telse\n\t", "")], DIVERGES),
    "dirty": ("7.3", [sub("unpin_user_page_range_dirty_lock", r"make_dirty && ", "")], DIVERGES),
    "short-term": ("6.1", [sub("ib_umem_get", r" \| FOLL_LONGTERM", "", UMEM)], DIVERGES),
    "read only": ("6.12", [sub("ib_umem_get", r"\|= FOLL_WRITE", "|= 0", UMEM)], DIVERGES),
    "too long": (
        "6.1",
        [sub("ib_umem_get", r"ib_dma_max_seg_size\(device\)", "~0U", UMEM)],
        DIVERGES,
    ),
    "region": (
        "6.1",
        [sub("ib_umem_get", r"^.*unpin_user_pages_dirty.*\n", "", UMEM)],
        DIVERGES,
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _cache():
    """Kernels are unpacked into the user's cache, where they are the next time."""


@pytest.mark.slow("compiles a kernel, and searches")
@pytest.mark.parametrize(("version", "edits", "told"), TOLD.values(), ids=TOLD)
def test_told(version, edits, told, tmp_path):
    """An edit diverges, agrees, or is told as not under test, or partly."""
    where = KERNELS[version]
    if not Path(where).is_file():
        pytest.skip(f"no {where}")
    tree = read(where)
    files = tree.files
    for edit in edits:
        files = edit(files)
    edited = evolve(tree, files=files, edits=tree.edits.also(tree.files, (), ()))
    source = Source(where, build(edited, "vmemmap"))
    searchers = [registry.load(name) for name in registry.turns(source())]
    search = Search(source, SEMANTICS[version], layouts.shipped())
    store = Store(source, directory=tmp_path)
    # What diverges ends the search.
    rounds = 4 * ROUNDS if told == DIVERGES else ROUNDS
    ended = verify(searchers, search, store, 7, rounds=rounds, tested=source)
    under = source.under_test()
    extent = Extent(under, source.changes(under))
    source.worker.close()

    assert files != tree.files
    assert told == (DIVERGES if ended.reduced else extent.lack or AGREED), [*extent.lines()]
