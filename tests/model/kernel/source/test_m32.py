# SPDX-License-Identifier: MIT

"""Functions compiled for 32 bits."""

from __future__ import annotations

import shlex

import pytest

from model.errors import BadInput
from model.kernel.source.build import build, compiler
from model.kernel.source.coverage import reader
from properties.judging.judge import judge
from properties.search import Search, Tally
from properties.searches.registry import load
from tests.model.kernel.source.needs import lacking_32
from tests.model.kernel.source.test_source import ALL, START, program

M32 = ("m32",)

needs_32 = pytest.mark.skipif(bool(lacking_32()), reason=lacking_32())


@needs_32
@pytest.mark.parametrize(
    ("model", "where"),
    [
        *(("vmemmap", where) for where in ("0x100", "0xfffffffc", "0x7fffffff00")),
        *(("classic", where) for where in ("0x100", "0xfffff800", "0x7fffffff00")),
    ],
)
def test_all_calls(compiled, edited, model, where):
    """Each step shows what the reference shows, on frames that 32 bits cannot number too."""
    by_frame = ("(compound_head(page), 1", "(compound_head(pfn_to_page(page_to_pfn(page))), 1")
    no_wrap = ("\tint all = flags", "\tWARN_ON(page_to_pfn(page) < 0x100);\n\tint all = flags")
    source = compiled(edited(by_frame, no_wrap), model, M32)
    start = START.replace("orders=[2, 2, 1, 0]", f"orders=[2, 2, 1, 0], pfn={where}")
    verdict = judge(program(*ALL.split("\n"), start=start), source())

    assert ("agrees", 26) == (verdict.kind, verdict.steps), verdict.worst
    assert ("flatmem, m32)" if model == "vmemmap" else "classic, m32)") in source.abilities.name


@needs_32
@pytest.mark.parametrize(("configs", "kind"), [((), "agrees"), (M32, "diverges")])
def test_a_product_that_overflows(compiled, edited, configs, kind):
    """Bytes of 2^20 pages are 0 in 32 bits: a run of no pages."""
    tree = edited(("unsigned long rest =", "left = left << 12 >> 12;\n\tunsigned long rest ="))
    source = compiled(tree, "vmemmap", configs)
    lines = (
        "h1 = pin_user_pages(a[1:1048577])",
        "unpin_user_page_range_dirty_lock(h1[0:1048576], make_dirty=True)",
    )
    start = START.replace('"driver", orders=[2, 2, 1, 0]', '"hugetlb", orders=[18]*5')

    assert kind == judge(program(*lines, start=start), source()).kind


@needs_32
def test_lines_are_counted(compiled, toy):
    """The counters of lines are found, and read, as on 64 bits."""
    source = compiled(toy, "vmemmap", M32)
    snapshots = list(source().execute(program("h1 = pin_user_pages(a[0:1])")))
    if not reader(compiler()):
        pytest.skip("no gcov")

    assert any(name.startswith("try_grab_page#") for name in snapshots[0].ran)
    ran = {one.name: one for one in source.under_test().functions}
    assert sum(ran["try_grab_page"].lines.values())
    assert not sum(ran["unpin_user_page"].lines.values())


@needs_32
@pytest.mark.parametrize(("search", "number"), [("soak", 0), ("wide", 0), ("orders", 0)])
def test_draws_what_fits(compiled, toy, search, number):
    """Searches keep within the address space, and within a process of 32 bits."""
    source = compiled(toy, "vmemmap", M32)
    tally = Tally()
    load(search)(Search(source, strict=True, watcher=tally), number)

    assert tally.worst is None, tally.worst[1].summary
    assert tally.steps


@pytest.mark.parametrize("does", ["exit 1", "exit 0"])
def test_no_libraries(toy, tmp_path, monkeypatch, does):
    """Where no such program can be made, or none runs, it is said what to install."""
    cc = tmp_path / "cc"
    real = shlex.quote(str(compiler()))
    cc.write_text(f'#!/bin/sh\ncase "$*" in *-m32*) {does};; esac\nexec {real} "$@"\n')
    cc.chmod(0o755)
    monkeypatch.setenv("CC", str(cc))

    with pytest.raises(BadInput, match=r"m32: .*cc makes no 32-bit .*gcc-multilib") as told:
        build(toy, "vmemmap", M32)
    assert 1 == len(str(told.value).splitlines())
