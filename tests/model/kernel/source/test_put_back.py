# SPDX-License-Identifier: MIT

"""Bugs of the calls that pin, put back into released kernels: plain `verify` finds each."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from model.kernel.source.build import build
from model.kernel.source.candidate import Source
from model.kernel.source.tree import read
from model.semantics import SEMANTICS
from properties import layouts
from properties.reports.store import Store
from properties.search import Search
from properties.searches import registry
from properties.verify import verify
from tests.helpers import MANY_SEEDS
from tests.model.kernel.source.test_kernels import KERNELS
from tests.model.kernel.source.test_told import sub

#: Maximum number of rounds of the searches that `verify` runs without being told which.
ROUNDS = 240

SEQUENCE = r"read_seqcount_retry\(&current->mm->write_protect_seq, seq\)"
MEMFD = "mm/memfd.c"
RACED = r"goto err;\n\t+folio = NULL;"
RESERVES, ANY = "alloc_hugetlb_folio_reserve", "alloc_hugetlb_folio_nodemask"
CHECK = "check_and_migrate_movable_pages_or_folios"

#: Each bug by its commit, or by what it is a kind of: version, and the edit that puts it back.
BUGS = {
    # Races under GUP-fast.
    "57efa1fe5957": ("6.1", sub("lockless_pages_from_mm", SEQUENCE, "false")),
    "57efa1fe5957 in 7.3": ("7.3", sub("gup_fast", SEQUENCE, "false")),
    "an entry that changed": (
        "6.1",
        sub("gup_pte_range", r"pte_val\(pte\) != pte_val\(\*ptep\)", "false"),
    ),
    "70cbc3cc78a9": (
        "6.1",
        sub("gup_pte_range", r"pmd_val\(pmd\) != pmd_val\(\*pmdp\)", "false"),
    ),
    "a huge entry that changed": (
        "7.3",
        sub(
            "gup_fast_pmd_leaf", r"pmd_val\(orig\) != pmd_val\(pmdp_get_lockless\(pmdp\)\)", "false"
        ),
    ),
    "an undo of one too few": (
        "6.1",
        sub(
            "gup_huge_pmd", r"gup_put_folio\(folio, refs, flags\)", "gup_put_folio(folio, 1, flags)"
        ),
    ),
    "c24d37322548": ("6.1", sub("try_get_folio", r"page_folio\(page\) != folio", "false")),
    "c24d37322548 in 7.3": ("7.3", sub("try_get_folio", r"page_folio\(page\) != folio", "false")),
    # Pages that are shared after a fork.
    "a7f226604170": ("6.1", sub("gup_pte_range", r"gup_must_unshare\(flags, page\)", "false")),
    "a7f226604170 on the slow path": (
        "6.12",
        sub("follow_page_pte", r"gup_must_unshare\(vma, flags, page\)", "false"),
    ),
    # Long-term pins.
    "24a95998e9ba's kind": (
        "6.12",
        sub(
            CHECK,
            r"(if \(!collected\)\n\t\treturn 0;)",
            r"\1\n\tif (collected > 1)\n\t\treturn -ENOMEM;",
        ),
    ),
    "1aaf8c122918": ("6.12", sub(CHECK, r"!collected", "list_empty(&movable_folio_list)")),
    "83c02c23d074's kind": (
        "6.1",
        sub(
            "collect_longterm_unpinnable_pages",
            r"prev_folio = folio;",
            "prev_folio = folio; i += folio_nr_pages(folio) - 1;",
        ),
    ),
    "long-term check after the grab": (
        "6.12",
        sub(
            "try_grab_folio_fast",
            r"folio_put_refs\(folio, refs\)",
            "gup_put_folio(folio, refs, flags)",
        ),
    ),
    "not unpinned before it moves": (
        "6.1",
        sub(
            "migrate_longterm_unpinnable_pages",
            r"unpin_user_page\(pages\[i\]\);\n\t\tpages",
            "pages",
        ),
    ),
    # Devices.
    "6dd29b3df975's kind": ("6.1", sub("gup_pte_range", r"put_dev_pagemap\(pgmap\)", "barrier()")),
    "an undo for a device": (
        "6.1",
        sub("undo_dev_pagemap", r"\(\*nr\) - nr_start", "(*nr) - nr_start - 1 > 0"),
    ),
    # The slow path.
    "a read-only entry": ("6.1", sub("can_follow_write_pte", r"pte_write\(pte\)", "true")),
    "a step too long": ("6.12", sub("__get_user_pages", r"= 1 \+ \(~", "= 2 + (~")),
    "a lock that is kept": (
        "6.1",
        sub("follow_pmd_mask", r"(follow_trans_huge_pmd.*\n)\tspin_unlock\(ptl\);", r"\1"),
    ),
    "more pages than asked for after a retry": (
        "6.12",
        sub("__get_user_pages_locked", "nr_pages -= ret", "nr_pages += ret"),
    ),
    "a write fault to read": (
        "6.12",
        sub("faultin_page", "fault_flags = 0", "fault_flags = FAULT_FLAG_WRITE"),
    ),
    "a1268be280d8": ("6.12", sub("unpin_user_pages", r"!pages\[i\]", "false")),
    # Files in memory.
    "7cdaaef4e115's kind": (
        "6.12",
        sub(
            "check_and_migrate_movable_folios",
            r"(nr_entries = nr_folios,\n\t\};)",
            r"\1\n\tif (nr_folios > 1 && !folio_is_longterm_pinnable(folios[1]))"
            r"\n\t\treturn -ENOMEM;",
        ),
    ),
    "ce645b9fdc78": ("6.12", sub("memfd_pin_folios", RACED, "goto err;")),
    "ce645b9fdc78 in 7.3": ("7.3", sub("memfd_pin_folios", RACED, "goto err;")),
    "c56b6f3d801d": (
        "6.12",
        sub("memfd_alloc_folio", r"if \(folio\)", "if (folio && folio_try_get(folio))", MEMFD),
    ),
    "26a8ea80929c": ("6.12", sub("memfd_alloc_folio", RESERVES, ANY, MEMFD)),
    "26a8ea80929c in 7.3": ("7.3", sub("memfd_alloc_folio", RESERVES, ANY, MEMFD)),
    "8ab1b1602396's kind": (
        "6.12",
        sub("memfd_pin_folios", r"next_idx != folio_index\(fbatch\.folios\[i\]\)", "false"),
    ),
    "an offset that is not set": (
        "7.3",
        sub("memfd_pin_folios", r"\*offset = offset_in_folio\(folio, start\)", "*offset = 0"),
    ),
    "a reservation that is kept": (
        "7.3",
        sub("memfd_alloc_folio", r"hugetlb_unreserve_pages\(inode, idx, idx \+ 1, 0\)", ";", MEMFD),
    ),
}


#: Those that take half a minute and more, as few programs meet them.
RARE = {
    *("a7f226604170", "a7f226604170 on the slow path", "6dd29b3df975's kind", "a read-only entry"),
    *("ce645b9fdc78 in 7.3", "26a8ea80929c in 7.3", "a reservation that is kept"),
    *("more pages than asked for after a retry", "a write fault to read"),
}


@pytest.fixture(scope="module", autouse=True)
def _cache():
    """Kernels are unpacked into the user's cache, where they are the next time."""


@pytest.mark.slow("compiles a kernel, and searches")
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=MANY_SEEDS if one in RARE else ()) for one in BUGS]
)
def test_put_back(name, tmp_path):
    """The bug is found, and reduced to at most four steps."""
    version, edit = BUGS[name]
    where = KERNELS[version]
    if not Path(where).is_file():
        pytest.skip(f"no {where}")
    tree = read(where)
    source = Source(where, build(evolve(tree, files=edit(tree.files)), "vmemmap"))
    searchers = [registry.load(name) for name in registry.turns(source())]
    search = Search(source, SEMANTICS[version], layouts.shipped())
    store = Store(source, directory=tmp_path)
    ended = verify(searchers, search, store, 7, rounds=ROUNDS, tested=source)
    source.worker.close()

    assert "" == source.library.unwalked
    assert ended.reduced
    assert len(ended.reduced.program.steps) <= 4
